import errno
from collections import Counter
from stage import *

backend = Backend("v1", "10.9.0.1", 16379)
# packets to there are lost
sh("ip link add wire type veth peer name end && ip link set wire up && ip link set end up && ip addr add 10.8.8.1/24 dev wire")
sh("ip neigh add 10.8.8.9 lladdr 02:00:00:00:00:09 dev wire nud permanent")
text = client([(*OUTBOUND, "redis"), ("127.0.0.1", 13307, "silent")])
save("mesh.yaml", text + dataplane("redis-1", "10.9.0.1", 16379) + dataplane("silent-1", "10.8.8.9", 16379, "silent"))
LIMIT, CROWD = 10, 40
save(
    "limit.yaml",
    f"""type: MeshCircuitBreaker
mesh: default
name: limit
spec:
  targetRef: {{ kind: Mesh }}
  to:
    - targetRef: {{ kind: MeshService, name: redis }}
      default: {{ connectionLimits: {{ maxConnections: {LIMIT} }} }}
    - targetRef: {{ kind: MeshService, name: silent }}
      default: {{ connectionLimits: {{ maxPendingRequests: 3, maxConnections: 1000 }} }}
""",
)
up = Up()
assert up.paths()["outbound:127.0.0.1:13306"] == ("kernel", None), up.paths()

# some through the relay, from outside of the cgroup
relayed = [dial() for _ in range(4)]
for connection in relayed:
    name_of(connection)
CGROUP.enter()
cluster = lambda: next(it for it in up.json("/status")["clusters"] if it["cluster"].startswith("redis"))["connections"]
time.sleep(0.3)

begin, held, refused = threading.Barrier(CROWD), [], [0]


def one():
    begin.wait()
    try:
        connection = dial()
        name_of(connection)
        held.append(connection)
    except ConnectionRefusedError:
        refused[0] += 1


crowd = [threading.Thread(target=one) for _ in range(CROWD)]
for thread in crowd:
    thread.start()
for thread in crowd:
    thread.join()
most = LIMIT - len(relayed) + os.cpu_count()
assert LIMIT - len(relayed) <= len(held) <= most, (len(held), most)
assert len(held) + refused[0] == CROWD
full = [line for line in up.lines(refused[0]) if line["ended"] == "backend-limit"]
assert len(full) == refused[0] and "has as many connections as it may have" in full[0]["why"], full[:1]
assert eventually("both are counted", lambda: cluster()["used"] == len(held) + len(relayed))

# the relay is told of ours
child = os.fork()
if child == 0:
    (cgroups() / "cgroup.procs").write_text("0")
    try:
        name_of(dial())
        os._exit(1)
    except OSError:
        os._exit(0)
assert os.waitpid(child, 0)[1] == 0, "the relay went past the limit"

# who goes makes room, however it goes
for connection in held + relayed:
    connection.close()
eventually("there is room", lambda: cluster()["used"] == 0)
assert reach() == "v1"
eventually("there is room again", lambda: cluster()["used"] == 0)
child = os.fork()
if child == 0:
    keep = [dial() for _ in range(LIMIT)]
    os.kill(os.getpid(), signal.SIGKILL)
os.waitpid(child, 0)
eventually("there is room", lambda: cluster()["used"] == 0)
backend.stop()
outcomes = Counter()
for _ in range(3):
    try:
        dial()
    except OSError as error:
        outcomes[error.errno] += 1
eventually("failures hold no place", lambda: cluster()["used"] == 0)
assert outcomes[errno.ECONNREFUSED], outcomes

# those on the way
waiting = []
for _ in range(6):
    connection = socket.socket()
    connection.setblocking(False)
    waiting.append((connection, connection.connect_ex(("127.0.0.1", 13307))))
assert [code for _, code in waiting] == [errno.EINPROGRESS] * 3 + [errno.ECONNREFUSED] * 3, waiting
line = eventually("its line", lambda: next((it for it in up.lines() if it["ended"] == "pending-limit"), None))
assert "as may are being established" in line["why"], line
for connection, _ in waiting:
    connection.close()
time.sleep(0.3)
connection = socket.socket()
connection.setblocking(False)
assert connection.connect_ex(("127.0.0.1", 13307)) == errno.EINPROGRESS
connection.close()
assert up.ends() == 0
