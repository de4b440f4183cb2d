from stage import *

# two endpoints of one service, one of which is not there
Backend("alive", "10.9.0.1", 16379)
text = client([(*OUTBOUND, "redis"), ("127.0.0.1", 13307, "silent")])
text += dataplane("redis-1", "10.9.0.1", 16379) + dataplane("redis-2", "10.9.0.2", 16379)
# packets to there are lost
sh("ip link add wire type veth peer name end && ip link set wire up && ip link set end up && ip addr add 10.8.8.1/24 dev wire")
sh("ip neigh add 10.8.8.9 lladdr 02:00:00:00:00:09 dev wire nud permanent")
text += dataplane("silent-1", "10.8.8.9", 16379, "silent")
save("mesh.yaml", text)
save(
    "timeout.yaml",
    """type: MeshTimeout
mesh: default
name: connect
spec:
  targetRef: { kind: Mesh }
  to:
    - targetRef: { kind: Mesh }
      default: { connectionTimeout: 2s }
""",
)
up = Up()
CGROUP.enter()


def tried():
    try:
        return reach()
    except ConnectionRefusedError:
        return "refused"


# one application hears of it, and for a while nobody else
outcomes = [tried() for _ in range(40)]
assert outcomes.count("refused") == 1, outcomes
line = next(line for line in up.lines(40) if line["ended"] != "client-closed")
assert (line["ended"], line["endpoint"]) == ("connect-refused", "10.9.0.2:16379"), line
assert "10.9.0.2:16379: " in line["why"], line
time.sleep(1.1)
assert [tried() for _ in range(40)].count("refused") == 1, "it is tried again after a second"

# who does not answer is given up in time
begun = time.monotonic()
try:
    dial(("127.0.0.1", 13307))
    raise AssertionError("it connected")
except TimeoutError:
    took = time.monotonic() - begun
assert abs(took - 2) < 0.5, took
line = eventually("its line", lambda: next((it for it in up.lines() if it["listener"].endswith(":13307")), None))
assert (line["ended"], line["path"]) == ("connect-timeout", "kernel"), line
assert abs(line["duration_ms"] - 2000) < 500, line
assert up.metric("meshtcp_connections_active{") == 0

# what checks find down gets nothing
save("check.yaml", HEALTH_CHECK)
eventually("it is down", lambda: up.metric('meshtcp_cluster_endpoints{') and up.said("an endpoint is down"))
time.sleep(0.2)
assert [tried() for _ in range(100)] == ["alive"] * 100

# after it is established the socket has the timeout that it had
with dial() as connection:
    name_of(connection)
    assert connection.getsockopt(socket.IPPROTO_TCP, 18) == 0
connection = socket.socket()
connection.setsockopt(socket.IPPROTO_TCP, 18, 12345)
connection.connect(OUTBOUND)
assert connection.getsockopt(socket.IPPROTO_TCP, 18) == 12345
connection.close()
assert up.ends() == 0
