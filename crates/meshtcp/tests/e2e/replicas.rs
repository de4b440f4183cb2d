//! Two control planes on one store: whichever is asked knows the proxies of both.

use serde_json::Value;

use crate::api::json;
use crate::backend::free_ports;
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
    let one = ControlPlane::start(&database.store(), &[]);
    let other = ControlPlane::start(&database.store(), &[]);
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

    // a change that is put here is waited for there
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

    // it is over when it is over
    drop(other);
    eventually("the proxy is not attached", || web()["connection"].is_null());
}
