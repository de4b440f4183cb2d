//! Rollouts over real redis servers: one that fails is rolled back by itself, one that does not completes, even if the
//! control plane that leads it is killed.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::api::json as asked;
use crate::backend::free_ports;
use crate::database::Database;
use crate::program::{PATIENCE, Program, answer, eventually, meshtcp};
use crate::redis::Redis;
use crate::store::ControlPlane;

const ROLLOUT: &str = "/meshes/default/meshtcprollouts/redis";
const ROUTE: &str = "/meshes/default/meshtcproutes/redis";

/// Forwards connections to a port, and resets `percent` of a hundred as soon as they are accepted. Returns its own
/// port.
fn resetting(to: u16, percent: u64) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for (number, client) in (0_u64..).zip(listener.incoming().flatten()) {
            // spread evenly, whatever the percentage
            if (number * percent) % 100 < percent {
                let _ = rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO));
                continue;
            }
            std::thread::spawn(move || pass_on(client, to));
        }
    });
    port
}

fn pass_on(mut client: TcpStream, to: u16) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", to)) else { return };
    let (mut back, mut answers) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut answers, &mut back);
        let _ = back.shutdown(std::net::Shutdown::Write);
    });
    let _ = std::io::copy(&mut client, &mut server);
    let _ = server.shutdown(std::net::Shutdown::Write);
}

/// Clients that ask redis for its name, each over a connection of its own, until they are stopped.
struct Clients {
    stop: Arc<AtomicBool>,
    /// Number of answers of the first and of the second redis.
    answers: Arc<[AtomicU64; 2]>,
    threads: Vec<JoinHandle<()>>,
}

impl Clients {
    fn start(port: u16) -> Self {
        let (stop, answers) = (Arc::<AtomicBool>::default(), Arc::<[AtomicU64; 2]>::default());
        let threads = (0..2).map(|_| {
            let (stop, answers) = (Arc::clone(&stop), Arc::clone(&answers));
            std::thread::spawn(move || {
                while !stop.load(Relaxed) {
                    match who(port).as_deref() {
                        Some("v1") => drop(answers[0].fetch_add(1, Relaxed)),
                        Some("v2") => drop(answers[1].fetch_add(1, Relaxed)),
                        _ => {}
                    }
                    std::thread::sleep(Duration::from_millis(4));
                }
            })
        });
        Self { threads: threads.collect(), stop, answers }
    }

    fn answers(&self) -> [u64; 2] {
        [self.answers[0].load(Relaxed), self.answers[1].load(Relaxed)]
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

/// Name of the redis that answers; `None`: none does.
fn who(port: u16) -> Option<String> {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).ok()?;
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    connection.write_all(b"*2\r\n$3\r\nGET\r\n$2\r\nme\r\n").ok()?;
    let mut answer = [0; 8];
    connection.read_exact(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer[4..6]).into_owned())
}

fn command(control_plane: &ControlPlane, arguments: &[&str]) -> (i32, String) {
    let server = format!("http://{}", control_plane.api);
    let (code, out, err) = answer(meshtcp(arguments).args(["--server", &server]));
    (code, out + &err)
}

/// Two redis servers, of which the second one resets some of its connections, and a proxy with a route to them.
struct Town {
    outbound: u16,
    _servers: [Redis; 2],
}

impl Town {
    fn put(control_plane: &ControlPlane, percent: u64) -> Self {
        let [outbound, web, first, second] = free_ports();
        let servers = [Redis::start(first, "v1"), Redis::start(second, "v2")];
        let dataplane = |name: &str, port: u16, tags: Value, outbound: Value| {
            let document = json!({ "type": "Dataplane", "mesh": "default", "name": name, "networking": {
                "address": "127.0.0.1", "inbound": [{ "port": port, "tags": tags }], "outbound": outbound,
            } });
            control_plane.put(&format!("/meshes/default/dataplanes/{name}"), &document);
        };
        for (name, port) in [("redis-v1", first), ("redis-v2", resetting(second, percent))] {
            dataplane(name, port, json!({ "kuma.io/service": name, "kuma.io/protocol": "tcp" }), json!([]));
        }
        let dials = json!([{ "port": outbound, "tags": { "kuma.io/service": "redis-v1" } }]);
        dataplane("web-1", web, json!({ "kuma.io/service": "web" }), dials);
        let route = json!({ "type": "MeshTCPRoute", "mesh": "default", "name": "redis", "spec": {
            "targetRef": { "kind": "Mesh" },
            "to": [{ "targetRef": { "kind": "MeshService", "name": "redis-v1" }, "rules": [{ "default": { "backendRefs": [
                { "kind": "MeshService", "name": "redis-v1", "weight": 100 },
                { "kind": "MeshService", "name": "redis-v2", "weight": 0 },
            ] } }] }],
        } });
        control_plane.put(ROUTE, &route);
        Self { outbound, _servers: servers }
    }
}

fn proxy(control_planes: &[&ControlPlane]) -> Program {
    let all: Vec<&str> = control_planes.iter().map(|it| it.xds.as_str()).collect();
    let control_planes = all.join(",");
    Program::start(meshtcp([
        "proxy",
        "--proxy",
        "web-1",
        "--control-plane",
        &control_planes,
        "--workers",
        "1",
    ]))
}

fn status(control_plane: &ControlPlane) -> Value {
    asked(&control_plane.api, ROLLOUT)["status"].clone()
}

fn events(status: &Value) -> Vec<String> {
    let events = status["events"].as_array().cloned().unwrap_or_default();
    events.iter().map(|event| event["what"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_backend_that_resets_a_fifth_of_its_connections_is_rolled_back_by_itself() {
    let control_plane = ControlPlane::start("memory", &[]);
    let town = Town::put(&control_plane, 20);
    let _proxy = proxy(&[&control_plane]);
    eventually("the first redis answers", || who(town.outbound).as_deref() == Some("v1"));
    let clients = Clients::start(town.outbound);
    let route = asked(&control_plane.api, ROUTE)["spec"].clone();

    let start = ["rollout", "start", "redis", "--to", "redis-v2", "--steps", "20@1h,100"];
    let (code, text) = command(&control_plane, &[&start[..], &["--dry-run"]].concat());
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("MeshTCPRollout default/redis") && text.contains("20"), "{text}");
    assert_eq!(command(&control_plane, &["get", "meshtcprollout", "redis"]).0, 1, "nothing was put");
    let (code, text) = command(&control_plane, &start);
    assert_eq!(code, 0, "{text}");
    // another rollout for the same destination is refused
    let other = [&start[..], &["--name", "other"]].concat();
    let (code, text) = command(&control_plane, &other);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("MeshTCPRollout default/redis is about the same destination"), "{text}");

    eventually("the second redis gets connections", || clients.answers()[1] > 0);
    let (code, text) = command(&control_plane, &["rollout", "status", "redis", "--watch"]);
    assert_eq!(code, 1, "it was aborted: {text}");
    assert!(text.contains("step 1 of 2: 20 % to MeshService redis-v2"), "{text}");
    // a connection that is reset at once may be reset before it counts as open
    let aborted = |signal: &str| {
        let words = format!("aborted, 0 % to MeshService redis-v2: {signal} 1.2 times the other side's: ");
        text.contains(&words)
    };
    assert!(aborted("ConnectFailures") || aborted("EarlyResets"), "{text}");
    let status = status(&control_plane);
    assert_eq!((&status["phase"], &status["weight"]), (&json!("Aborted"), &json!(0.0)));
    let before = clients.answers();
    eventually("the first redis gets all", || clients.answers()[0] > before[0] + 50);
    let settled = clients.answers();
    eventually("and goes on so", || clients.answers()[0] > settled[0] + 100);
    assert_eq!(clients.answers()[1], settled[1], "nobody is sent to the second one");
    assert_eq!(asked(&control_plane.api, ROUTE)["spec"], route, "the route is as it was written");
}

#[test]
fn a_rollout_completes_though_who_runs_it_is_killed_in_between() {
    let database = Database::start();
    let first = ControlPlane::start(&database.store(), &[]);
    let second = ControlPlane::start(&database.store(), &[]);
    let town = Town::put(&first, 0);
    let _proxy = proxy(&[&first, &second]);
    eventually("the first redis answers", || who(town.outbound).as_deref() == Some("v1"));
    let clients = Clients::start(town.outbound);
    let steps = "10@4s,50@4s,100@2s";
    let (code, text) = command(&first, &["rollout", "start", "redis", "--to", "redis-v2", "--steps", steps]);
    assert_eq!(code, 0, "{text}");
    eventually("it is in the second step", || status(&first)["step"] == 1);
    // the first control plane leads
    first.program.signal(Signal::KILL);
    drop(first);
    let left = second;
    let (code, text) = command(&left, &["rollout", "status", "redis", "--watch"]);
    assert_eq!(code, 0, "it was finished: {text}");
    let told = events(&status(&left));
    let begun: Vec<&String> = told.iter().filter(|it| it.starts_with("step ")).collect();
    assert_eq!(begun.len(), 3, "each step was taken once: {told:#?}");
    assert!(told.last().unwrap().starts_with("finished with 100 % to MeshService redis-v2"), "{told:#?}");
    let before = clients.answers();
    eventually("the second redis gets all", || clients.answers()[1] > before[1] + 50);
    let settled = clients.answers()[0];
    eventually("and goes on so", || clients.answers()[1] > before[1] + 150);
    assert_eq!(clients.answers()[0], settled);

    // the same weights are set in the route by hand; then the rollout is no longer needed
    let (code, text) = command(&left, &["set", "weight", "redis", "redis-v1=0", "redis-v2=100"]);
    assert_eq!(code, 0, "{text}");
    eventually("it says so", || status(&left)["phase"] == "Adopted");
    assert_eq!(command(&left, &["delete", "meshtcprollout", "redis"]).0, 0);
    let before = clients.answers();
    eventually("nothing changes", || clients.answers()[1] > before[1] + 50);
    assert_eq!(clients.answers()[0], before[0]);
}

#[test]
fn a_route_goes_back_to_what_it_said_before() {
    let control_plane = ControlPlane::start("memory", &[]);
    let _town = Town::put(&control_plane, 0);
    let set = |weights: [&str; 2]| {
        let (code, text) = command(&control_plane, &["set", "weight", "redis", weights[0], weights[1]]);
        assert_eq!(code, 0, "{text}");
        text
    };
    let text = set(["redis-v1=90", "redis-v2=10"]);
    assert!(text.contains("redis-v1=90 redis-v2=10, concerns 1 of 3 proxies"), "{text}");
    set(["redis-v1=50", "redis-v2=50"]);
    let (code, text) = command(&control_plane, &["history", "meshtcproute", "redis"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(text.lines().count(), 4, "three changes: {text}");
    assert!(text.contains("backendRefs[redis-v1].weight: 90 → 50"), "{text}");
    assert!(text.contains("mesh-system:admin"), "{text}");

    let weights = || {
        let route = asked(&control_plane.api, ROUTE);
        let refs = route["spec"]["to"][0]["rules"][0]["default"]["backendRefs"].clone();
        [refs[0]["weight"].clone(), refs[1]["weight"].clone()]
    };
    let (code, text) = command(&control_plane, &["rollback", "meshtcproute", "redis", "--dry-run"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("50 → 90"), "{text}");
    assert_eq!(weights(), [50, 50]);
    let (code, text) = command(&control_plane, &["rollback", "meshtcproute", "redis"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(weights(), [90, 10]);
    let (code, text) = command(&control_plane, &["rollback", "meshtcproute", "redis", "--to", "1"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("nothing is kept of revision 1"), "{text}");
    let (code, text) = command(&control_plane, &["set", "weight", "redis", "redis-v3=10"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("its backends are redis-v1, redis-v2"), "{text}");
}

#[test]
fn a_rollback_says_what_is_gone_since_and_the_oldest_that_is_kept_can_come_back() {
    let control_plane = ControlPlane::start("memory", &[]);
    let _town = Town::put(&control_plane, 0);
    let first = control_plane.put(ROUTE, &asked(&control_plane.api, ROUTE));
    let mut route = asked(&control_plane.api, ROUTE);
    let mut revisions = vec![first];
    for weight in 1..=55 {
        route["spec"]["to"][0]["rules"][0]["default"]["backendRefs"] =
            json!([{ "kind": "MeshService", "name": "redis-v1", "weight": weight }]);
        revisions.push(control_plane.put(ROUTE, &route));
    }
    let back =
        |more: &[&str]| command(&control_plane, &[&["rollback", "meshtcproute", "redis"], more].concat());
    let (code, text) = back(&["--to", &revisions[0].to_string(), "--dry-run"]);
    assert!(code == 1 && text.contains("nothing is kept of revision"), "{text}");
    let (_, kept) = command(&control_plane, &["history", "meshtcproute", "redis", "-o", "json"]);
    let kept: Value = serde_json::from_str(&kept).unwrap();
    let kept: Vec<u64> =
        kept["items"].as_array().unwrap().iter().map(|it| it["revision"].as_u64().unwrap()).collect();
    assert_eq!(kept.len(), 50);
    // the revision before it is no longer kept, and is not needed
    let (code, text) = back(&["--to", &kept.last().unwrap().to_string()]);
    assert!(code == 0 && text.contains("says again what it said"), "{text}");

    // a destination in it has been deleted since: reported, and restored all the same, as the first write was allowed
    // too
    route["spec"]["to"][0]["rules"][0]["default"]["backendRefs"] =
        json!([{ "kind": "MeshService", "name": "redis-v2", "weight": 1 }]);
    let named = control_plane.put(ROUTE, &route);
    command(
        &control_plane,
        &["set", "mtcpr", "redis", "spec.to[0].rules[0].default.backendRefs[0].name=redis-v1"],
    );
    assert_eq!(command(&control_plane, &["delete", "dp", "redis-v2"]).0, 0);
    let (code, text) = back(&["--to", &named.to_string(), "--dry-run"]);
    assert!(code == 0 && text.contains("redis-v2") && text.contains("warning"), "{code} {text}");
    let (code, text) = back(&["--to", &named.to_string()]);
    assert!(code == 0 && text.contains("redis-v2"), "{text}");
    let refs =
        asked(&control_plane.api, ROUTE)["spec"]["to"][0]["rules"][0]["default"]["backendRefs"].clone();
    assert_eq!(refs[0]["name"], "redis-v2");
}
