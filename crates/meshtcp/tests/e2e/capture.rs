//! Redirection by the kernel: clients that know nothing of the proxy, all on one host in a network namespace of its
//! own. Needs root, `ip` and `nft`.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Uid;

use crate::attach::envoy::{Envoy, Protocol};
use crate::backend::serve_on;
use crate::connection::{Connection, assert_split};
use crate::program::{Program, Up, eventually, meshtcp};

/// User id whose connections are redirected. Root, who may set rules, runs the proxy, whose connections are not
/// redirected to 15001.
const APPLICATION: u32 = 1000;
const REDIS: &str = "10.96.0.7:6379";
const REDIS_OVER_IPV6: &str = "[fd00:96::7]:6379";
const SIX: &str = "[fd00:96::8]:6379";
const OUTSIDE: &str = "192.0.2.1:7000";
const OUTSIDE_OVER_IPV6: &str = "[2001:db8::1]:7000";
/// Address whose connections are redirected whatever their sender.
const ROUND: &str = "10.96.0.99";
const IN_A_NETWORK: &str = "MESHTCP_TEST_IN_A_NETWORK";

const PREPARE: &str = "ip link set lo up && ip address add 10.0.0.1/32 dev lo && ip address add 192.0.2.1/32 dev lo \
     && ip -6 address add fd00::1/128 dev lo && ip -6 address add 2001:db8::1/128 dev lo \
     && ip -6 address add ::6/128 dev lo && ip route add 10.96.0.0/16 dev lo && ip -6 route add fd00:96::/64 dev lo";

/// Redirection rules: connections of an application go to 15001; connections of the proxy to this host arrive at 15006,
/// as from other hosts, unless they are for an application.
const RULES: &str = "table inet capture {
  chain output {
    type nat hook output priority -100;
    ip saddr 127.0.0.6 return
    ip6 saddr ::6 return
    ip daddr 127.0.0.0/8 return
    ip6 daddr ::1 return
    meta skuid 1000 meta l4proto tcp redirect to :15001
    meta skuid 0 oifname lo meta l4proto tcp redirect to :15006
  }
}
";

const MESH: &str = "
type: Mesh
name: default
meshServices: { mode: Exclusive }
networking: { outbound: { passthrough: PASSTHROUGH } }
---
type: Dataplane
mesh: default
name: web-1
networking:
  address: 10.0.0.1
  inbound:
    - { port: 6379, tags: { kuma.io/service: redis, kuma.io/protocol: tcp, version: v1 } }
    - { port: 6380, tags: { kuma.io/service: redis, kuma.io/protocol: tcp, version: v2 } }
    - { address: \"fd00::1\", port: 6381, tags: { kuma.io/service: six, kuma.io/protocol: tcp } }
  transparentProxying: { redirectPortInbound: 15006, redirectPortOutbound: 15001 }
---
type: MeshService
mesh: default
name: redis
spec:
  selector: { dataplaneTags: { kuma.io/service: redis } }
  ports: [ { port: 6379, targetPort: 6379, appProtocol: tcp } ]
status: { vips: [ { ip: 10.96.0.7 }, { ip: \"fd00:96::7\" } ] }
---
type: MeshService
mesh: default
name: six
spec:
  selector: { dataplaneTags: { kuma.io/service: six } }
  ports: [ { port: 6379, targetPort: 6381, appProtocol: tcp } ]
status: { vips: [ { ip: \"fd00:96::8\" } ] }
---
type: MeshService
mesh: default
name: redis-v2
spec:
  selector: { dataplaneTags: { version: v2 } }
  ports: [ { port: 6379, targetPort: 6380, appProtocol: tcp } ]
---
type: MeshTCPRoute
mesh: default
name: split
spec:
  targetRef: { kind: Mesh }
  to:
    - targetRef: { kind: MeshService, name: redis }
      rules:
        - default:
            backendRefs:
              - { kind: MeshService, name: redis, port: 6379, weight: 75 }
              - { kind: MeshService, name: redis-v2, port: 6379, weight: 25 }
---
type: MeshAccessLog
mesh: default
name: lines
spec:
  targetRef: { kind: Mesh }
  to:
    - targetRef: { kind: Mesh }
      default:
        backends:
          - { type: File, file: { path: LINES, format: { type: Plain, plain: \"%UPSTREAM_HOST% is %KUMA_DESTINATION_SERVICE%\" } } }
";

/// Passthrough of one destination only: the server outside, over IPv4.
const ONLY: &str = "---
type: MeshPassthrough
mesh: default
name: one
spec:
  targetRef: { kind: Mesh }
  default:
    passthroughMode: Matched
    appendMatch: [ { type: IP, value: 192.0.2.1, port: 7000, protocol: tcp } ]
";

/// Running applications, and the documents of the mesh.
struct Host {
    folder: tempfile::TempDir,
}

impl Host {
    fn new() -> Self {
        let host = Self { folder: tempfile::tempdir().unwrap() };
        let rules = host.folder.path().join("rules.nft");
        std::fs::write(&rules, RULES).unwrap();
        let loaded = Command::new("nft").arg("-f").arg(&rules).stdin(Stdio::null()).status();
        assert!(loaded.is_ok_and(|status| status.success()), "the rules are loaded by nft");
        std::fs::create_dir(host.mesh()).unwrap();
        host.say("true", "");
        for (address, name) in [
            ("10.0.0.1:6379", "v1"),
            ("10.0.0.1:6380", "v2"),
            ("[fd00::1]:6381", "six"),
            (OUTSIDE, "outside"),
            (OUTSIDE_OVER_IPV6, "outside"),
        ] {
            serve_on(TcpListener::bind(address).unwrap(), name);
        }
        host
    }

    fn mesh(&self) -> PathBuf {
        self.folder.path().join("mesh")
    }

    fn say(&self, passthrough: &str, more: &str) {
        let said = MESH.replace("PASSTHROUGH", passthrough).replace("LINES", &self.lines()) + more;
        std::fs::write(self.mesh().join("mesh.yaml"), said).unwrap();
    }

    /// Starts a control plane that follows the documents; returns it and the address for proxies.
    fn control_plane(&self) -> (Program, String) {
        let mesh = self.mesh();
        let arguments = ["control-plane", mesh.to_str().unwrap(), "--xds", "127.0.0.1:0"];
        let control_plane = Program::start(meshtcp(arguments));
        let line = control_plane.awaits_text(0, "discovery: ");
        let xds = line.trim_start_matches("discovery: ").split([',', ' ']).next().unwrap().to_owned();
        (control_plane, xds)
    }

    /// Access log of the mesh.
    fn lines(&self) -> String {
        self.folder.path().join("access.log").display().to_string()
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("connections.log")
    }
}

/// Runs a closure as the user whose connections are redirected.
fn as_application<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::spawn(|| {
        rustix::thread::set_thread_uid(Uid::from_raw(APPLICATION)).unwrap();
        act()
    });
    thread.join().unwrap()
}

/// Answers that an application gets in so many connections, by backend; `-`: none.
fn answers(address: &'static str, times: usize) -> BTreeMap<String, usize> {
    as_application(move || {
        let mut seen = BTreeMap::new();
        for _ in 0..times {
            let who = Connection::open_at(address.parse().unwrap()).map(|mut connection| {
                connection.echo();
                let who = connection.backend.clone();
                connection.close();
                who
            });
            *seen.entry(who.unwrap_or_else(|| "-".to_owned())).or_default() += 1;
        }
        seen
    })
}

fn answer(address: &'static str) -> Option<String> {
    answers(address, 1).into_keys().find(|who| who != "-")
}

fn becomes(address: &'static str, wanted: Option<&str>) {
    eventually(&format!("{address} is answered by {wanted:?}"), || answer(address).as_deref() == wanted);
}

/// Checks that hold whichever program carries the connections; the split is of 400 connections.
fn applications_reach_what_they_dial(host: &Host) {
    becomes(SIX, Some("six"));
    for address in [REDIS, REDIS_OVER_IPV6] {
        assert_split(&answers(address, 200), &[("v1", 75.0), ("v2", 25.0)]);
    }
    for address in [OUTSIDE, OUTSIDE_OVER_IPV6] {
        assert_eq!(answer(address).as_deref(), Some("outside"), "{address}");
    }
    eventually("what no outbound is for is in the access log of the mesh", || {
        let lines = std::fs::read_to_string(host.lines()).unwrap_or_default();
        let has = |upstream: &str| lines.contains(&format!("{upstream} is external"));
        has(OUTSIDE) && has(OUTSIDE_OVER_IPV6)
    });
    // an inbound that is dialled directly, as from other hosts
    assert_eq!(answer("10.0.0.1:6380").as_deref(), Some("v2"));
    host.say("false", "");
    becomes(OUTSIDE, None);
    assert_eq!(answer(OUTSIDE_OVER_IPV6), None);
    assert!(answer(REDIS).is_some());
}

pub(crate) fn is_in_a_network() -> bool {
    std::env::var_os(IN_A_NETWORK).is_some()
}

/// Runs an ignored test of this program in a network namespace of its own.
pub(crate) fn in_a_network(test: &str) {
    let shell = format!("{PREPARE} && exec \"$0\" \"$@\"");
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "--", "sh", "-c", &shell]).arg(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture"]).env(IN_A_NETWORK, "yes");
    let status = command.stdin(Stdio::null()).status().unwrap();
    assert!(status.success(), "see above; it needs root, `ip` and `nft`");
}

/// Log lines of connections that ended in this way.
fn ended(log: &Path, ending: &str) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    lines.filter(|line| line["ended"] == ending).collect()
}

fn awaits_end(log: &Path, ending: &str, wanted: impl Fn(&serde_json::Value) -> bool) {
    eventually(&format!("a line with the end {ending}"), || ended(log, ending).iter().any(&wanted));
}

/// Returns `true` if a connection is refused: closed or reset before any data arrives.
fn is_refused(address: &str) -> bool {
    let address: SocketAddr = address.parse().unwrap();
    let Ok(stream) = TcpStream::connect(address) else { return true };
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut byte = [0];
    match std::io::Read::read(&mut &stream, &mut byte) {
        Ok(0) => true,
        Ok(_) => false,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn our_proxy_carries_what_is_redirected() {
    in_a_network("capture::child_with_our_proxy");
}

#[test]
#[ignore = "another test runs it, in a network of its own"]
fn child_with_our_proxy() {
    if !is_in_a_network() {
        return;
    }
    let host = Host::new();
    let (mesh, log) = (host.mesh(), host.log());
    let socket = host.folder.path().join("takeover");
    let (mesh, socket) = (mesh.to_str().unwrap(), socket.to_str().unwrap());
    let arguments = ["--log", log.to_str().unwrap(), "--log-format", "json", "--takeover", socket, mesh];
    let mut up = Up::start(&arguments);
    up.is_ready();
    applications_reach_what_they_dial(&host);
    // the log has the dialled address, and the reason why it goes no further
    awaits_end(&log, "no-backend", |line| {
        line["listener"] == "outbound:passthrough:ipv4"
            && line["destination"] == OUTSIDE
            && line["why"].as_str().unwrap().contains("the mesh lets nothing pass")
    });
    awaits_end(&log, "client-closed", |line| {
        line["listener"] == "outbound:passthrough:ipv4" && line["endpoint"] == OUTSIDE
    });
    awaits_end(&log, "client-closed", |line| {
        line["listener"] == "inbound:10.0.0.1:6380" && line["endpoint"] == "10.0.0.1:6380"
    });
    host.say("true", ONLY);
    becomes(OUTSIDE, Some("outside"));
    assert_eq!(answer(OUTSIDE_OVER_IPV6), None);
    awaits_end(&log, "client-closed", |line| {
        line["listener"] == "outbound:passthrough:192.0.2.1/32:7000"
            && line["policy"] == "MeshPassthrough default/one"
    });
    // connections to these addresses are not redirected
    for address in ["127.0.0.1:15001", "[::1]:15001", "127.0.0.1:15006"] {
        assert!(is_refused(address), "{address}");
    }
    awaits_end(&log, "loop", |line| line["why"].as_str().unwrap().contains("127.0.0.1:15001"));
    assert!(up.ask("/metrics").1.contains("reason=\"loop\""), "{}", up.ask("/metrics").1);
    host.say("true", "");
    becomes(OUTSIDE_OVER_IPV6, Some("outside"));
    // a rule that redirects the proxy's own connections too: the proxy recognizes them when they come back
    let rule =
        ["insert", "rule", "inet", "capture", "output", "ip", "daddr", ROUND, "meta", "l4proto", "tcp"];
    let added =
        Command::new("nft").args(rule).args(["redirect", "to", ":15001"]).stdin(Stdio::null()).status();
    assert!(added.is_ok_and(|status| status.success()));
    assert_eq!(answer("10.96.0.99:7000"), None);
    awaits_end(&log, "loop", |line| line["why"].as_str().unwrap().contains("this proxy made it itself"));
    let rounds = std::fs::read_to_string(&log).unwrap().matches("10.96.0.99:7000").count();
    assert!(rounds < 20, "it went round {rounds} times");
    // a successor inherits the sockets that connections are redirected to, unnoticed by clients
    let crowd = std::thread::spawn(|| answers(REDIS, 400));
    let successor = Up::start(&arguments);
    assert_eq!(up.program.ends(), 0);
    let seen = crowd.join().unwrap();
    assert!(!seen.contains_key("-"), "{seen:?}");
    successor.is_ready();
    assert!(answer(REDIS).is_some());
}

#[test]
fn envoy_carries_what_is_redirected() {
    in_a_network("capture::child_with_envoy");
}

#[test]
#[ignore = "another test runs it, in a network of its own"]
fn child_with_envoy() {
    if !is_in_a_network() {
        return;
    }
    let host = Host::new();
    let mesh = host.mesh();
    let arguments =
        ["control-plane", mesh.to_str().unwrap(), "--xds", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let control_plane = Program::start(meshtcp(arguments));
    let line = control_plane.awaits_text(0, "discovery: ");
    let xds = line.trim_start_matches("discovery: ").split([',', ' ']).next().unwrap().to_owned();
    let envoy = Envoy::start_at("default/web-1", &xds, Protocol::Delta);
    eventually("Envoy listens where connections are redirected to", || {
        TcpListener::bind("0.0.0.0:15001").is_err()
    });
    applications_reach_what_they_dial(&host);
    assert!(envoy.stat("outbound_passthrough_ipv4.downstream_cx_total") > 0, "{}", envoy.log());
}

#[test]
fn a_proxy_says_itself_that_connections_are_redirected_to_it() {
    in_a_network("capture::child_that_announces_it");
}

#[test]
#[ignore = "another test runs it, in a network of its own"]
fn child_that_announces_it() {
    if !is_in_a_network() {
        return;
    }
    let host = Host::new();
    let said = "  transparentProxying: { redirectPortInbound: 15006, redirectPortOutbound: 15001 }\n";
    let mesh = MESH.replace("PASSTHROUGH", "true").replace("LINES", &host.lines());
    assert!(mesh.contains(said));
    std::fs::write(host.mesh().join("mesh.yaml"), mesh.replace(said, "")).unwrap();
    let (_control_plane, xds) = host.control_plane();
    let proxy = ["proxy", "--proxy", "default/web-1", "--control-plane", &xds, "--transparent-proxy"];
    let proxy = Program::start(meshtcp(proxy));
    // it has no earlier configuration: its inbounds would be opened at the ports of applications
    proxy.awaits_text(0, "configuration 1: ");
    becomes(SIX, Some("six"));
    assert_eq!(answer(OUTSIDE).as_deref(), Some("outside"));
    assert!(!proxy.printed().contains("cannot be bound"), "{}", proxy.printed());
}
