//! Refused attachments: reported to the proxy, in the log of the control plane, and in status.

use serde_json::{Value, json};

use crate::api::{ask, json as told};
use crate::backend::{free_ports, serve};
use crate::connection::Connection;
use crate::program::{Program, eventually, meshtcp};
use crate::store::ControlPlane;

/// Control plane with `web-1`, whose inbound is `outside`, and its application behind it.
fn with_web(outside: u16, more: &[&str]) -> ControlPlane {
    let [application] = free_ports();
    serve(application, "web");
    let control_plane = ControlPlane::start("memory", more);
    let web = json!({ "type": "Dataplane", "mesh": "default", "name": "web-1", "networking": {
        "address": "127.0.0.1",
        "inbound": [{ "port": outside, "servicePort": application, "tags": { "kuma.io/service": "web", "kuma.io/protocol": "tcp" } }],
    } });
    control_plane.put("/meshes/default/dataplanes/web-1", &web);
    control_plane
}

fn proxy(name: &str, control_plane: &ControlPlane, more: &[&str]) -> Program {
    let fixed = ["proxy", "--proxy", name, "--control-plane", &control_plane.xds, "--workers", "1"];
    Program::start(meshtcp(fixed.iter().chain(more)))
}

#[test]
fn a_proxy_that_is_started_twice_is_named_and_the_one_that_carries_keeps_the_name() {
    let [outside] = free_ports();
    let control_plane = with_web(outside, &[]);
    let first = proxy("web-1", &control_plane, &[]);
    first.awaits_text(0, "1 listeners opened");
    let second = proxy("web-1", &control_plane, &[]);
    second.awaits_text(0, "follows another process");
    control_plane
        .program
        .awaits_text(0, "was turned away: another process is attached as default/web-1, from 127.0.0.1:");
    let status = || told(&control_plane.api, "/_status");
    eventually("the first has its name back", || status()["proxies"][0]["inSync"] == true);
    let turned_away = status()["turnedAway"].clone();
    assert_eq!(turned_away[0]["who"], "default/web-1", "{turned_away}");
    assert!(turned_away[0]["why"].as_str().unwrap().ends_with("is it started twice?"), "{turned_away}");
    assert!(Connection::open(outside).is_some_and(|it| it.backend == "web"));

    // the first disconnects, and the second gets the name and the port
    drop(first);
    second.awaits_text(0, "1 listeners opened");
    eventually("nobody is turned away", || status()["turnedAway"] == Value::Array(vec![]));
}

#[test]
fn a_proxy_without_a_token_is_told_of_the_flag_and_its_control_plane_of_the_proxy() {
    let [outside, admin] = free_ports();
    let admin = format!("127.0.0.1:{admin}");
    let control_plane = with_web(outside, &["--dataplane-auth", "token", "--admin", &admin]);
    let mut turned = proxy("web-1", &control_plane, &[]);
    turned.awaits_text(0, "wants a dataplane token of this proxy (--token-file)");
    control_plane
        .program
        .awaits_text(0, "warning: default/web-1, from 127.0.0.1, was turned away: no token was brought");
    assert_eq!(told(&control_plane.api, "/_status")["turnedAway"][0]["who"], "default/web-1");
    let (_, metrics) = ask(&admin, "GET /metrics");
    let counted = |reason: &str| {
        let line = format!("meshtcp_discovery_turned_away_total{{reason=\"{reason}\"}} ");
        metrics.lines().find_map(|it| it.strip_prefix(&line)).unwrap().parse::<u64>().unwrap()
    };
    assert!(counted("token") > 0 && counted("started-twice") == 0, "{metrics}");
    assert!(turned.is_running());
}

#[test]
fn a_proxy_that_no_dataplane_has_is_told_that_it_waits() {
    let [outside] = free_ports();
    let control_plane = with_web(outside, &[]);
    let unknown = proxy("nope", &control_plane, &[]);
    unknown.awaits_text(0, "has told this proxy nothing yet: is there a Dataplane default/nope?");
    control_plane.program.awaits_text(0, "there is no Dataplane nope in mesh default");
}

#[test]
fn what_is_not_where_proxies_attach_is_said_to_be_that() {
    let [outside] = free_ports();
    let control_plane = with_web(outside, &[]);
    let arguments = ["proxy", "--proxy", "web-1", "--control-plane", &control_plane.api, "--workers", "1"];
    let lost = Program::start(meshtcp(arguments));
    lost.awaits_text(0, "what answers there is not where proxies attach");
}
