//! Circles of listeners.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use meshtcp_plan::{Context, Snapshot, plan};
use model::draft::{parse_unchecked, read};
use model::{Profile, ProxyKey};

/// Returns the remarks about `x-1`, which dials the services `first` on 7500 and `second` on 7501, by the addresses
/// of these.
fn remarks(first: &str, second: &str) -> Vec<String> {
    let outside = |name: &str, at: &str| {
        let (address, port) = at.rsplit_once(':').unwrap();
        format!(
            "type: MeshExternalService\nmesh: default\nname: {name}\nspec:\n  match: {{type: HostnameGenerator, port: 5432, protocol: tcp}}\n  \
             endpoints: [{{address: {address}, port: {port}}}]\n---\n"
        )
    };
    let text = format!(
        "type: Mesh\nname: default\n---\n{}{}type: Dataplane\nmesh: default\nname: x-1\nnetworking:\n  address: 10.0.0.1\n  \
         inbound: [{{port: 7390, servicePort: 7391, tags: {{kuma.io/service: x}}}}]\n  outbound:\n    \
         - {{port: 7500, backendRef: {{kind: MeshExternalService, name: first, port: 5432}}}}\n    \
         - {{port: 7501, backendRef: {{kind: MeshExternalService, name: second, port: 5432}}}}\n",
        outside("first", first),
        outside("second", second),
    );
    let (documents, problems) = read("resources.yaml", &text);
    assert_eq!(problems, []);
    let resources = documents.iter().filter_map(|it| parse_unchecked(it, Profile::default()).resource);
    let snapshot = Snapshot::new(resources.collect::<Vec<_>>(), Context::new(Profile::default()));
    let planned = plan(&snapshot, &ProxyKey::new("default", "x-1").into()).unwrap();
    assert_eq!(planned.listeners.len(), 3);
    let told = planned.warnings.iter().map(ToString::to_string);
    told.filter(|it| it.contains("leads back to itself")).collect()
}

#[test]
fn an_outbound_whose_endpoint_is_itself_is_remarked_on() {
    let told = remarks("127.0.0.1:7500", "db.example.com:7500");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("127.0.0.1:7500 again"), "{told:?}");
}

#[test]
fn outbounds_that_lead_to_each_other_are_both_remarked_on() {
    assert_eq!(remarks("127.0.0.1:7501", "127.0.0.1:7500").len(), 2);
}

#[test]
fn an_outbound_that_leads_to_another_which_ends_is_none_of_this() {
    assert!(remarks("127.0.0.1:7501", "10.0.0.9:5432").is_empty());
    assert!(remarks("127.0.0.2:7500", "10.0.0.1:7390").is_empty());
}
