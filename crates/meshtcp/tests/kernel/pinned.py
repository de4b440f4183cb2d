from collections import Counter
from stage import *

Path("bpf").mkdir()
sh("mount -t bpf none bpf")
PINS = str(Path("bpf/meshtcp").resolve())
for version, address in VERSIONS.items():
    Backend(version, address, 16379)
save("mesh.yaml", two_versions())
save("route.yaml", route({"v1": 3, "v2": 1}))
attached = lambda: sh(f"bpftool cgroup show {CGROUP.folder}").count("mesh_")
meshtcp = lambda what: sh(f"{os.environ['MESHTCP']} kernel {what} --kernel-pin {PINS}")
up = Up("--kernel-pin", PINS)
CGROUP.enter()
assert reach() in VERSIONS and attached() == 5
up.child.kill()
up.child.wait()

# the last good configuration goes on
assert attached() == 5
met = Counter(reach() for _ in range(400))
assert abs(met["v1"] - 300) <= 2, met
assert meshtcp("status").count(PINS) == 5

# the next one replaces it while connections come
stop, faults, served = threading.Event(), [], [0]


def crowd():
    while not stop.is_set():
        try:
            reach()
            served[0] += 1
        except OSError as error:
            faults.append(repr(error))


clients = [threading.Thread(target=crowd, daemon=True) for _ in range(2)]
for client_ in clients:
    client_.start()
save("route.yaml", route({"v1": 0, "v2": 1}))
up = Up("--kernel-pin", PINS, log="second.log")
eventually("it is said", lambda: up.said("5 programs that a process before left in the kernel are replaced"))
assert attached() == 5
then = served[0]
eventually("the crowd goes on", lambda: served[0] > then + 200)
stop.set()
for client_ in clients:
    client_.join()
assert not faults, faults[:3]
assert {reach() for _ in range(20)} == {"v2"}
assert up.lines(100)[-1]["path"] == "kernel"

# who ends in order leaves nothing; who was killed can be removed
assert up.ends() == 0
# those of others on this host may be told
assert attached() == 0 and PINS not in meshtcp("status")
up = Up("--kernel-pin", PINS, log="third.log")
up.child.kill()
up.child.wait()
assert attached() == 5
assert "5 programs are no longer kept attached" in meshtcp("detach")
assert attached() == 0
try:
    dial()
    raise AssertionError("somebody listens")
except ConnectionRefusedError:
    pass

# a folder that is no bpffs: the relay carries everything, and says why
up = Up("--kernel-pin", str(Path("elsewhere").resolve()), log="fourth.log")
assert up.said("the program cannot be kept attached by a file in "), up.printed
assert reach() == "v2" and up.lines(1)[0].get("path") is None
assert attached() == 0
assert up.ends() == 0
