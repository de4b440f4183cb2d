from stage import *

backends = {version: Backend(version, address, 16379) for version, address in VERSIONS.items()}
save("mesh.yaml", two_versions())
save("route.yaml", route({"v1": 33, "v2": 67}))
up = Up()
CGROUP.enter()


def drawn(draw, weights):
    position = int(draw, 16) * sum(weights.values()) >> 64
    for version, weight in weights.items():
        if position < weight:
            return version
        position -= weight


def replay(weights, begin, count):
    for _ in range(count):
        reach()
    lines = up.lines(begin + count)[begin:]
    for line in lines:
        assert f"version={drawn(line['draw'], weights)}" in line["backend"].replace(": ", "="), line
    generations = {line["generation"] for line in lines}
    assert len(generations) == 1, generations
    return lines


first = replay({"v1": 33, "v2": 67}, 0, 500)
up.change("route.yaml", route({"v1": 7, "v2": 1}))
second = replay({"v1": 7, "v2": 1}, 500, 500)
assert second[0]["generation"] > first[0]["generation"]

for line in second[:3]:
    told = sh(f"{os.environ['MESHTCP']} explain connection {line['id']} --log connections.log --split --against mesh")
    assert "which is where it went" in told, told

# while all of a backend is down its share goes to the others, and the draw leads to both
backends["v2"].stop()
save("check.yaml", HEALTH_CHECK)
spills = route({"v1": 1, "v2": 1}).replace("name: canary\n", "name: canary\nlabels: { meshtcp.io/on-unavailable: spill }\n", 1)
up.change("route.yaml", spills)
assert up.paths()["outbound:127.0.0.1:13306"] == ("kernel", None), up.paths()
eventually("it is down", lambda: up.said("an endpoint is down"))
time.sleep(0.2)
begin = len(up.lines())
assert {reach() for _ in range(100)} == {"v1"}
spilled = up.lines(begin + 100)[begin:]
assert all(line["path"] == "kernel" and "version=v1" in line["backend"] for line in spilled), spilled[:1]
for line in spilled:
    first = line["first_backend"] or line["backend"]
    assert f"version={drawn(line['draw'], {'v1': 1, 'v2': 1})}" in first, line
moved = [line for line in spilled if line["first_backend"]]
assert abs(len(moved) - 50) <= 2, len(moved)
for line in moved[:3]:
    told = sh(f"{os.environ['MESHTCP']} explain connection {line['id']} --log connections.log --split --against mesh")
    assert f"which could not take it then: it went to {line['backend']} instead" in told, told
assert up.ends() == 0
