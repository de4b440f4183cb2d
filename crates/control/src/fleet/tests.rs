//! What the fleet tells whom, and what it says of their answers.

use std::collections::BTreeMap;

use jiff::Timestamp;
use plan::Context;
use xds::{TypeUrl, order};

use super::*;
use crate::compile::{Compiler, Scope};
use crate::discovery::{Connection, ProxyStatus, Rejection};
use crate::store::folder::{Candidate, Content, Offer, Options};

const MESH: &str = "
type: Mesh
name: default
---
type: Dataplane
mesh: default
name: web-1
networking:
  address: 127.0.0.1
  inbound:
    - { port: 3000, tags: { kuma.io/service: web } }
  outbound:
    - { port: 1000, tags: { kuma.io/service: ledger } }
    - { port: 1001, tags: { kuma.io/service: mail } }
---
type: Dataplane
mesh: default
name: ledger-1
networking:
  address: 127.0.0.1
  inbound:
    - { port: 2000, tags: { kuma.io/service: ledger } }
---
type: MeshTCPRoute
mesh: default
name: canary
spec:
  targetRef: { kind: Mesh }
  to:
    - targetRef: { kind: MeshService, name: ledger }
      rules:
        - default: { backendRefs: [{ kind: MeshService, name: ledger, weight: WEIGHT }] }
";

fn compiled(weight: &str) -> Arc<Compiled> {
    let content = Content::read("mesh.yaml", MESH.replace("WEIGHT", weight).as_bytes(), &Options::default());
    assert!(content.is_good(), "{:?}", content.problems);
    let offer = |entry: &Arc<_>| Offer { file: "mesh.yaml".into(), entry: Arc::clone(entry) };
    let candidate = Candidate { offers: content.entries.iter().map(offer).collect(), ..Candidate::default() };
    Arc::new(Compiler { context: Context::default(), scope: Scope::everything() }.compile(&candidate))
}

fn fleet() -> (Fleet, Arc<Publisher>) {
    let publisher = Arc::new(Publisher::default());
    let nothing = Compiled::nothing(Context::default());
    (Fleet::new(Arc::clone(&publisher), EnvoyOptions::default(), nothing), publisher)
}

fn web() -> ProxyKey {
    ProxyKey::new("default", "web-1")
}

#[test]
fn only_who_is_attached_is_told_and_only_what_changed_for_him() {
    let (mut fleet, publisher) = fleet();
    assert!(fleet.adopt(compiled("1")).is_empty(), "nobody is there");
    let envoy = publisher.watch(&web(), Family::Envoy);
    let told = News::Published { proxy: web(), notes: Vec::new() };
    assert_eq!(fleet.attend(), std::slice::from_ref(&told));
    assert!(envoy.borrow().is_some());
    assert!(fleet.attend().is_empty(), "nothing is new");
    assert!(fleet.adopt(compiled("1")).is_empty(), "what is equal is not told again");
    let l4 = publisher.watch(&web(), Family::L4);
    assert_eq!(fleet.attend(), [told], "the other dialect is another matter");
    assert!(l4.borrow().is_some());
    let revision = |fleet: &Fleet| fleet.served()[&(web(), Family::Envoy)].revision;
    assert_eq!(revision(&fleet), 1);
    assert_eq!(fleet.adopt(compiled("0")).len(), 2);
    assert_eq!(revision(&fleet), 3);
}

#[test]
fn who_is_unknown_waits_and_is_told_when_his_dataplane_comes() {
    let (mut fleet, publisher) = fleet();
    let watcher = publisher.watch(&web(), Family::Envoy);
    assert_eq!(fleet.attend(), [News::Unknown { proxy: web() }]);
    assert!(fleet.attend().is_empty(), "it is said once");
    assert_eq!(fleet.adopt(compiled("1")).len(), 1);
    assert!(watcher.borrow().is_some());
}

#[test]
fn who_comes_back_is_not_told_what_was_true_when_he_left() {
    let (mut fleet, publisher) = fleet();
    let watcher = publisher.watch(&web(), Family::Envoy);
    fleet.adopt(compiled("1"));
    drop(watcher);
    fleet.adopt(compiled("0"));
    let watcher = publisher.watch(&web(), Family::Envoy);
    assert!(watcher.borrow().is_none());
    assert_eq!(fleet.attend().len(), 1);
}

#[test]
fn a_refusal_is_told_at_the_route_that_it_is_about() {
    let (mut fleet, publisher) = fleet();
    let _watcher = publisher.watch(&web(), Family::Envoy);
    fleet.adopt(compiled("1"));
    let reach_when = |refused: &[&str], accepted: bool| {
        let version = fleet.served()[&(web(), Family::Envoy)].resources.version();
        let rejection = |name: &&str| Rejection {
            type_url: TypeUrl::new(order::ENVOY_LISTENER),
            name: (*name).to_owned(),
            message: format!("no {name}"),
            at: Timestamp::UNIX_EPOCH,
        };
        let status = ProxyStatus {
            connection: Some(Connection {
                since: Timestamp::UNIX_EPOCH,
                protocol: "delta",
                dialect: Family::Envoy,
                peer: None,
                agent: String::new(),
            }),
            published: Some(version),
            accepted: accepted.then_some(version),
            rejections: refused.iter().map(rejection).collect(),
            ..ProxyStatus::default()
        };
        let statuses = BTreeMap::from([(web(), status)]);
        let report = report(&fleet, &statuses);
        let at = report.routes[0].proxies.iter().find(|at| at.proxy == web()).unwrap().clone();
        (at.reach, at.refusals)
    };
    assert_eq!(reach_when(&[], true), (Reach::Live, vec![]));
    assert_eq!(reach_when(&[], false), (Reach::Pending, vec![]));
    let mine = "outbound:127.0.0.1:1000";
    assert_eq!(reach_when(&[mine], false), (Reach::Refused, vec![format!("no {mine}")]));
    assert_eq!(reach_when(&["split:outbound:127.0.0.1:1000"], false).0, Reach::Refused);
    assert_eq!(reach_when(&["ledger"], false).0, Reach::Refused, "the cluster of a backend");
    assert_eq!(reach_when(&["outbound:127.0.0.1:1001"], false), (Reach::Live, vec![]));
}
