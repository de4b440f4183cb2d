//! Stage of the faults: two namespaces, a database, two control planes, three proxies and their applications. The last
//! of the proxies may be an Envoy.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::applications::Application;
use super::program::{Program, Recipe, opened, postgres_bin, tool};
use super::writes::{Api, ask};
use crate::run::{Outcome, within};

/// Port at which clients connect.
const OUTBOUND: u16 = 20_000;
/// Inbounds of the two services, with the applications behind them, which send their names.
const INBOUNDS: [u16; 2] = [20_001, 20_002];
const APPLICATIONS: [(u16, &str); 2] = [(20_011, "cache"), (20_012, "newer")];
/// Addresses of the two control planes, in the far namespace.
const CONTROL_PLANES: [&str; 2] = ["10.77.0.2", "10.77.0.3"];
/// Time limit of the start.
const START: Duration = Duration::from_secs(60);

/// Hit of an application or of the proxy in front of it: its connections may have ended then.
#[derive(Clone, Debug)]
pub(super) struct Hit {
    pub(super) application: &'static str,
    pub(super) at: Instant,
}

/// All running processes.
pub(super) struct Stage {
    folder: PathBuf,
    /// Process in the far namespace.
    far: Child,
    pub(super) database: Program,
    pub(super) control_planes: [Program; 2],
    /// `web-1`, at which clients connect; then those in front of the applications.
    pub(super) proxies: [Program; 3],
    /// `true`: the last proxy is an Envoy.
    has_envoy: bool,
    pub(super) applications: [Application; 2],
    pub(super) hits: Vec<Hit>,
    /// Programs that ended by themselves, with their last output.
    pub(super) died: Vec<String>,
}

impl Stage {
    pub(super) fn set(binary: &Path, envoy: Option<&Path>) -> Outcome<Self> {
        let folder = std::env::temp_dir().join(format!("meshtcp-chaos-{}", std::process::id()));
        opened(&folder)?;
        std::fs::create_dir_all(folder.join("disk")).map_err(|error| error.to_string())?;
        // proxies write to a disk that can be filled
        let disk = folder.join("disk").display().to_string();
        tool("mount", &["-t", "tmpfs", "-o", "size=16m", "chaos", &disk])?;
        let far = apart()?;
        let database = database(&folder, far.id())?;
        let control_plane = |name, address: &str| {
            let mut arguments = vec!["control-plane".to_owned(), "--store".into(), STORE.into()];
            for (flag, port) in [("--api", 5681), ("--xds", 5678), ("--admin", 5680)] {
                arguments.extend([flag.into(), format!("{address}:{port}")]);
            }
            arguments.extend(["--api-anonymous".into(), "writer".into()]);
            Program::start(Recipe {
                name,
                binary: binary.into(),
                arguments,
                network: Some(far.id()),
                folder: folder.clone(),
            })
        };
        let both = CONTROL_PLANES.map(|address| format!("{address}:5678")).join(",");
        let proxy = |name: &'static str, admin: u16| {
            let file = |end: &str| folder.join("disk").join(format!("{name}.{end}")).display().to_string();
            let arguments = [
                "proxy",
                "--proxy",
                name,
                "--control-plane",
                &both,
                "--state",
                &file("state"),
                "--log",
                &file("log"),
                "--admin",
                &format!("127.0.0.1:{admin}"),
                "--workers",
                "1",
                "--takeover",
                &folder.join(format!("{name}.sock")).display().to_string(),
                // connections of a predecessor live on until the end of the run
                "--drain-time",
                "24h",
            ];
            let arguments = arguments.map(str::to_owned).to_vec();
            Program::start(Recipe {
                name,
                binary: binary.into(),
                arguments,
                network: None,
                folder: folder.clone(),
            })
        };
        let last = match envoy {
            Some(envoy) => attached_envoy(envoy, binary, &both, &folder)?,
            None => proxy("newer-1", 9903)?,
        };
        let [one, other] = APPLICATIONS;
        Ok(Self {
            database,
            control_planes: [
                control_plane("the first control plane", CONTROL_PLANES[0])?,
                control_plane("the second control plane", CONTROL_PLANES[1])?,
            ],
            proxies: [proxy("web-1", 9901)?, proxy("cache-1", 9902)?, last],
            has_envoy: envoy.is_some(),
            applications: [Application::at(one.0, one.1)?, Application::at(other.0, other.1)?],
            hits: Vec::new(),
            died: Vec::new(),
            folder,
            far,
        })
    }

    pub(super) fn outbound(&self) -> u16 {
        OUTBOUND
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn disk(&self) -> PathBuf {
        self.folder.join("disk")
    }

    /// APIs of the control planes.
    pub(super) fn apis(&self) -> [Api; 2] {
        CONTROL_PLANES.map(|address| Api(format!("{address}:5681")))
    }

    /// Proxies of ours.
    pub(super) fn own_proxies(&self) -> &[Program] {
        &self.proxies[..if self.has_envoy { 2 } else { 3 }]
    }

    /// Addresses that a hostile caller may connect to.
    pub(super) fn doors(&self) -> Vec<SocketAddr> {
        let far = CONTROL_PLANES
            .iter()
            .flat_map(|address| [5678, 5680, 5681].map(|port| format!("{address}:{port}")));
        let near = [9901, 9902, 9903].map(|port| format!("127.0.0.1:{port}"));
        far.chain(near).filter_map(|address| address.parse().ok()).collect()
    }

    /// Id of a process in the far namespace.
    pub(super) fn far(&self) -> u32 {
        self.far.id()
    }

    /// Resources of the mesh, in the order in which they are put.
    pub(super) fn resources() -> Vec<(String, serde_json::Value)> {
        let inbound = |port: u16, application: u16, service: &str| {
            serde_json::json!([{ "port": port, "servicePort": application,
                "tags": { "kuma.io/service": service, "kuma.io/protocol": "tcp" } }])
        };
        let dataplane = |name: &str, inbound: serde_json::Value, outbound: serde_json::Value| {
            let document = serde_json::json!({ "type": "Dataplane", "mesh": "default", "name": name,
                "networking": { "address": "127.0.0.1", "inbound": inbound, "outbound": outbound } });
            (format!("/meshes/default/dataplanes/{name}"), document)
        };
        let dials = serde_json::json!([{ "port": OUTBOUND, "tags": { "kuma.io/service": "cache" } }]);
        let [(old, _), (new, _)] = APPLICATIONS;
        vec![
            dataplane("cache-1", inbound(INBOUNDS[0], old, "cache"), serde_json::json!([])),
            dataplane("newer-1", inbound(INBOUNDS[1], new, "newer"), serde_json::json!([])),
            dataplane("web-1", inbound(20_003, 20_013, "web"), dials),
            ("/meshes/default/meshtcproutes/canary".into(), Self::route(1, 1)),
        ]
    }

    /// Route with these weights.
    pub(super) fn route(old: u32, new: u32) -> serde_json::Value {
        let reference = |name: &str, weight: u32| serde_json::json!({ "kind": "MeshService", "name": name, "weight": weight });
        serde_json::json!({ "type": "MeshTCPRoute", "mesh": "default", "name": "canary", "spec": {
            "targetRef": { "kind": "Mesh" },
            "to": [{ "targetRef": { "kind": "MeshService", "name": "cache" }, "rules": [{ "default": {
                "backendRefs": [reference("cache", old), reference("newer", new)],
            } }] }],
        } })
    }

    /// Waits until connections are carried.
    pub(super) fn is_live(&self) -> Outcome {
        within(START, "connections are carried", || {
            super::clients::reached(OUTBOUND, 20).is_ok_and(|it| it.len() == 2)
        })
    }

    pub(super) fn application_is_hit(&mut self, index: usize) {
        let (_, application) = APPLICATIONS[index];
        self.hits.push(Hit { application, at: Instant::now() });
    }

    fn programs(&mut self) -> impl Iterator<Item = &mut Program> {
        std::iter::once(&mut self.database).chain(&mut self.control_planes).chain(&mut self.proxies)
    }

    /// Records the programs that ended by themselves, and starts them again.
    pub(super) fn look(&mut self) -> Outcome {
        let mut died = Vec::new();
        for program in self.programs() {
            if program.has_died() {
                died.push(format!("{} ended by itself:\n{}", program.name(), program.last_words()));
                program.start_again()?;
            }
        }
        self.died.extend(died);
        Ok(())
    }

    /// Restores the normal state: outputs are read, and all programs run.
    pub(super) fn restore(&mut self) -> Outcome {
        for program in self.programs() {
            program.block_output(false);
            program.signal("CONT");
            program.start_again()?;
        }
        Ok(())
    }

    /// Number of panics caught so far, in all programs of ours.
    pub(super) fn panics(&self) -> Outcome<u64> {
        let near = [9901, 9902, 9903].map(|port| format!("127.0.0.1:{port}"));
        let far = CONTROL_PLANES.map(|address| format!("{address}:5680"));
        let mut panics = 0;
        for admin in near.into_iter().take(self.own_proxies().len()).chain(far) {
            let (_, metrics) =
                ask(&admin, "GET", "/metrics", "").map_err(|error| format!("{admin}: {error}"))?;
            let counted = metrics.lines().filter(|line| line.starts_with("meshtcp_panics_total"));
            let values = counted.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
            panics += values.sum::<u64>();
        }
        Ok(panics)
    }
}

const STORE: &str = "postgres://mesh@127.0.0.1:5432/postgres";

/// Starts an Envoy as the last proxy, attached to both control planes.
fn attached_envoy(envoy: &Path, binary: &Path, control_planes: &str, folder: &Path) -> Outcome<Program> {
    let meshtcp = binary.display().to_string();
    let what = ["envoy-bootstrap", "--proxy", "newer-1", "--control-plane", control_planes];
    let bootstrap = tool(&meshtcp, &[&what[..], &["--admin-port", "9903"]].concat())?;
    let file = folder.join("envoy.yaml");
    std::fs::write(&file, bootstrap).map_err(|error| format!("{}: {error}", file.display()))?;
    let file = file.display().to_string();
    // connections of a replaced listener live on until the end of the run
    let arguments = [
        "-c",
        &file,
        "--concurrency",
        "1",
        "--drain-time-s",
        "86400",
        "--disable-hot-restart",
        "-l",
        "warning",
    ];
    Program::start(Recipe {
        name: "newer-1",
        binary: envoy.into(),
        arguments: arguments.map(str::to_owned).to_vec(),
        network: None,
        folder: folder.into(),
    })
}

/// Network namespace at the other end of a veth pair, held by the returned process.
fn apart() -> Outcome<Child> {
    tool("ip", &["link", "set", "lo", "up"])?;
    tool("ip", &["link", "add", "name", "near", "type", "veth", "peer", "name", "far"])?;
    tool("ip", &["address", "add", "10.77.0.1/24", "dev", "near"])?;
    tool("ip", &["link", "set", "near", "up"])?;
    let far = Command::new("unshare").args(["--net", "--", "sleep", "infinity"]).stdin(Stdio::null()).spawn();
    let far = far.map_err(|error| format!("unshare: {error}"))?;
    let network = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net")).ok();
    let pid = far.id().to_string();
    within(START, "a namespace", || network(&pid).is_some_and(|it| Some(it) != network("self")))?;
    tool("ip", &["link", "set", "far", "netns", &pid])?;
    in_network(far.id(), &["ip", "link", "set", "lo", "up"])?;
    for address in CONTROL_PLANES {
        in_network(far.id(), &["ip", "address", "add", &format!("{address}/24"), "dev", "far"])?;
    }
    in_network(far.id(), &["ip", "link", "set", "far", "up"])?;
    Ok(far)
}

/// Runs a program of the system in the network namespace of a process.
pub(super) fn in_network(pid: u32, command: &[&str]) -> Outcome<String> {
    let pid = pid.to_string();
    let arguments: Vec<&str> =
        ["--target", &pid, "--net", "--"].iter().copied().chain(command.iter().copied()).collect();
    tool("nsenter", &arguments)
}

fn database(folder: &Path, far: u32) -> Outcome<Program> {
    let (bin, data) = (postgres_bin()?, folder.join("data").display().to_string());
    let as_postgres = ["--reuid", "postgres", "--regid", "postgres", "--clear-groups", "--"];
    let initdb = bin.join("initdb").display().to_string();
    let made = ["--auth=trust", "--username=mesh", "--no-sync", "--encoding=UTF8", "--locale=C", "-D", &data];
    let arguments: Vec<&str> = as_postgres.iter().copied().chain([initdb.as_str()]).chain(made).collect();
    tool("setpriv", &arguments)?;
    let server = bin.join("postgres").display().to_string();
    let runs =
        ["-p", "5432", "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-D", &data];
    let arguments = as_postgres.iter().copied().chain([server.as_str()]).chain(runs);
    let arguments = arguments.map(str::to_owned).collect();
    let recipe = Recipe {
        name: "the database",
        binary: "setpriv".into(),
        arguments,
        network: Some(far),
        folder: folder.into(),
    };
    let database = Program::start(recipe)?;
    let ready = bin.join("pg_isready").display().to_string();
    within(START, "the database answers", || {
        in_network(far, &[&ready, "-q", "-h", "127.0.0.1", "-p", "5432"]).is_ok()
    })?;
    Ok(database)
}

impl Drop for Stage {
    fn drop(&mut self) {
        for program in self.programs() {
            program.kill();
        }
        let _ = self.far.kill();
        let _ = self.far.wait();
        let _ = tool("umount", &[&self.disk().display().to_string()]);
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
