from stage import *

backend = Backend("v1", "10.9.0.1", 16379)
save("mesh.yaml", client([(*OUTBOUND, "redis")]) + dataplane("redis-1", "10.9.0.1", 16379))
up = Up()
CGROUP.enter()
up.child.send_signal(signal.SIGSTOP)
COUNT = 15_000
parts = []
for _ in range(2):
    child = os.fork()
    if child == 0:
        for _ in range(COUNT // 2):
            reach()
        os._exit(0)
    parts.append(child)
for child in parts:
    assert os.waitpid(child, 0)[1] == 0, "a connection was refused"
up.child.send_signal(signal.SIGCONT)
lost = eventually("lost records are counted", lambda: up.metric("meshtcp_kernel_records_lost_total"))
assert lost > 0
reach()
eventually("nobody lives", lambda: up.metric("meshtcp_connections_active{") == 0)
assert up.json("/connections") == []
kept = len(up.lines())
assert 2 * COUNT - lost - 10 <= 2 * kept + lost and kept < COUNT, (kept, lost)
assert up.ends() == 0
