//! The JSON of a plan has the documented shape, and explaining one outbound leaves the others out.

#![allow(clippy::unwrap_used, reason = "a case that cannot be read is a failed test")]

use meshtcp_plan::{Context, Snapshot, explain, plan, plan_json};
use model::draft::{parse_unchecked, read};
use model::{Profile, ProxyKey};

fn snapshot(case: &str) -> Snapshot {
    let path = format!("{}/../../cases/routing/{case}/resources.yaml", env!("CARGO_MANIFEST_DIR"));
    let (documents, _) = read("resources.yaml", &std::fs::read_to_string(path).unwrap());
    let resources =
        documents.iter().map(|document| parse_unchecked(document, Profile::V2_14).resource.unwrap());
    Snapshot::new(resources, Context::default())
}

#[test]
fn a_sidecar() {
    let plan =
        plan(&snapshot("settings-and-who-said-them"), &ProxyKey::new("default", "web-1").into()).unwrap();
    insta::assert_yaml_snapshot!(plan_json(&plan));
}

#[test]
fn a_gateway() {
    let plan =
        plan(&snapshot("a-builtin-gateway-splits-tcp"), &ProxyKey::new("default", "edge-1").into()).unwrap();
    insta::assert_yaml_snapshot!(plan_json(&plan));
}

#[test]
fn an_outbound_is_found_by_port_and_by_service() {
    let snapshot = snapshot("an-unknown-service-or-subset-keeps-its-share");
    let proxy = ProxyKey::new("default", "web-1");
    let names = |asked| {
        let explanation = explain(&snapshot, &proxy, Some(asked)).unwrap();
        explanation.outbounds.into_iter().map(|outbound| outbound.name).collect::<Vec<_>>()
    };
    assert_eq!(names("16379"), ["outbound:127.0.0.1:16379"]);
    assert_eq!(names("ledger"), ["outbound:127.0.0.1:16380"]);
    assert_eq!(names("127.0.0.1:16380"), ["outbound:127.0.0.1:16380"]);
    assert!(names("web").is_empty());
}
