//! Two control planes on one store: either one knows the proxies of both.

use rustix::process::Signal;
use serde_json::Value;

use crate::api::{ask, json};
use crate::backend::{free_ports, serve};
use crate::connection::{reaches, tally};
use crate::database::Database;
use crate::program::{Program, eventually, meshtcp};
use crate::store::ControlPlane;

fn dataplane(port: u16) -> Value {
    serde_json::json!({ "type": "Dataplane", "mesh": "default", "name": "web-1", "networking": {
        "address": "127.0.0.1",
        "inbound": [{ "port": port, "tags": { "kuma.io/service": "web", "kuma.io/protocol": "tcp" } }],
    } })
}

#[test]
fn a_proxy_is_in_sync_whichever_control_plane_is_asked() {
    let database = Database::start();
    let admin = ["--admin", "127.0.0.1:0"];
    let one = ControlPlane::start(&database.store(), &admin);
    let other = ControlPlane::start(&database.store(), &admin);
    let [first, second] = free_ports();
    one.put("/meshes/default/dataplanes/web-1", &dataplane(first));
    let _proxy = Program::start(meshtcp([
        "proxy",
        "--proxy",
        "web-1",
        "--control-plane",
        &other.xds,
        "--workers",
        "1",
    ]));
    let web = || json(&one.api, "/_status?what=proxies")["proxies"][0].clone();
    eventually("the one knows the proxy of the other", || web()["inSync"] == true);
    assert!(web()["controlPlane"].is_string(), "{}", web());
    let insight = json(&one.api, "/mesh-insights/default");
    assert_eq!(insight["dataplanes"]["online"], 1, "{insight}");

    // a change put at one control plane can be awaited at the other
    let revision = |status: Value| status["revision"].as_u64().unwrap();
    let before = revision(json(&one.api, "/_status?size=0"));
    one.put("/meshes/default/dataplanes/web-1", &dataplane(second));
    eventually("the change is live", || {
        let rollout = json(&one.api, "/_status?size=0")["rollout"].clone();
        rollout["revision"].as_u64() > Some(before)
            && rollout["live"] == 1
            && rollout["waitsFor"] == Value::Array(vec![])
    });
    assert_eq!(revision(json(&other.api, "/_status?size=0")), before + 1);

    // metrics are added up by whoever collects them: each tells of its own
    let in_sync = |plane: &ControlPlane| {
        let line = plane.program.awaits_text(0, "admin: http://");
        let metrics = crate::program::ask(line.trim_start_matches("admin: http://"), "/metrics").1;
        let count = metrics.lines().find_map(|line| line.strip_prefix("meshtcp_proxies{state=\"in-sync\"} "));
        count.map(str::to_owned)
    };
    eventually("one of them counts it", || in_sync(&other).as_deref() == Some("1"));
    assert_eq!(in_sync(&one).as_deref(), Some("0"));

    // a connection that has ended is no longer shown
    drop(other);
    eventually("the proxy is not attached", || web()["connection"].is_null());
}

#[test]
fn what_connections_do_is_the_same_whichever_control_plane_is_asked() {
    let database = Database::start();
    let planes = [(); 2].map(|()| ControlPlane::start(&database.store(), &[]));
    eventually("they know of each other", || {
        planes.iter().all(|plane| json(&plane.api, "/_traffic?size=0")["controlPlanes"] == 2)
    });
    let [dialled, app, inbounds @ ..]: [u16; 4] = free_ports();
    serve(app, "redis");
    let mut outbounds = vec![dialled];
    outbounds.extend(free_ports::<1>());
    let redis = serde_json::json!({ "type": "Dataplane", "mesh": "default", "name": "redis-1", "networking": {
        "address": "127.0.0.1", "inbound": [{ "port": app, "tags": { "kuma.io/service": "redis" } }],
    } });
    planes[0].put("/meshes/default/dataplanes/redis-1", &redis);
    let mut proxies = Vec::new();
    for ((plane, inbound), outbound) in planes.iter().zip(inbounds).zip(&outbounds) {
        let name = format!("web-{inbound}");
        let web = serde_json::json!({ "type": "Dataplane", "mesh": "default", "name": name, "networking": {
            "address": "127.0.0.1",
            "inbound": [{ "port": inbound, "tags": { "kuma.io/service": "web" } }],
            "outbound": [{ "port": outbound, "tags": { "kuma.io/service": "redis" } }],
        } });
        planes[0].put(&format!("/meshes/default/dataplanes/{name}"), &web);
        let mut command =
            meshtcp(["proxy", "--proxy", &name, "--control-plane", &plane.xds, "--workers", "1"]);
        command.stdin(std::process::Stdio::null());
        proxies.push(Program::start(command));
    }
    for (outbound, connections) in outbounds.iter().zip([3, 4]) {
        reaches(*outbound, &["redis"]);
        tally(*outbound, connections);
    }
    let of_redis = |plane: &ControlPlane| {
        let page = json(&plane.api, "/_traffic?destination=redis");
        let counts = page["items"][0]["counts"].clone();
        (
            page["controlPlanes"].clone(),
            page["reporting"].clone(),
            page["items"][0]["proxies"].clone(),
            counts,
        )
    };
    eventually("both say the same of both", || {
        let [one, other] = [0, 1].map(|at| of_redis(&planes[at]));
        // `reaches` has made at least 12 connections through each
        one == other && one.0 == 2 && one.1 == 2 && one.2 == 2 && one.3["opened"].as_u64() >= Some(2 * 12 + 7)
    });
    let names = |plane: &ControlPlane| {
        let rows = json(&plane.api, "/_traffic?by=proxy")["items"].as_array().cloned().unwrap_or_default();
        rows.iter().map(|row| row["proxy"].to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(&planes[0]).len(), 2);
    assert_eq!(names(&planes[0]), names(&planes[1]));
}

#[test]
fn who_is_certified_is_known_whichever_control_plane_made_the_certificate() {
    let database = Database::start();
    let one = ControlPlane::start(&database.store(), &[]);
    let other = ControlPlane::start(&database.store(), &[]);
    let [inbound, own, outbound] = free_ports();
    let mesh = serde_json::json!({ "type": "Mesh", "name": "default", "mtls": { "enabledBackend": "ca-1", "backends": [{
        "name": "ca-1", "type": "builtin", "mode": "PERMISSIVE",
    }] } });
    let mut web = dataplane(own);
    web["networking"]["outbound"] =
        serde_json::json!([{ "port": outbound, "tags": { "kuma.io/service": "redis" } }]);
    let redis = serde_json::json!({ "type": "Dataplane", "mesh": "default", "name": "redis-1", "networking": {
        "address": "127.0.0.1",
        "inbound": [{ "port": inbound, "tags": { "kuma.io/service": "redis", "kuma.io/protocol": "tcp" } }],
    } });
    one.put("/meshes/default", &mesh);
    one.put("/meshes/default/dataplanes/web-1", &web);
    one.put("/meshes/default/dataplanes/redis-1", &redis);
    let start = |name: &str, at: &ControlPlane| {
        Program::start(meshtcp(["proxy", "--proxy", name, "--control-plane", &at.xds, "--workers", "1"]))
    };
    let _web = start("web-1", &one);
    let row = |asked: &ControlPlane, name: &str| {
        let report = json(&asked.api, "/_identity");
        report["proxies"]
            .as_array()?
            .iter()
            .find(|row| row["name"] == name && !row["serial"].is_null())
            .cloned()
    };
    eventually("web has a certificate", || row(&one, "web-1").is_some());
    let dials_by_tls = || {
        let (_, told) = ask(&one.api, "GET /meshes/default/dataplanes/web-1/_config");
        told.contains("redis{mesh=default}")
    };
    assert!(!dials_by_tls(), "redis has no certificate yet");
    let _redis = start("redis-1", &other);
    eventually("the one knows what the other has made", || {
        row(&one, "redis-1").is_some_and(|row| row["controlPlane"].is_string())
    });
    eventually("and the other way round", || {
        row(&other, "web-1").is_some_and(|row| row["controlPlane"].is_string())
    });
    assert!(row(&other, "redis-1").unwrap()["controlPlane"].is_null());
    eventually("web goes over to TLS, since all of redis can", dials_by_tls);
    let overview = json(&one.api, "/meshes/default/dataplanes/redis-1/_overview");
    assert!(overview["dataplaneInsight"]["mTLS"]["issuedBackend"] == "ca-1", "{overview:#}");

    // new certificates can be requested at either: all proxies get some
    let serials = || ["web-1", "redis-1"].map(|name| row(&other, name).map(|row| row["serial"].clone()));
    let before = serials();
    let (status, told) = ask(&one.api, "POST /_identity/_rotate?mesh=default");
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((status, &told["rotated"]), (200, &2.into()));
    eventually("both have new ones", || {
        let now = serials();
        now.iter().zip(&before).all(|(now, before)| now.is_some() && now != before)
    });
    let now = serials();
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(serials(), now, "once");
}

#[test]
fn another_leads_when_the_one_that_leads_is_paused() {
    let database = Database::start();
    let leads = ControlPlane::start(&database.store(), &[]);
    let service = |name: &str| {
        serde_json::json!({ "type": "MeshService", "mesh": "default", "name": name, "spec": {
            "selector": { "dataplaneTags": { "kuma.io/service": name } },
            "ports": [{ "port": 80, "targetPort": 80, "appProtocol": "tcp" }],
        } })
    };
    let path = |name: &str| format!("/meshes/default/meshservices/{name}");
    let has_address = |plane: &ControlPlane, name: &str| {
        let (status, said) = ask(&plane.api, &format!("GET {}", path(name)));
        status == 200 && serde_json::from_str::<Value>(&said).unwrap()["status"]["vips"][0]["ip"].is_string()
    };
    leads.put(&path("one"), &service("one"));
    eventually("the first leads", || has_address(&leads, "one"));
    let other = ControlPlane::start(&database.store(), &[]);
    leads.program.signal(Signal::STOP);
    other.put(&path("two"), &service("two"));
    eventually("the other leads", || has_address(&other, "two"));
    leads.program.signal(Signal::CONT);
    other.put(&path("three"), &service("three"));
    eventually("one of them leads", || has_address(&leads, "three"));
}
