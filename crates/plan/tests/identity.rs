//! Each folder of `cases/identity` holds resources, and the expected identity, trusted peers and expected peers of
//! each proxy under the rules of each profile.

#![allow(clippy::unwrap_used, reason = "a case that cannot be read is a failed test")]

mod cases;

use std::fmt::Write as _;

use meshtcp_plan::{ServiceIdentities, Snapshot, plan, plan_json};
use model::Kind;
use serde_json::Value;

#[test]
fn who_proxies_are_and_whom_they_expect_in_each_case() {
    cases::compare("identity", "identities", said);
}

fn said(snapshot: &Snapshot) -> String {
    let mut said = String::new();
    for proxy in snapshot.proxies() {
        let tree = plan_json(&plan(snapshot, &proxy.clone().into()).unwrap());
        writeln!(said, "{proxy}: {}", tree["mtls"]).unwrap();
        for (name, cluster) in tree["clusters"].as_object().unwrap() {
            let places = cluster["endpoints"].as_array().unwrap();
            let places: Vec<&str> = places.iter().filter_map(|place| place["address"].as_str()).collect();
            writeln!(said, "  {name}: {} at {places:?}", cluster["tls"]).unwrap();
        }
        let warnings = tree["warnings"].as_array().unwrap().iter().filter_map(Value::as_str);
        // outbounds of older profiles and permissions are tested elsewhere
        let about_others =
            |warning: &&str| ["outbound ", "inbound "].iter().any(|it| warning.starts_with(it));
        for warning in warnings.filter(|warning| !about_others(warning)) {
            writeln!(said, "  ! {warning}").unwrap();
        }
    }
    for service in snapshot.of_kind(Kind::MeshService) {
        if let Some(found) = ServiceIdentities::of(snapshot, service, |_| false) {
            writeln!(said, "{}: {found:?}", service.describe()).unwrap();
        }
    }
    said
}
