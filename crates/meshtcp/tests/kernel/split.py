from collections import Counter
import os
from stage import *

for version, address in VERSIONS.items():
    Backend(version, address, 16379)
save("mesh.yaml", two_versions())
save("route.yaml", route({"v1": 14, "v2": 2}))
up = Up()
assert up.paths()["outbound:127.0.0.1:13306"] == ("kernel", None), up.paths()
CGROUP.enter()

met = Counter()
for number in range(1, 2001):
    met[reach()] += 1
    # what a walk by the golden ratio may be off, in as many draws
    assert abs(met["v1"] - number * 14 / 16) <= 3, (number, met)
assert abs(met["v1"] - 1750) <= 3, met

# eight processes at once: one walk for all
parts = []
for _ in range(8):
    read, write = os.pipe()
    if os.fork() == 0:
        mine = Counter(reach() for _ in range(250))
        os.write(write, json.dumps(mine).encode())
        os._exit(0)
    os.close(write)
    parts.append(read)
both = Counter()
for read in parts:
    both.update(json.loads(os.read(read, 4096)))
assert abs(both["v1"] - 1750) <= 4, both

lines = up.lines(4000)
assert len(lines) == 4000 and all(line["path"] == "kernel" for line in lines)
assert all(line["ended"] in ("client-closed", "client-reset") for line in lines), Counter(it["ended"] for it in lines)
assert up.metric("meshtcp_connections_accepted_total") == 4000
assert up.metric('meshtcp_split_chosen_total{') == 4000
assert eventually("nobody lives", lambda: up.metric("meshtcp_connections_active{") == 0)

# one that lives is listed, counted, and logged with its bytes when it ends
with dial() as connection:
    name_of(connection)
    connection.sendall(b"x" * 100_000)
    left = 100_000
    while left:
        left -= len(connection.recv(65536))
    [listed] = eventually("it is listed", lambda: up.json("/connections"))
    assert (listed["path"], listed["pid"] > 0, listed["bytesFromClient"]) == ("kernel", True, 100_000), listed
    assert up.metric("meshtcp_connections_active{") == 1
    local = connection.getsockname()
last = up.lines(4001)[-1]
assert (last["bytes_from_client"], last["bytes_to_client"]) == (100_000, 100_003), last
assert last["client"] == f"{local[0]}:{local[1]}" and last["id"] == listed["id"], (last, local)
assert last["command"] == "python3" and last["connect_us"] > 0, last

# not a trace of a relay, and the peer is what was dialled
assert listed["endpoint"] in ("10.9.0.1:16379", "10.9.0.2:16379")
with dial() as connection:
    assert connection.getpeername() == OUTBOUND, connection.getpeername()
assert up.ends() == 0
