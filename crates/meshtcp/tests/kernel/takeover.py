from stage import *

for version, address in VERSIONS.items():
    Backend(version, address, 16379)
save("mesh.yaml", two_versions())
first = Up("--takeover", "takeover", log="first.log")
CGROUP.enter()

stop, faults, served = threading.Event(), [], [0]


def crowd():
    while not stop.is_set():
        try:
            with dial() as connection:
                name_of(connection)
                connection.sendall(b"hello\n")
                assert connection.recv(100) == b"hello\n"
            served[0] += 1
        except (OSError, AssertionError) as error:
            faults.append(repr(error))


clients = [threading.Thread(target=crowd, daemon=True) for _ in range(3)]
for client_ in clients:
    client_.start()
eventually("the crowd is served", lambda: served[0] > 300)
second = Up("--takeover", "takeover", log="second.log")
eventually("it has taken over", lambda: second.said("taken over"))
assert first.child.wait(PATIENCE) == 0
then = served[0]
eventually("the crowd goes on", lambda: served[0] > then + 300)
stop.set()
for client_ in clients:
    client_.join()
assert not faults, faults[:3]
second.lines(100)
time.sleep(0.3)
lines = first.lines() + second.lines()
assert len(lines) == served[0], (len(first.lines()), len(second.lines()), served)
assert first.lines() and second.lines()
assert len({(line["id"], line["client"], line["time"]) for line in lines}) == len(lines)
assert second.ends() == 0
