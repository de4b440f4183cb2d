from stage import *

Backend("v1", "10.9.0.1", 16379)
outbounds = [(*OUTBOUND, "redis"), ("127.0.0.1", 13307, "retried"), ("127.0.0.1", 13308, "headed")]
text = client(outbounds) + "".join(
    dataplane(f"{service}-1", "10.9.0.1", 16379, service=service, version="v1")
    for service in ("redis", "retried", "headed")
)
# a version of which nothing is ready
unready = dataplane("redis-2", "10.9.0.2", 16379, version="v2")
text += unready.replace("tags:", "health: { ready: false }, tags:")
save("mesh.yaml", text)
save(
    "policies.yaml",
    """type: MeshRetry
mesh: default
name: retry
spec:
  targetRef: { kind: Mesh }
  to:
    - targetRef: { kind: MeshService, name: retried }
      default: { tcp: { maxConnectAttempt: 3 } }
""",
)
headed = route({"v1": 1}, "headed", "headed")
save("headed.yaml", headed.replace("name: headed\n", "name: headed\nlabels: { meshtcp.io/proxy-protocol: v1 }\n", 1))
up = Up(path="kernel")
CGROUP.enter()
paths = up.paths()
assert paths["outbound:127.0.0.1:13306"] == ("kernel", None), paths
assert paths["outbound:127.0.0.1:13307"] == ("relay", "several endpoints are tried for one connection"), paths
path, why = paths["outbound:127.0.0.1:13308"]
assert path == "relay" and why.endswith(": connections to it begin with a PROXY protocol header"), why
assert up.said(f"outbound:127.0.0.1:13308 of default/web-1 stays on the relay: {why}"), up.printed
assert not up.said("inbound:"), "an inbound is the relay's by nature"
for port in (13306, 13307, 13308):
    assert reach(("127.0.0.1", port)) == "v1"
lines = {line["listener"].rsplit(":", 1)[1]: line.get("path") for line in up.lines(3)}
assert lines == {"13306": "kernel", "13307": None, "13308": None}, lines
assert up.metric('meshtcp_listener_path{proxy="default/web-1",listener="outbound:127.0.0.1:13306",path="kernel"}') == 1

# no backend, and weights that are all 0: refused at once, with a line that says so
up.change("route.yaml", route({"v1": 0, "v2": 0}))
begun = time.monotonic()
try:
    dial()
    raise AssertionError("it was not refused")
except ConnectionRefusedError:
    assert time.monotonic() - begun < 1
line = up.lines(4)[-1]
assert (line["ended"], line["path"], line["endpoint"]) == ("no-backend", "kernel", None) and line["why"], line
assert up.metric('meshtcp_connections_refused_total{') == 1

# a share that leads nowhere is refused, the other goes on
up.change("route.yaml", route({"v1": 1, "v2": 1}))
outcomes = []
for _ in range(40):
    try:
        outcomes.append(reach())
    except ConnectionRefusedError:
        outcomes.append("refused")
assert abs(outcomes.count("v1") - 20) <= 2 and abs(outcomes.count("refused") - 20) <= 2, outcomes
refused = [line for line in up.lines(44) if line["ended"] == "backend-unavailable"]
assert abs(len(refused) - 20) <= 2 and "has no endpoints" in refused[0]["why"], refused[:1]
assert up.ends() == 0

# off by a switch
up = Up("--kernel-peer", "endpoint", log="peers.log")
up.change("route.yaml", route({"v1": 1}))
with dial() as connection:
    assert connection.getpeername() == ("10.9.0.1", 16379)
assert up.ends() == 0
up = Up(path="relay", log="relay.log")
assert up.paths()["outbound:127.0.0.1:13306"] == ("relay", "--data-path relay")
assert up.ends() == 0
