//! Zone that is cut off: packets to its ingress are dropped silently, and after a while they arrive again.
//!
//! Measurements are printed. Those of the guide use longer times, set by `MESHTCP_FIGURES=yes`.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::places::{Places, client, redis, server};
use crate::capture::{in_a_network, is_in_a_network};
use crate::connection::{Connection, reaches};
use crate::identity::neighbours::Sort;
use crate::program::eventually;

/// Address of the ingress of the west; used by nothing else.
const GATE: &str = "127.0.0.2";
/// Interval at which a client dials.
const EVERY: Duration = Duration::from_millis(100);

fn makes_figures() -> bool {
    std::env::var_os("MESHTCP_FIGURES").is_some()
}

/// Unit of all times that are set here.
fn unit() -> Duration {
    Duration::from_millis(if makes_figures() { 1000 } else { 500 })
}

/// Time for which the zone is cut off.
fn long() -> Duration {
    Duration::from_secs(if makes_figures() { 12 } else { 4 })
}

/// Upper bound for an effect that takes a unit or two, on a busy machine.
fn soon() -> Duration {
    2 * unit() + Duration::from_millis(1500)
}

fn written(time: Duration) -> String {
    format!("{}ms", time.as_millis())
}

fn nft(command: &str) {
    let status = Command::new("nft").arg(command).stdin(Stdio::null()).status();
    assert!(status.is_ok_and(|status| status.success()), "{command}");
}

fn cut_off() {
    let drops = format!("ip daddr {GATE} drop; ip saddr {GATE} drop;");
    nft(&format!("table inet cut {{ chain out {{ type filter hook output priority 0; {drops} }}; }}"));
}

fn heal() {
    nft("delete table inet cut");
}

/// One connection that a client dialled: start, duration, and the backend that answered.
#[derive(Clone, Debug)]
struct Dial {
    begun: Instant,
    took: Duration,
    who: Option<String>,
}

/// Client that dials at this interval, whatever happens to earlier connections.
struct Client {
    port: u16,
    dials: Arc<Mutex<Vec<Dial>>>,
    dialling: Vec<std::thread::JoinHandle<()>>,
}

impl Client {
    fn of(port: u16) -> Self {
        Self { port, dials: Arc::default(), dialling: Vec::new() }
    }

    fn dials_for(&mut self, long: Duration) {
        self.dials_until(Instant::now() + long, |_| false);
    }

    /// Dials until `then`, or until a connection satisfies `is_heard`.
    fn dials_until(&mut self, then: Instant, is_heard: impl Fn(&Dial) -> bool) {
        while Instant::now() < then && !self.dials.lock().unwrap().iter().any(&is_heard) {
            let (port, dials) = (self.port, Arc::clone(&self.dials));
            self.dialling.push(std::thread::spawn(move || {
                let begun = Instant::now();
                let who = Connection::open(port).map(|connection| connection.backend.clone());
                dials.lock().unwrap().push(Dial { begun, took: begun.elapsed(), who });
            }));
            std::thread::sleep(EVERY);
        }
    }

    fn ends(self) -> Vec<Dial> {
        self.dialling.into_iter().for_each(|thread| thread.join().unwrap());
        let mut dials = std::mem::take(&mut *self.dials.lock().unwrap());
        dials.sort_by_key(|dial| dial.begun);
        dials
    }
}

/// Measurements of an outage.
#[derive(Debug)]
struct Outage {
    /// Time from the first dropped packet to the last dial that failed or waited for longer than half a second.
    until_elsewhere: Duration,
    /// Longest wait of a client.
    longest: Duration,
    /// Number of connections dialled meanwhile that were not answered.
    lost: usize,
    dialled: usize,
    /// Time from the last dropped packet to the next dial that reached the west; `None`: none did.
    until_back: Option<Duration>,
}

/// Starts `redis` in both zones, and `web` in the east, with these policies.
fn places(dials: Sort, policies: &[Value]) -> Places {
    let mut places = Places::of(&json!({}));
    places.gate_address = GATE;
    places.west.put(&server("default", "redis-w", "west", &[redis("v1")]));
    places.west.attach(Sort::Ours, "redis-w");
    places.open(Sort::Ours);
    places.carry(1);
    for policy in policies {
        places.east.put(policy);
    }
    places.east.put(&server("default", "redis-e", "east", &[redis("v1")]));
    let outbound = json!({ "port": places.outbound, "tags": { "kuma.io/service": "redis" } });
    places.east.put(&client("default", "web-1", &outbound));
    places.east.attach(Sort::Ours, "redis-e");
    places.east.attach(dials, "web-1");
    reaches(places.outbound, &["east", "west"]);
    places
}

/// Cuts the west off for a while; connections that were open before live on.
fn outage(dials: Sort, policies: &[Value]) -> Outage {
    let places = places(dials, policies);
    let mut open: BTreeMap<String, Connection> = BTreeMap::new();
    eventually("a connection to each zone", || {
        let connection = Connection::open(places.outbound).unwrap();
        open.insert(connection.backend.clone(), connection);
        open.len() == 2
    });
    let mut client = Client::of(places.outbound);
    client.dials_for(Duration::from_secs(1));
    let cut = Instant::now();
    cut_off();
    client.dials_for(long());
    let healed = Instant::now();
    heal();
    let is_back = |dial: &Dial| dial.begun >= healed && dial.who.as_deref() == Some("west");
    client.dials_until(healed + Duration::from_secs(20), is_back);
    let dials = client.ends();
    for connection in open.values_mut() {
        connection.echo();
    }
    let meanwhile: Vec<&Dial> = dials.iter().filter(|it| it.begun > cut && it.begun < healed).collect();
    let slow = |dial: &&&Dial| dial.who.is_none() || dial.took > Duration::from_millis(500);
    let back = dials.iter().find(|it| is_back(it));
    assert!(dials.iter().filter(|it| it.begun < cut).all(|it| it.who.is_some()), "{dials:?}");
    Outage {
        until_elsewhere: meanwhile.iter().rfind(slow).map_or(Duration::ZERO, |it| it.begun - cut),
        longest: meanwhile.iter().map(|it| it.took).max().unwrap_or_default(),
        lost: meanwhile.iter().filter(|it| it.who.is_none()).count(),
        dialled: meanwhile.len(),
        until_back: back.map(|it| it.begun - healed),
    }
}

fn policy(kind: &str, said: &Value) -> Value {
    json!({ "type": kind, "mesh": "default", "name": "cut", "spec": {
        "targetRef": { "kind": "Mesh" }, "to": [{ "targetRef": { "kind": "Mesh" }, "default": said }],
    } })
}

/// MeshTimeout with the default connect timeout, in units instead of seconds.
fn gives_up() -> Value {
    policy("MeshTimeout", &json!({ "connectionTimeout": written(5 * unit()) }))
}

fn checks() -> Value {
    let often = written(unit());
    policy(
        "MeshHealthCheck",
        &json!({ "interval": often, "timeout": often, "unhealthyThreshold": 1, "healthyThreshold": 1,
                 "healthyPanicThreshold": 0, "tcp": {} }),
    )
}

fn ejects() -> Value {
    policy(
        "MeshCircuitBreaker",
        &json!({ "outlierDetection": {
            "interval": written(unit()), "baseEjectionTime": written(5 * unit()), "maxEjectionPercent": 100,
            "splitExternalAndLocalErrors": true, "detectors": { "localOriginFailures": { "consecutive": 1 } },
        } }),
    )
}

fn tries_another() -> [Value; 2] {
    let retry = policy("MeshRetry", &json!({ "tcp": { "maxConnectAttempt": 3 } }));
    [retry, policy("MeshTimeout", &json!({ "connectionTimeout": written(unit()) }))]
}

#[test]
fn a_zone_that_is_cut_off_is_left_out_until_it_is_back() {
    in_a_network("zones::cut::child_whose_clients_are_ours");
}

#[test]
fn a_zone_that_is_cut_off_is_left_out_by_envoy_until_it_is_back() {
    in_a_network("zones::cut::child_whose_clients_are_envoys");
}

#[test]
#[ignore = "another test runs it, in a network of its own"]
fn child_whose_clients_are_ours() {
    lasts_without_a_zone(Sort::Ours);
}

#[test]
#[ignore = "another test runs it, in a network of its own"]
fn child_whose_clients_are_envoys() {
    lasts_without_a_zone(Sort::Envoy);
}

fn lasts_without_a_zone(dials: Sort) {
    if !is_in_a_network() {
        return;
    }
    let told = |what: &str, outage: &Outage| println!("figures: {dials:?}, {what}: {outage:.1?}");
    // the loss is silent: each connection for the west waits for its connect timeout
    let plain = outage(dials, &[gives_up()]);
    told("nothing set", &plain);
    assert!(plain.lost < plain.dialled * 3 / 4, "the share of the east goes on: {plain:?}");
    assert!(plain.lost > 0 && plain.longest < 5 * unit() + soon(), "{plain:?}");
    assert!(plain.until_back.is_some_and(|it| it < soon()), "{plain:?}");
    let checked = outage(dials, &[checks(), gives_up()]);
    told("health checks each unit", &checked);
    assert!(checked.until_elsewhere < soon(), "{checked:?}");
    assert!(checked.until_back.is_some_and(|it| it < 2 * soon()), "{checked:?}");
    let [retry, timeout] = tries_another();
    let ejected = outage(dials, &[ejects(), retry.clone(), timeout.clone()]);
    told("ejection for five units, three attempts of one", &ejected);
    assert_eq!(ejected.lost, 0, "{ejected:?}");
    let all = outage(dials, &[checks(), ejects(), retry, timeout]);
    told("all of these", &all);
    assert_eq!(all.lost, 0, "{all:?}");
    assert!(all.until_elsewhere < soon(), "{all:?}");
    assert!(all.longest < 2 * soon(), "{all:?}");
}
