"""What scenes play on: a network and a cgroup of their own, a mesh in a folder, backends, and `meshtcp up` on it."""

import atexit
import json
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

PATIENCE = 15
OUTBOUND = ("127.0.0.1", 13306)
STEP = 0x9E3779B97F4A7C15


def sh(command, **more):
    return subprocess.run(command, shell=True, check=True, capture_output=True, text=True, **more).stdout


def eventually(what, so, patience=PATIENCE):
    end = time.monotonic() + patience
    while True:
        found = so()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"not so in time: {what}")
        time.sleep(0.02)


def cgroups():
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if " - cgroup2 " in line:
            return Path(line.split(" ")[4])
    raise SystemExit("no cgroups of version 2")


class Cgroup:
    """A cgroup that goes with the scene."""

    def __init__(self, name="scene"):
        self.folder = cgroups() / f"meshtcp-{name}-{os.stat('/proc/self/ns/net').st_ino}"
        self.folder.mkdir()
        atexit.register(self.remove)

    def enter(self):
        (self.folder / "cgroup.procs").write_text("0")

    def remove(self):
        # whoever is in it leaves: this process, and what it started
        for process in (self.folder / "cgroup.procs").read_text().split():
            try:
                (cgroups() / "cgroup.procs").write_text(process)
            except OSError:
                pass
        try:
            self.folder.rmdir()
        except OSError:
            pass


sh("ip link set lo up")
# addresses that reach this host and that none of its interfaces has: whoever is there is carried by nobody here
sh("ip route add local 10.9.0.0/24 dev lo && ip -6 route add local fd09::/64 dev lo")
Path("/proc/sys/net/ipv6/ip_nonlocal_bind").write_text("1")
CGROUP = Cgroup()


class Backend:
    """Says its name to whoever connects, then echoes."""

    def __init__(self, name, address, port):
        self.name, self.seen = name, 0
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((address, port))
        self.socket.listen(4096)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.seen += 1
            connection.sendall(self.name.encode() + b"\n")
            threading.Thread(target=self.echo, args=(connection,), daemon=True).start()

    def echo(self, connection):
        with connection:
            try:
                while data := connection.recv(65536):
                    connection.sendall(data)
            except OSError:
                pass

    def stop(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def dataplane(name, address, port, service="redis", version=None):
    tags = f"kuma.io/service: {service}, kuma.io/protocol: tcp" + (f", version: {version}" if version else "")
    return f"""---
type: Dataplane
mesh: default
name: {name}
networking:
  address: "{address}"
  inbound: [{{ port: {port}, tags: {{ {tags} }} }}]
"""


def client(outbounds):
    listed = "".join(
        f"    - {{ address: \"{address}\", port: {port}, tags: {{ kuma.io/service: {service} }} }}\n"
        for address, port, service in outbounds
    )
    return f"""type: Mesh
name: default
---
type: Dataplane
mesh: default
name: web-1
networking:
  address: 127.0.0.1
  inbound: [{{ port: 18080, tags: {{ kuma.io/service: web }} }}]
  outbound:
{listed}"""


def route(weights, service="redis", name="canary"):
    backends = "".join(
        f"""            - kind: MeshServiceSubset
              name: {service}
              tags: {{ version: {version} }}
              weight: {weight}
"""
        for version, weight in weights.items()
    )
    return f"""type: MeshTCPRoute
mesh: default
name: {name}
spec:
  targetRef: {{ kind: Mesh }}
  to:
    - targetRef: {{ kind: MeshService, name: {service} }}
      rules:
        - default:
            backendRefs:
{backends}"""


VERSIONS = {"v1": "10.9.0.1", "v2": "10.9.0.2"}


def two_versions():
    return client([(*OUTBOUND, "redis")]) + "".join(
        dataplane(f"redis-{version}", address, 16379, version=version) for version, address in VERSIONS.items()
    )


# one failed check makes an endpoint unhealthy, and one that passes healthy again
HEALTH_CHECK = """type: MeshHealthCheck
mesh: default
name: check
spec:
  targetRef: { kind: Mesh }
  to:
    - targetRef: { kind: MeshService, name: redis }
      default: { interval: 200ms, timeout: 200ms, unhealthyThreshold: 1, healthyThreshold: 1, healthyPanicThreshold: 0, tcp: {} }
"""


def save(name, text):
    folder = Path("mesh")
    folder.mkdir(exist_ok=True)
    beside = folder / f".{name}"
    beside.write_text(text)
    beside.rename(folder / name)


class Up:
    """`meshtcp up` on the folder."""

    def __init__(self, *more, path="auto", log="connections.log", wrap=(), cgroup=True):
        self.log = Path(log)
        command = [*wrap, os.environ["MESHTCP"], "up", "mesh", "--admin", "127.0.0.1:0", "--workers", "1", "--log", log]
        command += ["--log-format", "json", "--data-path", path, "--drain-time", "2s"]
        if cgroup and "--kernel-cgroup" not in more:
            command += ["--kernel-cgroup", str(CGROUP.folder)]
        self.printed = []
        self.child = subprocess.Popen(
            command + list(more), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        atexit.register(self.child.kill)
        threading.Thread(target=self.read, daemon=True).start()
        # a debug build takes seconds to read the types of the kernel
        self.admin = eventually("the admin server", lambda: self.said("admin: "), 60).rsplit(" ", 1)[1]
        self.is_ready()

    def read(self):
        for line in self.child.stdout:
            self.printed.append(line.rstrip())

    def said(self, text):
        return next((line for line in self.printed if text in line), None)

    def is_ready(self):
        def ready():
            try:
                return urllib.request.urlopen(self.admin + "/ready").status == 200
            except OSError:
                return False

        try:
            eventually("ready", ready)
        except AssertionError:
            raise AssertionError("not ready:\n" + "\n".join(self.printed)) from None

    def json(self, path):
        return json.load(urllib.request.urlopen(self.admin + path))

    def metric(self, name):
        page = urllib.request.urlopen(self.admin + "/metrics").read().decode()
        return sum(float(line.rsplit(" ", 1)[1]) for line in page.splitlines() if line.startswith(name))

    def paths(self):
        """The path of each listener and why, by its address."""
        listed = self.json("/status")["dataPath"]["listeners"]
        return {it["listener"]: (it["path"], it["why"]) for it in listed}

    def generation(self):
        return self.json("/status")["generation"]

    def change(self, name, text):
        """Saves a file, and waits until what it says is in force."""
        before = self.generation()
        save(name, text)
        try:
            eventually("the change is in force", lambda: self.generation() > before)
        except AssertionError:
            raise AssertionError("the change is not in force:\n" + "\n".join(self.printed)) from None

    def lines(self, count=None):
        """The lines of the log; at least so many."""

        def read():
            lines = [json.loads(line) for line in self.log.read_text().splitlines()]
            return lines if count is None or len(lines) >= count else None

        return eventually(f"{count} lines", read)

    def ends(self, by=signal.SIGTERM):
        self.child.send_signal(by)
        return self.child.wait(PATIENCE)


def dial(to=OUTBOUND, family=socket.AF_INET, timeout=PATIENCE):
    connection = socket.socket(family, socket.SOCK_STREAM)
    connection.settimeout(timeout)
    connection.connect(to)
    return connection


def name_of(connection):
    read = b""
    while not read.endswith(b"\n"):
        more = connection.recv(1)
        if not more:
            raise ConnectionError("it was closed before it said who it is")
        read += more
    return read.decode().strip()


def reach(to=OUTBOUND, family=socket.AF_INET):
    with dial(to, family) as connection:
        return name_of(connection)


def backend_of(line):
    return "v1" if "version=v1" in line["backend"] or "v1" in line["backend"] else "v2"
