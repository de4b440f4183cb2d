//! Tests of the fleet: published configurations, and the reports on their answers.

use std::collections::BTreeMap;

use change::compile::{Compiler, PlanScope};
use change::replica::Replica;
use change::report::RouteState;
use change::report::{FleetReport, Question, ReportInput, report};
use change::rollout::{Lagging, RefusedBy, Rollout};
use change::status::{Connection, ProxyStatus, Rejection, StreamKind};
use change::{Content, Options};
use dialect::envoy::EnvoyOptions;
use jiff::Timestamp;
use plan::Context;
use xds::{TypeUrl, order};

use super::*;
use crate::discovery::Statuses;

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

fn compiler() -> Compiler {
    Compiler { context: Context::default(), scope: PlanScope::everything(), envoy: EnvoyOptions::default() }
}

fn compiled(weight: &str) -> Arc<Compiled> {
    let content = Content::read("mesh.yaml", MESH.replace("WEIGHT", weight).as_bytes(), &Options::default());
    assert!(content.is_good(), "{:?}", content.problems);
    Arc::new(compiler().compile(&content.entries.into_iter().collect()))
}

fn fleet() -> (Fleet, Arc<Publisher>) {
    let publisher = Arc::new(Publisher::default());
    (Fleet::new(Arc::clone(&publisher), compiler().nothing()), publisher)
}

fn adopt(fleet: &mut Fleet, compiled: Arc<Compiled>) -> Vec<PublishOutcome> {
    let revision = fleet.revision().next();
    fleet.adopt(compiled, Accepted { revision, at: Timestamp::UNIX_EPOCH, epoch: None })
}

/// State of the fleet, as readers see it.
fn at(fleet: &Fleet) -> Arc<Standing> {
    Arc::clone(&fleet.standing().borrow())
}

fn runs(fleet: &Fleet, statuses: &Statuses) -> Option<Revision> {
    at(fleet).replica("cp".into(), statuses.all(), vec![]).proxies.get(&web())?.runs(at(fleet).revision)
}

fn web() -> ProxyId {
    ProxyId::dataplane("default", "web-1")
}

#[test]
fn only_who_is_attached_is_told_and_only_what_changed_for_him() {
    let (mut fleet, publisher) = fleet();
    assert!(adopt(&mut fleet, compiled("1")).is_empty(), "nobody is there");
    let envoy = publisher.watch(&web(), Family::Envoy);
    let told = PublishOutcome::Published { proxy: web(), notes: Vec::new() };
    assert_eq!(fleet.attend(), std::slice::from_ref(&told));
    assert!(envoy.borrow().is_some());
    assert!(fleet.attend().is_empty(), "nothing is new");
    assert!(adopt(&mut fleet, compiled("1")).is_empty(), "what is equal is not told again");
    let l4 = publisher.watch(&web(), Family::L4);
    assert_eq!(fleet.attend(), [told], "the other dialect is another matter");
    assert!(l4.borrow().is_some());
    let revision = |fleet: &Fleet| at(fleet).served[&(web(), Family::Envoy)].revision;
    assert_eq!(revision(&fleet), Revision::new(1));
    assert_eq!(adopt(&mut fleet, compiled("0")).len(), 2);
    assert_eq!(revision(&fleet), Revision::new(3));
}

#[test]
fn who_is_unknown_waits_and_is_told_when_his_dataplane_comes() {
    let (mut fleet, publisher) = fleet();
    let watcher = publisher.watch(&web(), Family::Envoy);
    assert_eq!(fleet.attend(), [PublishOutcome::Unknown { proxy: web() }]);
    assert!(fleet.attend().is_empty(), "it is said once");
    assert_eq!(adopt(&mut fleet, compiled("1")).len(), 1);
    assert!(watcher.borrow().is_some());
}

#[test]
fn who_comes_back_is_not_told_what_was_true_when_he_left() {
    let (mut fleet, publisher) = fleet();
    let watcher = publisher.watch(&web(), Family::Envoy);
    adopt(&mut fleet, compiled("1"));
    drop(watcher);
    adopt(&mut fleet, compiled("0"));
    let watcher = publisher.watch(&web(), Family::Envoy);
    assert!(watcher.borrow().is_none());
    assert_eq!(fleet.attend().len(), 1);
}

#[test]
fn who_announces_something_waits_until_plans_are_made_by_it_and_is_known_by_it_when_it_has_left() {
    let (mut fleet, publisher) = fleet();
    adopt(&mut fleet, compiled("1"));
    let announced = plan::ProxyFeatures { strict_inbound_ports: true, ..Default::default() };
    let watcher = publisher.attach(&web(), Family::Envoy, announced.clone());
    assert!(fleet.attend().is_empty() && adopt(&mut fleet, compiled("0")).is_empty());
    assert!(watcher.borrow().is_none(), "it is told nothing that was not made for it");
    assert_eq!(publisher.take_announced(), Some(BTreeMap::from([(web(), announced.clone())])));
    assert_eq!(fleet.attend().len(), 1);
    assert!(watcher.borrow().is_some());
    drop(watcher);
    let watcher = publisher.attach(&web(), Family::Envoy, announced);
    assert_eq!(publisher.take_announced(), None, "the same as before is nothing new");
    drop(watcher);
    // back with a watch only, which is a different request
    let _watcher = publisher.watch(&web(), Family::Envoy);
    let now = publisher.take_announced().unwrap();
    assert_eq!(now[&web()], plan::ProxyFeatures::default());
}

#[test]
fn a_refusal_is_told_at_the_route_that_it_is_about() {
    let (mut fleet, publisher) = fleet();
    let _watcher = publisher.watch(&web(), Family::Envoy);
    adopt(&mut fleet, compiled("1"));
    let reach_when = |refused: &[&str], accepted: bool| {
        let version = at(&fleet).served[&(web(), Family::Envoy)].resources.version();
        let rejection = |name: &&str| Rejection {
            type_url: TypeUrl::new(order::ENVOY_LISTENER),
            name: (*name).to_owned(),
            message: format!("no {name}"),
            at: Timestamp::UNIX_EPOCH,
        };
        let status = ProxyStatus {
            connection: Some(Connection {
                since: Timestamp::UNIX_EPOCH,
                protocol: StreamKind::Delta,
                dialect: Family::Envoy,
                peer: None,
                agent: String::new(),
                kuma_dp: None,
                metadata: None,
            }),
            published: Some(version),
            accepted: accepted.then_some(version),
            rejections: refused.iter().map(rejection).collect(),
            ..ProxyStatus::default()
        };
        let statuses = BTreeMap::from([(web(), status)]);
        let report = report_of(&fleet, statuses);
        let at = report.routes[0].proxies.iter().find(|at| at.proxy == web()).unwrap().clone();
        (at.reach, at.refusals)
    };
    assert_eq!(reach_when(&[], true), (RouteState::Live, vec![]));
    assert_eq!(reach_when(&[], false), (RouteState::Pending, vec![]));
    let mine = "outbound:127.0.0.1:1000";
    assert_eq!(reach_when(&[mine], false), (RouteState::Refused, vec![format!("no {mine}")]));
    assert_eq!(reach_when(&["split:outbound:127.0.0.1:1000"], false).0, RouteState::Refused);
    assert_eq!(reach_when(&["ledger"], false).0, RouteState::Refused, "the cluster of a backend");
    assert_eq!(reach_when(&["outbound:127.0.0.1:1001"], false), (RouteState::Live, vec![]));
}

/// Report on the whole fleet.
fn report_of(fleet: &Fleet, statuses: BTreeMap<ProxyId, ProxyStatus>) -> FleetReport {
    let standing = at(fleet);
    let own: Replica = standing.replica("cp".into(), statuses, vec![]);
    let facts =
        ReportInput { own, others: &[], others_unknown: None, rollout: None, compiled: &standing.compiled };
    report(&Question::EVERYTHING, &facts)
}

/// Records an open stream in the statuses.
fn attached(statuses: &Statuses) {
    let connection = Connection {
        since: Timestamp::UNIX_EPOCH,
        protocol: StreamKind::Delta,
        dialect: Family::Envoy,
        peer: None,
        agent: String::new(),
        kuma_dp: None,
        metadata: None,
    };
    statuses.opened(&web(), connection);
}

#[test]
fn a_rollout_ends_when_the_proxy_says_that_it_runs_what_it_was_told() {
    let (mut fleet, publisher) = fleet();
    let statuses = Statuses::default();
    let _watcher = publisher.watch(&web(), Family::Envoy);
    attached(&statuses);
    assert_eq!(at(&fleet).rollout(Revision::new(1)), None, "nothing is adopted");
    adopt(&mut fleet, compiled("1"));
    let told = |fleet: &Fleet| at(fleet).served[&(web(), Family::Envoy)].resources.version();
    let first = told(&fleet);
    statuses.published(&web(), first, false);
    fleet.observe(&statuses);
    let rollout = at(&fleet).rollout(Revision::new(1)).unwrap();
    assert_eq!((rollout.concerned, rollout.live), (1, 0));
    assert_eq!(rollout.lagging, [Lagging { proxy: web(), attached: true }]);
    assert_eq!((rollout.live_after.half, runs(&fleet, &statuses)), (None, None));

    statuses.accepted(&web(), first);
    fleet.observe(&statuses);
    let rollout = at(&fleet).rollout(Revision::new(1)).unwrap();
    assert!(rollout.is_done() && rollout.live == 1 && rollout.live_after.all.is_some());
    assert_eq!(runs(&fleet, &statuses), Some(Revision::new(1)));

    adopt(&mut fleet, compiled("1"));
    let rollout = at(&fleet).rollout(Revision::new(2)).unwrap();
    assert_eq!((rollout.concerned, rollout.is_done()), (0, true), "nothing changed for anybody");
    assert_eq!(runs(&fleet, &statuses), Some(Revision::new(2)));

    // the next one is skipped for a newer one
    adopt(&mut fleet, compiled("2"));
    adopt(&mut fleet, compiled("0"));
    assert_eq!(runs(&fleet, &statuses), Some(Revision::new(2)));
    let last = told(&fleet);
    statuses.published(&web(), last, false);
    statuses.closed(&web(), true);
    fleet.observe(&statuses);
    assert_eq!(
        at(&fleet).rollout(Revision::new(3)).unwrap().lagging,
        [Lagging { proxy: web(), attached: false }]
    );
    attached(&statuses);
    statuses.accepted(&web(), last);
    fleet.observe(&statuses);
    assert!(at(&fleet).rollouts.all().all(|progress| Rollout::from(progress).is_done()));
    assert_eq!(
        (runs(&fleet, &statuses), at(&fleet).rollout(Revision::new(5))),
        (Some(Revision::new(4)), None)
    );
}

#[test]
fn going_back_counts_only_when_the_proxy_has_gone_back() {
    let (mut fleet, publisher) = fleet();
    let statuses = Statuses::default();
    let _watcher = publisher.watch(&web(), Family::Envoy);
    attached(&statuses);
    adopt(&mut fleet, compiled("1"));
    let one = at(&fleet).served[&(web(), Family::Envoy)].resources.version();
    statuses.published(&web(), one, true);
    fleet.observe(&statuses);
    adopt(&mut fleet, compiled("2"));
    statuses.published(&web(), at(&fleet).served[&(web(), Family::Envoy)].resources.version(), false);
    fleet.observe(&statuses);
    adopt(&mut fleet, compiled("1"));
    // the stream has the other one in flight
    statuses.published(&web(), one, false);
    fleet.observe(&statuses);
    assert_eq!(at(&fleet).rollout(Revision::new(3)).unwrap().live, 0);
    statuses.accepted(&web(), one);
    fleet.observe(&statuses);
    assert!(at(&fleet).rollout(Revision::new(3)).unwrap().is_done());
}

/// Returns a resource of the proxy that the change touches.
fn touched(before: &Compiled, after: &Compiled) -> (TypeUrl, String) {
    let resources = |compiled: &Compiled| {
        Arc::clone(&compiled.proxies[&web()].told.said(Family::Envoy).as_ref().unwrap().resources)
    };
    let (before, after) = (resources(before), resources(after));
    let (type_url, name) = after.differing(&before).next().unwrap();
    (type_url.clone(), name.to_owned())
}

fn refusal(type_url: &TypeUrl, name: &str) -> xds::Event {
    let (type_url, names) = (type_url.clone(), vec![name.to_owned()]);
    xds::Event::Rejected { type_url, names, message: "no room".to_owned() }
}

#[test]
fn a_refusal_is_over_when_the_proxy_runs_everything_or_is_gone() {
    let (mut fleet, publisher) = fleet();
    let statuses = Statuses::default();
    let _watcher = publisher.watch(&web(), Family::Envoy);
    attached(&statuses);
    adopt(&mut fleet, compiled("1"));
    let version = at(&fleet).served[&(web(), Family::Envoy)].resources.version();
    let listener = TypeUrl::new(order::ENVOY_LISTENER);
    let refuse = || {
        statuses.published(&web(), version, false);
        statuses.answered(&web(), refusal(&listener, "out"), &[(listener.clone(), "out".to_owned())]);
    };
    let refusals = || {
        let report = report_of(&fleet, statuses.all());
        report.proxies.iter().find(|it| it.proxy == web()).unwrap().refusals.len()
    };
    refuse();
    assert_eq!(refusals(), 1);
    // another stream of the same name comes back with all of it
    attached(&statuses);
    statuses.published(&web(), version, true);
    assert_eq!((refusals(), statuses.get(&web()).unwrap().rejections.len()), (0, 0));
    attached(&statuses);
    statuses.published(
        &web(),
        at(&fleet).compiled.proxies[&web()].told.said(Family::L4).as_ref().unwrap().resources.version(),
        false,
    );
    statuses.answered(&web(), refusal(&listener, "out"), &[(listener.clone(), "out".to_owned())]);
    assert_eq!(refusals(), 1);
    statuses.closed(&web(), true);
    assert_eq!(refusals(), 0, "nobody is there who refuses");
}

#[test]
fn a_change_is_not_blamed_for_what_was_refused_before_it() {
    let (mut fleet, publisher) = fleet();
    let statuses = Statuses::default();
    let _watcher = publisher.watch(&web(), Family::Envoy);
    attached(&statuses);
    adopt(&mut fleet, compiled("1"));
    let told = |fleet: &Fleet| at(fleet).served[&(web(), Family::Envoy)].resources.version();
    let (listener, elsewhere) = (TypeUrl::new(order::ENVOY_LISTENER), "another one".to_owned());
    let refused = [(listener.clone(), elsewhere.clone())];
    statuses.published(&web(), told(&fleet), false);
    statuses.answered(&web(), refusal(&listener, &elsewhere), &refused);
    statuses.settled(&web(), told(&fleet));
    fleet.observe(&statuses);

    adopt(&mut fleet, compiled("2"));
    statuses.published(&web(), told(&fleet), false);
    statuses.retained(&web(), &refused);
    fleet.observe(&statuses);
    let rollout = at(&fleet).rollout(Revision::new(2)).unwrap();
    assert_eq!((rollout.live, rollout.lagging.len(), rollout.refused.len()), (0, 1, 0), "it is on its way");
    statuses.settled(&web(), told(&fleet));
    fleet.observe(&statuses);
    let rollout = at(&fleet).rollout(Revision::new(2)).unwrap();
    assert!(rollout.is_done() && rollout.live == 1, "{rollout:?}");
    assert!(!statuses.get(&web()).unwrap().is_in_sync());
}

#[test]
fn who_refuses_is_named_with_the_reason_and_keeps_the_revision_before() {
    let (mut fleet, publisher) = fleet();
    let statuses = Statuses::default();
    let _watcher = publisher.watch(&web(), Family::Envoy);
    attached(&statuses);
    adopt(&mut fleet, compiled("1"));
    statuses.published(&web(), at(&fleet).served[&(web(), Family::Envoy)].resources.version(), true);
    fleet.observe(&statuses);
    adopt(&mut fleet, compiled("2"));
    statuses.published(&web(), at(&fleet).served[&(web(), Family::Envoy)].resources.version(), false);
    let (type_url, name) = touched(&compiled("1"), &compiled("2"));
    statuses.answered(&web(), refusal(&type_url, &name), &[(type_url, name.clone())]);
    let happened = fleet.observe(&statuses);
    assert!(
        matches!(happened.as_slice(), [ProxyEvent { what: ProxyEventKind::Refused(_), .. }]),
        "{happened:?}"
    );
    let rollout = at(&fleet).rollout(Revision::new(2)).unwrap();
    assert_eq!(rollout.refused, [RefusedBy { proxy: web(), reasons: vec![format!("{name}: no room")] }]);
    assert_eq!((rollout.lagging, runs(&fleet, &statuses)), (vec![], Some(Revision::new(1))));
    let tree = serde_json::to_value(at(&fleet).rollout(Revision::new(2)).unwrap()).unwrap();
    assert_eq!(tree["refused"][0]["proxy"], "default/web-1");
    assert_eq!(tree["liveAfter"], serde_json::json!({ "p50": null, "p99": null, "p100": null }));
}
