from stage import *

Backend("v1", "10.9.0.1", 16379)
Backend("v1", "fd09::1", 16380)
outbounds = [(*OUTBOUND, "redis"), ("127.0.0.1", 13307, "six")]
text = client(outbounds) + dataplane("redis-1", "10.9.0.1", 16379) + dataplane("six-1", "fd09::1", 16380, "six")
text = text.replace("name: default\n", "name: default\nlabels: { meshtcp.io/max-connection-age: 5s }\n", 1)
save("mesh.yaml", text.replace("127.0.0.1\", port: 13307", "::1\", port: 13307"))
save(
    "idle.yaml",
    """type: MeshTimeout
mesh: default
name: idle
spec:
  targetRef: { kind: Mesh }
  to:
    - targetRef: { kind: Mesh }
      default: { idleTimeout: 2s }
""",
)
up = Up()
assert all(path == "kernel" for name, (path, _) in up.paths().items() if name.startswith("outbound")), up.paths()
CGROUP.enter()


def ends_after(connection, moves):
    """The seconds until it is aborted."""
    begun = time.monotonic()
    connection.settimeout(0.1)
    while True:
        if moves:
            try:
                connection.sendall(b"x")
            except OSError:
                return time.monotonic() - begun
        try:
            if not connection.recv(100):
                return time.monotonic() - begun
        except TimeoutError:
            pass
        except ConnectionAbortedError:
            return time.monotonic() - begun


def both(to, family):
    idle, old = dial(to, family), dial(to, family)
    name_of(idle), name_of(old)
    took = {}
    threads = [
        threading.Thread(target=lambda name=name, it=it: took.update({name: ends_after(it, name == "old")}))
        for name, it in (("idle", idle), ("old", old))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1.9 <= took["idle"] <= 3.2, took
    assert 4.8 <= took["old"] <= 6, took


both(OUTBOUND, socket.AF_INET)
both(("::1", 13307), socket.AF_INET6)
lines = up.lines(4)
assert sorted(line["ended"] for line in lines) == ["idle-timeout"] * 2 + ["max-age"] * 2, lines
idle = next(line for line in lines if line["ended"] == "idle-timeout")
assert idle["path"] == "kernel" and idle["why"] == "nothing moved in either direction", idle
assert up.metric("meshtcp_connections_active{") == 0
assert up.ends() == 0
