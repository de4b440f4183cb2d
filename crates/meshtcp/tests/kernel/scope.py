import ctypes
from stage import *

for version, address in VERSIONS.items():
    Backend(version, address, 16379)
save("mesh.yaml", two_versions())
up = Up()


def path_of_next():
    reach()
    count = path_of_next.count = getattr(path_of_next, "count", 0) + 1
    return up.lines(count)[-1].get("path")


assert path_of_next() is None, "a process outside of the cgroup meets the relay"
made_outside = socket.socket()
CGROUP.enter()
assert path_of_next() == "kernel"
# what counts is where a socket was made
made_outside.connect(OUTBOUND)
name_of(made_outside)
made_outside.close()
path_of_next.count += 1
assert up.lines(path_of_next.count)[-1].get("path") is None

# the same address in another network, of a process in the same cgroup
child = os.fork()
if child == 0:
    assert ctypes.CDLL(None).unshare(0x40000000) == 0
    sh("ip link set lo up")
    try:
        dial(timeout=2)
    except ConnectionRefusedError:
        Backend("own", "127.0.0.1", 13306)
        os._exit(0 if reach() == "own" else 1)
    os._exit(2)
assert os.waitpid(child, 0)[1] == 0

# UDP to the same port is nobody's business
echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
echo.bind(OUTBOUND)
asks = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asks.connect(OUTBOUND)
asks.send(b"hello")
assert echo.recv(100) == b"hello"

# a socket that is bound to loopback stays on the host: the relay dials for it
Backend("far", "10.9.0.9", 16380)
text = client([(*OUTBOUND, "redis"), ("127.0.0.1", 13309, "far")]) + dataplane("far-1", "10.9.0.9", 16380, "far")
up.change("mesh.yaml", text + "".join(dataplane(f"redis-{v}", a, 16379, version=v) for v, a in VERSIONS.items()))
bound = socket.socket()
bound.bind(("127.0.0.1", 0))
bound.connect(("127.0.0.1", 13309))
assert name_of(bound) == "far"
bound.close()
path_of_next.count += 1
assert up.lines(path_of_next.count)[-1].get("path") is None
assert up.metric('meshtcp_kernel_connections_left_total{reason="bound-to-loopback"}') == 1
with dial(("127.0.0.1", 13309)) as connection:
    assert name_of(connection) == "far" and connection.getpeername() == ("127.0.0.1", 13309)
path_of_next.count += 1
assert up.lines(path_of_next.count)[-1].get("path") == "kernel"
assert up.ends() == 0
