from stage import *

for version, address in VERSIONS.items():
    Backend(version, address, 16379)
save("mesh.yaml", two_versions())
up = Up()
CGROUP.enter()
lives = dial()
name_of(lives)
assert sh(f"bpftool cgroup show {CGROUP.folder}").count("mesh_") == 5
up.child.kill()
up.child.wait()
lives.sendall(b"still\n")
assert lives.recv(100) == b"still\n"
try:
    dial()
    raise AssertionError("somebody listens")
except ConnectionRefusedError:
    pass
assert sh(f"bpftool cgroup show {CGROUP.folder}").count("mesh_") == 0

# and it begins again beside what lives
up = Up(log="second.log")
assert reach() in ("v1", "v2")
assert up.lines(1)[0]["path"] == "kernel"
lives.sendall(b"still\n")
assert lives.recv(100) == b"still\n"
assert up.ends() == 0
assert sh(f"bpftool cgroup show {CGROUP.folder}").count("mesh_") == 0
