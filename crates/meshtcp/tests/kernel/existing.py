from collections import Counter
from stage import *

for version, address in VERSIONS.items():
    Backend(version, address, 16379)
save("mesh.yaml", two_versions())


def labelled(weights, **labels):
    listed = "".join(f"  meshtcp.io/{key.replace('_', '-')}: {value}\n" for key, value in labels.items())
    return route(weights).replace("name: canary\n", f"name: canary\nlabels:\n{listed}", 1)


save("route.yaml", labelled({"v1": 1, "v2": 1}, existing="drain-excess"))
up = Up()
assert up.paths()["outbound:127.0.0.1:13306"] == ("kernel", None), up.paths()
CGROUP.enter()


class Held:
    def __init__(self):
        self.socket = dial()
        self.name = name_of(self.socket)

    def moves(self):
        self.socket.sendall(b"x")
        assert self.socket.recv(1) == b"x"

    def lives(self):
        try:
            self.moves()
            return True
        except OSError:
            return False


held = [Held() for _ in range(40)]
born = Counter(it.name for it in held)
assert abs(born["v1"] - 20) <= 2, born
# v2 may keep four of forty, and four of its are busy
above = born["v2"] - 4
busy = [it for it in held if it.name == "v2"][:4]
stop = threading.Event()


def work():
    while not stop.is_set():
        for it in busy:
            it.moves()
        time.sleep(0.01)


worker = threading.Thread(target=work, daemon=True)
worker.start()
time.sleep(0.3)
up.change("route.yaml", labelled({"v1": 9, "v2": 1}, existing="drain-excess"))
drained = lambda: [line for line in up.lines() if line["ended"] == "drained-by-route"]
eventually("those above are closed", lambda: len(drained()) == above)
time.sleep(0.5)
stop.set()
worker.join()
assert len(drained()) == above and all(line["path"] == "kernel" for line in drained())
assert "more connections than its new share" in drained()[0]["why"], drained()[0]
alive = Counter(it.name for it in held if it.lives())
assert alive == {"v1": born["v1"], "v2": 4}, alive
assert all(it.lives() for it in busy), "the idle ones go first"

# keep closes none
up.change("route.yaml", labelled({"v1": 0, "v2": 1}, existing="keep"))
outdated = lambda: up.metric("meshtcp_backend_connections_outdated{")
eventually("all of them are on old weights", lambda: outdated() == born["v1"] + 4)
assert Counter(it.name for it in held if it.lives()) == {"v1": born["v1"], "v2": 4}

# close closes those that would go elsewhere
up.change("route.yaml", labelled({"v1": 1, "v2": 0}, existing="close"))
eventually("they are closed", lambda: Counter(it.name for it in held if it.lives()) == {"v1": born["v1"]})
eventually("who stays is on old weights still", lambda: outdated() == born["v1"])
moved = lambda: [line for line in up.lines() if line["ended"] == "moved"]
eventually("their lines", lambda: len(moved()) == 4)
assert "its route now sends it to " in moved()[0]["why"], moved()

# those of a backend that is gone have a grace
up.change("route.yaml", labelled({"v2": 1}, existing="keep", drain_grace="1s"))
assert Counter(it.name for it in held if it.lives()) == {"v1": born["v1"]}
eventually("the grace is over", lambda: not any(it.lives() for it in held))
eventually("their lines", lambda: len(drained()) == above + born["v1"])
lines = drained()[above:]
assert "the grace is over" in lines[0]["why"], lines[:1]
eventually("nobody lives", lambda: up.metric("meshtcp_connections_active{") + outdated() == 0)
assert up.ends() == 0
