from stage import *

for version, address in VERSIONS.items():
    Backend(version, address, 16379)
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
assert up.ends() == 0
