from stage import *

# a control plane, and proxies with programs and without: it knows which way each outbound takes
for version, address in VERSIONS.items():
    Backend(version, address, 16379)
text = client([(*OUTBOUND, "redis"), ("127.0.0.1", 13307, "redis")]) + "".join(
    dataplane(f"redis-{version}", address, 16379, version=version) for version, address in VERSIONS.items()
)
save("mesh.yaml", text.replace("name: web-1\n", "name: web-1\nlabels: { meshtcp.io/data-path.13307: relay }\n", 1))
meshtcp = os.environ["MESHTCP"]


class Runs:
    def __init__(self, *arguments):
        self.printed = []
        self.child = subprocess.Popen(
            [meshtcp, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        atexit.register(self.child.kill)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.child.stdout:
            self.printed.append(line.rstrip())

    def says(self, text):
        return eventually(text, lambda: next((line for line in self.printed if text in line), None), 60)


plane = Runs("control-plane", "mesh", "--api", "127.0.0.1:0", "--xds", "127.0.0.1:0", "--admin", "127.0.0.1:0")
xds, api, admin = (plane.says(f" {what}: ").split(f" {what}: ")[1].split(",")[0] for what in ("discovery", "api", "admin"))
follow = ["proxy", "--proxy", "web-1", "--control-plane", xds, "--workers", "1", "--drain-time", "1s"]
proxy = Runs(*follow, "--data-path", "auto", "--kernel-cgroup", str(CGROUP.folder))


def paths():
    found = json.load(urllib.request.urlopen(f"{api}/_status?what=proxies&name=web-1"))["proxies"]
    return found[0].get("paths") if found else None


def counted(path):
    page = urllib.request.urlopen(f"{admin}/metrics").read().decode()
    return next(line for line in page.splitlines() if line.startswith(f'meshtcp_outbounds{{path="{path}"}} ')).split()[1]


# as it attaches it carries nothing yet
said = eventually("the paths are reported", lambda: (it := paths()) and not it["stale"] and len(it["outbounds"]) == 2 and it, 60)
assert said["outbounds"] == [
    {"listener": "outbound:127.0.0.1:13306", "path": "kernel"},
    {"listener": "outbound:127.0.0.1:13307", "path": "relay", "why": "meshtcp.io/data-path: relay"},
], said
assert (counted("kernel"), counted("relay")) == ("1", "1")
table = sh(f"{meshtcp} status paths --server {api}")
assert "outbound:127.0.0.1:13306  kernel" in table and "13307  relay   meshtcp.io/data-path: relay" in table, table
told = sh(f"{meshtcp} describe dataplane web-1 --server {api}")
assert "of outbounds: 1 straight to the endpoint, 1 through the proxy" in told, told

# a label moves one, and that is told
save("mesh.yaml", text)
eventually("both go straight", lambda: [it["path"] for it in paths()["outbounds"]] == ["kernel", "kernel"])

# another process of its name, which may not
proxy.child.kill()
proxy.child.wait()
eventually("it is stale", lambda: paths()["stale"])
assert "it has not reported since" in sh(f"{meshtcp} status paths --server {api}")
assert (counted("kernel"), counted("relay")) == ("0", "0")
proxy = Runs(*follow)
eventually("it is another one", lambda: paths() and {it["why"] for it in paths()["outbounds"] if "why" in it} == {"--data-path relay"}, 60)
assert (counted("kernel"), counted("relay")) == ("0", "2")
