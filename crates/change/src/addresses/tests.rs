//! Assignment of addresses, and the statuses that result.

use std::sync::Arc;

use model::draft::Options;

use super::*;
use crate::{Content, Ledger};

/// Resources of a text.
pub(super) fn read(text: &str) -> Vec<Arc<Resource>> {
    let content = Content::read("test.yaml", text.as_bytes(), &Options::default());
    assert!(content.is_good(), "{:?}", content.problems);
    content.entries.iter().map(|entry| Arc::clone(&entry.resource)).collect()
}

fn service(name: &str, vip: Option<&str>) -> String {
    let status = vip.map(|vip| format!("status: {{ vips: [{{ ip: {vip} }}] }}\n")).unwrap_or_default();
    format!(
        "---\ntype: MeshService\nmesh: default\nname: {name}\nspec: {{ ports: [{{ port: 80 }}] }}\n{status}"
    )
}

fn ranges(text: &str) -> Ranges {
    Ranges { services: Some(text.parse().unwrap()), ..Ranges::NONE }
}

/// Virtual IP of each service.
fn given(addresses: &Addresses) -> BTreeMap<String, String> {
    let vip = |(key, service): (&ResourceKey, &Service)| (key.name.clone(), service.vips.join(" "));
    addresses.services.iter().map(vip).collect()
}

fn of(text: &str, ranges: &Ranges, memory: &AssignedVips) -> Addresses {
    let resources = read(text);
    Addresses::of(resources.iter().map(Arc::as_ref), ranges, memory)
}

#[test]
fn services_get_addresses_by_their_names_whoever_else_is_there() {
    let all = Ranges::default();
    let one = given(&of(&service("redis", None), &all, &AssignedVips::default()));
    let both = of(&(service("web", None) + &service("redis", None)), &all, &AssignedVips::default());
    assert_eq!(one["redis"], given(&both)["redis"]);
    assert!(one["redis"].starts_with("241."), "{one:?}");
    assert_ne!(given(&both)["web"], given(&both)["redis"]);
    assert_eq!(given(&of(&service("redis", None), &Ranges::NONE, &AssignedVips::default()))["redis"], "");
}

#[test]
fn what_a_service_has_it_keeps_and_of_two_that_claim_one_address_the_later_gets_another() {
    let text =
        service("a", Some("241.0.0.7")) + &service("b", Some("241.0.0.7")) + &service("c", Some("10.0.0.1"));
    let shared = text + &service("d", Some("10.0.0.1"));
    let given = given(&of(&shared, &Ranges::default(), &AssignedVips::default()));
    assert_eq!(given["a"], "241.0.0.7");
    assert!(given["b"].starts_with("241.") && given["b"] != "241.0.0.7", "{given:?}");
    // addresses of another origin may be shared
    assert_eq!((&*given["c"], &*given["d"]), ("10.0.0.1", "10.0.0.1"));
}

#[test]
fn a_range_that_is_full_is_said_and_costs_only_who_comes_last() {
    let small = ranges("10.9.9.0/30");
    let three = service("a", None) + &service("b", None) + &service("c", None);
    let addresses = of(&three, &small, &AssignedVips::default());
    let given = given(&addresses);
    let mut taken = [given["a"].clone(), given["b"].clone()];
    taken.sort();
    assert_eq!(taken, ["10.9.9.1", "10.9.9.2"]);
    assert_eq!(given["c"], "");
    assert_eq!(addresses.full(), ["no virtual IP is left in 10.9.9.0/30: 1 of kind MeshService are without"]);
}

#[test]
fn an_address_is_not_given_to_others_while_it_is_remembered() {
    let small = ranges("10.9.9.0/29");
    let mut memory = AssignedVips::default();
    let first = of(&service("gone", None), &small, &memory);
    first.teach(&mut memory);
    let others: String = ["a", "b", "c", "d", "e"].iter().map(|name| service(name, None)).collect();
    let after = of(&others, &small, &memory);
    let had = given(&first)["gone"].clone();
    assert!(given(&after).values().all(|vip| *vip != had), "{:?}", given(&after));
    assert_eq!(given(&of(&service("gone", None), &small, &memory))["gone"], had, "it comes back");
    // an address of a removed service is better than none
    let six = others + &service("f", None);
    assert!(given(&of(&six, &small, &memory)).values().any(|vip| *vip == had));
}

#[test]
fn statuses_say_addresses_and_names_and_are_written_once() {
    let generators = "---\ntype: HostnameGenerator\nname: local\nspec:\n  selector: { meshService: { matchLabels: {} } }\n  \
                      template: '{{ .DisplayName }}.svc.mesh.local'\n---\ntype: HostnameGenerator\nname: team\nspec:\n  \
                      selector: { meshService: {} }\n  template: '{{ label \"team\" }}.mesh.local'\n";
    let text = service("redis", None)
        + "labels: { team: red }\n"
        + &service("redis-2", None)
        + "labels: { team: red }\n"
        + generators;
    let content = Content::read("test.yaml", text.as_bytes(), &Options::default());
    assert!(content.is_good(), "{:?}", content.problems);
    let ledger: Ledger = content.entries.iter().cloned().collect();
    let mut filler = Filler::new(Ranges::default(), Options::default());
    let filled = filler.fill(&ledger);
    let key = |name| ResourceKey::new(Kind::MeshService, "default", name);
    let status = |name| filled.get(&key(name)).unwrap().document.value()["status"].clone();
    let hosts = |name| -> Vec<Value> {
        let addresses = status(name)["addresses"].as_array().cloned().unwrap_or_default();
        addresses.iter().map(|address| address["hostname"].clone()).collect()
    };
    assert_eq!(hosts("redis"), ["redis.svc.mesh.local", "red.mesh.local"]);
    assert_eq!(hosts("redis-2"), ["redis-2.svc.mesh.local"]);
    let reasons = |name| -> Vec<Value> {
        let all = status(name)["hostnameGenerators"].as_array().cloned().unwrap_or_default();
        all.iter().map(|it| it["conditions"][0]["reason"].clone()).collect()
    };
    assert_eq!(reasons("redis"), ["Generated", "Generated"]);
    assert_eq!(reasons("redis-2"), ["Generated", "Collision"]);
    // reading again gives the same, and filled entries are not made anew
    let again = filler.fill(&ledger);
    assert!(Arc::ptr_eq(again.get(&key("redis")).unwrap(), filled.get(&key("redis")).unwrap()));
    let mut twice = Filler::new(Ranges::default(), Options::default());
    let same = twice.fill(&filled);
    assert!(Arc::ptr_eq(same.get(&key("redis")).unwrap(), filled.get(&key("redis")).unwrap()));
    assert_eq!(filled.get(&key("redis")).unwrap().place(), "test.yaml:4:1");
}

#[test]
fn an_external_service_has_one_address() {
    let text = "type: MeshExternalService\nmesh: default\nname: db\nspec: { match: { type: HostnameGenerator, port: 5432 } }";
    let resources = read(text);
    let addresses =
        Addresses::of(resources.iter().map(Arc::as_ref), &Ranges::default(), &AssignedVips::default());
    let mut document = json!({ "status": { "vip": {} } });
    assert!(addresses.write(&resources[0].key(), &mut document));
    let vip = document["status"]["vip"]["ip"].as_str().unwrap();
    assert!(vip.starts_with("242."), "{vip}");
    assert!(!addresses.write(&resources[0].key(), &mut document));
}
