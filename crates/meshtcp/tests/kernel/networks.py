import ctypes
from stage import *

# a container: a network of its own, with a wire to this one
ready, go = os.pipe(), os.pipe()
container = os.fork()
if container == 0:
    assert ctypes.CDLL(None).unshare(0x40000000) == 0
    os.write(ready[1], b"x")
    os.read(go[0], 1)
    sh("ip link set lo up && ip link set inside up && ip addr add 10.7.0.2/24 dev inside && ip route add 10.9.0.0/24 via 10.7.0.1")
    # what is asked comes as lines on a pipe, and answers go back on another
    while line := os.read(go[0], 1000).decode():
        kind, address, port = line.split()
        try:
            connection = dial((address, int(port)), timeout=5)
            answer = name_of(connection)
            if kind == "wait":
                os.write(ready[1], answer.encode())
                try:
                    connection.recv(1)
                    answer = "closed"
                except ConnectionAbortedError:
                    answer = "aborted"
            connection.close()
        except OSError as error:
            answer = type(error).__name__
        os.write(ready[1], answer.encode())
    os._exit(0)
os.read(ready[0], 1)
sh(f"ip link add outside type veth peer name inside netns {container} && ip link set outside up && ip addr add 10.7.0.1/24 dev outside")
(CGROUP.folder / "cgroup.procs").write_text(str(container))


def asks(kind, to):
    os.write(go[1], f"{kind} {to[0]} {to[1]}".encode())
    return os.read(ready[0], 1000).decode()


os.write(go[1], b"x")
for version, address in VERSIONS.items():
    Backend(version, address, 16379)
VIRTUAL = ("240.0.0.5", 80)
text = two_versions().replace("    - {", '    - { address: "240.0.0.5", port: 80, tags: { kuma.io/service: redis } }\n    - {', 1)
text = text.replace("name: default\n", "name: default\nlabels: { meshtcp.io/max-connection-age: 1s }\n", 1)
save("mesh.yaml", text)
up = Up("--kernel-netns", str(container))
assert up.paths()["outbound:240.0.0.5:80"] == ("kernel", None), up.paths()
assert up.json("/status")["unbound"] == [], up.json("/status")["unbound"]
CGROUP.enter()

# an address that nobody has, from here and from there; and one of a loopback where nobody listens
assert {reach(VIRTUAL) for _ in range(4)} == {"v1", "v2"}
assert {asks("reach", VIRTUAL) for _ in range(4)} == {"v1", "v2"}
assert {asks("reach", OUTBOUND) for _ in range(4)} == {"v1", "v2"}
lines = up.lines(12)
assert all(line["path"] == "kernel" for line in lines), lines
assert sum(line["client"].startswith("10.7.0.2:") for line in lines) == 8, lines

# connections there are ended, too
assert asks("wait", VIRTUAL) in VERSIONS
assert os.read(ready[0], 1000) == b"aborted"
line = eventually("its line", lambda: next((it for it in up.lines() if it["ended"] == "max-age"), None))
assert line["client"].startswith("10.7.0.2:"), line

# afterwards there is nothing there
assert up.ends() == 0
assert asks("reach", OUTBOUND) == "ConnectionRefusedError"
os.close(go[1])
os.kill(container, signal.SIGKILL)
