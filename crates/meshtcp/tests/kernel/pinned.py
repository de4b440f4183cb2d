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
programs = lambda: {it["id"] for it in json.loads(meshtcp("status -o json")) if it["pin"]}
adopted = lambda up: up.json("/status")["dataPath"]["kernel"]["adopted"]
up = Up("--kernel-pin", PINS)
assert adopted(up) is False
CGROUP.enter()
met = Counter(reach() for _ in range(101))
up.lines(101)
lives = dial()
met[name_of(lives)] += 1
own = programs()
assert attached() == len(own) == 5
up.child.kill()
up.child.wait()

# the last good configuration goes on, where the walk of its draws was
assert attached() == 5
met += Counter(reach() for _ in range(202))
assert meshtcp("status").count(PINS) == 5

# the next one adopts it while connections come
stop, faults, served = threading.Event(), [], Counter()


def crowd():
    own = Counter()
    while not stop.is_set():
        try:
            own[reach()] += 1
        except OSError as error:
            faults.append(repr(error))
    served.update(own)


clients = [threading.Thread(target=crowd, daemon=True) for _ in range(2)]
for client_ in clients:
    client_.start()
up = Up("--kernel-pin", PINS, log="second.log")
assert up.said("programs that a process before left in the kernel are adopted, with their tables"), up.printed
assert adopted(up) and programs() == own and attached() == 5
up.lines(303)
then = len(up.lines())
eventually("the crowd goes on", lambda: len(up.lines()) > then + 200)
stop.set()
for client_ in clients:
    client_.join()
assert not faults, faults[:3]
met += served
share = met.total() * 3 / 4
assert abs(met["v1"] - share) <= 2, (met, share)

# of those that live is known as well
active = lambda: up.metric("meshtcp_connections_active{")
eventually("it is counted, and nobody else", lambda: active() == 1)
[known] = up.json("/connections")
assert known["client"] == "%s:%d" % lives.getsockname(), known

# what happened in between has its lines, and so has what was opened before
eventually("all lines", lambda: len(up.lines()) == met.total() - 102)
assert all(line["path"] == "kernel" and line["ended"] != "no-backend" for line in up.lines())
lives.sendall(b"still\n")
assert lives.recv(100) == b"still\n"
lives.close()
line = eventually("the line of what lived", lambda: [it for it in up.lines() if it["bytes_from_client"] == 6])[0]
assert line["path"] == "kernel" and line["ended"] == "client-closed", line

# what changes afterwards is in force, also for who adopts the next time
up.change("route.yaml", route({"v1": 0, "v2": 1}))
assert {reach() for _ in range(20)} == {"v2"}
up.child.kill()
up.child.wait()
assert {reach() for _ in range(20)} == {"v2"}
save("route.yaml", route({"v1": 1, "v2": 0}))
up = Up("--kernel-pin", PINS, log="third.log")
assert adopted(up) and {reach() for _ in range(20)} == {"v1"}
save("route.yaml", route({"v1": 3, "v2": 1}))
eventually("both", lambda: {reach() for _ in range(8)} == set(VERSIONS))
up.child.kill()
up.child.wait()

# those of another version are replaced
[folder] = os.listdir(PINS)
os.rename(f"{PINS}/{folder}", f"{PINS}/meshtcp-{'0' * 16}-{folder[-16:]}")
up = Up("--takeover", "takeover", "--kernel-pin", PINS, log="fourth.log")
assert up.said("5 programs that a process before left in the kernel are replaced, as they are of another version"), up.printed
assert not adopted(up) and attached() == 5 and not programs() & own
assert {reach() for _ in range(8)} == set(VERSIONS)

# who takes over attaches its own: its predecessor lives
own = programs()
second = Up("--takeover", "takeover", "--kernel-pin", PINS, log="fifth.log")
eventually("it has taken over", lambda: second.said("taken over"))
assert up.child.wait(PATIENCE) == 0
assert not adopted(second) and attached() == 5 and not programs() & own
assert {reach() for _ in range(8)} == set(VERSIONS)
up = second

# who ends in order leaves nothing; who was killed can be removed
assert up.ends() == 0
# those of others on this host may be told
assert attached() == 0 and PINS not in meshtcp("status")
up = Up("--kernel-pin", PINS, log="sixth.log")
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
up = Up("--kernel-pin", str(Path("elsewhere").resolve()), log="seventh.log")
assert up.said("the program cannot be kept attached by a file in "), up.printed
assert reach() in VERSIONS and up.lines(1)[0].get("path") is None
assert attached() == 0
assert up.ends() == 0
