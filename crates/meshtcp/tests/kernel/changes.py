from stage import *

backends = {version: Backend(version, address, 16379) for version, address in VERSIONS.items()}
save("mesh.yaml", two_versions())
save("route.yaml", route({"v1": 1, "v2": 1}))
up = Up()
CGROUP.enter()

stop, faults, served = threading.Event(), [], [0]


def crowd():
    while not stop.is_set():
        try:
            reach()
            served[0] += 1
        except OSError as error:
            faults.append(repr(error))


clients = [threading.Thread(target=crowd, daemon=True) for _ in range(4)]
for client_ in clients:
    client_.start()
for number in range(600):
    save("route.yaml", route({"v1": number % 7 + 1, "v2": number % 5 + 1}))
    time.sleep(0.003)
up.change("route.yaml", route({"v1": 1, "v2": 0}))
# those that were dialled before are still being met
time.sleep(0.1)
seen = backends["v2"].seen
then = served[0]
eventually("the crowd goes on", lambda: served[0] > then + 300)
stop.set()
for client_ in clients:
    client_.join()
assert not faults, faults[:3]
assert backends["v2"].seen == seen, "a connection at a backend of weight 0"
lines = up.lines(served[0])
assert len(lines) == served[0] and all(line["path"] == "kernel" for line in lines), (len(lines), served)
assert len({line["generation"] for line in lines}) > 3

# a listener that goes, goes; another that comes, comes
up.change("mesh.yaml", two_versions().replace("port: 13306", "port: 13400"))
try:
    dial()
    raise AssertionError("nobody listens there any more")
except ConnectionRefusedError:
    pass
assert reach(("127.0.0.1", 13400)) == "v1"
assert up.ends() == 0
