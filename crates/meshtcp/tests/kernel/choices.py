from collections import Counter
from stage import *

endpoints = {f"e{number}": Backend(f"e{number}", f"10.9.0.{number}", 16379) for number in range(1, 5)}
services = {"sticky": 13306, "least": 13307, "ring": 13308, "maglev": 13309, "far": 13310}
outbounds = [("127.0.0.1" if name != "far" else "10.9.0.77", port, name) for name, port in services.items()]
text = client(outbounds)
for name in services:
    for number in range(1, 5):
        text += dataplane(f"{name}-{number}", f"10.9.0.{number}", 16379, name, version=f"v{number % 2 + 1}")
Path("/proc/sys/net/ipv4/ip_nonlocal_bind").write_text("1")
save("mesh.yaml", text)
label = lambda text, key, value: text.replace("mesh: default\n", f"mesh: default\nlabels: {{ meshtcp.io/{key}: {value} }}\n", 1)
save("sticky.yaml", label(route({"v1": 1, "v2": 1}, "sticky", "sticky"), "sticky", "source-ip"))
strategy = lambda service, conf: f"""---
type: MeshLoadBalancingStrategy
mesh: default
name: {service}
spec:
  targetRef: {{ kind: Mesh }}
  to:
    - targetRef: {{ kind: MeshService, name: {service} }}
      default: {{ loadBalancer: {conf} }}
"""
save(
    "strategies.yaml",
    strategy("least", "{ type: LeastRequest, leastRequest: { choiceCount: 4 } }")
    + strategy("ring", f"{{ type: RingHash, ringHash: {{ minRingSize: 64 }} }}")
    + strategy("maglev", f"{{ type: Maglev, maglev: {{ tableSize: 251 }} }}")
    + strategy("far", f"{{ type: Maglev, maglev: {{ tableSize: 251 }} }}"),
)
up = Up()
path = lambda name: next(it for listener, it in up.paths().items() if listener.endswith(f":{services[name]}"))
assert all(path(name) == ("kernel", None) for name in ("sticky", "least", "ring", "maglev")), up.paths()
assert path("far")[0] == "relay" and "by the client's address" in path("far")[1], path("far")
to = lambda name: ("127.0.0.1", services[name])

# what the relay chooses is what is chosen here
relayed = {name: {reach(to(name)) for _ in range(12)} for name in ("sticky", "ring", "maglev")}
begin = len(up.lines(36))
CGROUP.enter()
for name in ("sticky", "ring", "maglev"):
    here = {reach(to(name)) for _ in range(12)}
    assert here == relayed[name], (name, here, relayed[name])
lines = eventually("the lines", lambda: up.lines(begin + 36)[begin:])
assert all(line["path"] == "kernel" for line in lines)
sides = {line["backend"] for line in lines if line["listener"].endswith(":13306")}
assert len(sides) == 1 and len(relayed["ring"]) == 1 and len(relayed["maglev"]) == 1, (sides, relayed)

# another address of loopback may be another client: the relay looks
bound = socket.socket()
bound.bind(("127.0.0.9", 0))
bound.connect(to("ring"))
name_of(bound)
bound.close()
assert up.metric('meshtcp_kernel_connections_left_total{reason="other-client"}') == 1

# of four, always one of the least busy
held = []
for number in range(16):
    connection = dial(to("least"))
    held.append((connection, name_of(connection)))
    counts = Counter(name for _, name in held)
    assert max(counts.values()) - min(counts[name] for name in endpoints) <= 1, counts
for connection, name in held:
    if name in ("e1", "e2"):
        connection.close()
eventually("their ends are told", lambda: up.metric("meshtcp_connections_active{") == 8)
more = Counter()
for _ in range(8):
    connection = dial(to("least"))
    held.append((connection, name_of(connection)))
    more[held[-1][1]] += 1
assert more == {"e1": 4, "e2": 4}, more

# a label has one route relayed
save("sticky.yaml", label(route({"v1": 1, "v2": 1}, "sticky", "sticky"), "data-path", "relay"))
eventually("it is relayed", lambda: path("sticky") == ("relay", "meshtcp.io/data-path: relay"))
told = sh(f"{os.environ['MESHTCP']} status paths 13306 --proxy-admin {up.admin.removeprefix('http://')}")
assert "meshtcp.io/data-path: relay" in told and "13307" not in told, told
planned = sh(f"{os.environ['MESHTCP']} plan mesh --proxy web-1")
assert "relay: meshtcp.io/data-path: relay" in planned, planned
[plan] = [it for it in up.json("/plan")["plans"] if it["proxy"]["name"] == "web-1"]
assert plan["paths"]["outbound:127.0.0.1:13306"]["why"] == "meshtcp.io/data-path: relay", plan["paths"]
assert plan["paths"]["outbound:127.0.0.1:13307"] == {"path": "kernel", "why": None}

# a label has one outbound relayed, another has it go straight whatever its route says
text = Path("mesh/mesh.yaml").read_text()
said = "labels: { meshtcp.io/data-path.13306: kernel, meshtcp.io/data-path.13307: relay }"
save("mesh.yaml", text.replace("name: web-1\n", f"name: web-1\n{said}\n", 1))
paths = lambda: [up.paths()[f"outbound:127.0.0.1:{port}"][0] for port in (13306, 13307)]
eventually("each has its own", lambda: paths() == ["kernel", "relay"])
assert up.ends() == 0
