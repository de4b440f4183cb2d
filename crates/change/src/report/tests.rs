use std::sync::Arc;

use dialect::envoy::EnvoyOptions;
use jiff::Timestamp;
use plan::Context;
use xds::{Family, Version};

use super::*;
use crate::Content;
use crate::compile::{Compiler, PlanScope};
use crate::status::{Connection, ProxyStatus, StreamKind};

const MESH: &str = "
type: Mesh
name: default
---
type: Dataplane
mesh: default
name: web-1
networking:
  address: 127.0.0.1
  inbound: [{port: 1000, tags: {kuma.io/service: web}}]
  outbound: [{port: 2000, tags: {kuma.io/service: ledger}}]
---
type: Dataplane
mesh: default
name: web-2
networking:
  address: 127.0.0.2
  inbound: [{port: 1000, tags: {kuma.io/service: web}}]
---
type: MeshTCPRoute
mesh: default
name: everybody
spec:
  targetRef: {kind: Mesh}
  to: [{targetRef: {kind: MeshService, name: ledger}, rules: [{default: {backendRefs: [{kind: MeshService, name: web}]}}]}]
---
type: MeshTCPRoute
mesh: default
name: nobody
spec:
  targetRef: {kind: MeshService, name: nobody}
  to: [{targetRef: {kind: MeshService, name: ledger}, rules: [{default: {backendRefs: [{kind: MeshService, name: web}]}}]}]
";

fn compiled() -> Compiled {
    let compiler = Compiler {
        context: Context::default(),
        scope: PlanScope::everything(),
        envoy: EnvoyOptions::default(),
    };
    let content = Content::read("mesh.yaml", MESH.as_bytes(), &crate::Options::default());
    let mut ledger = crate::Ledger::default();
    content.entries.into_iter().for_each(|entry| ledger.put(entry));
    compiler.compile(&ledger)
}

/// A proxy that runs its configuration since a second.
fn account(since: i64) -> Arc<AttachedProxy> {
    let connection = Connection {
        since: Timestamp::from_second(since).unwrap(),
        protocol: StreamKind::Delta,
        dialect: Family::L4,
        peer: None,
        agent: "meshtcp".into(),
        kuma_dp: None,
        metadata: None,
    };
    let version = Some(Version::of_all([]));
    let status = ProxyStatus {
        connection: Some(connection),
        published: version,
        accepted: version,
        ..ProxyStatus::default()
    };
    Arc::new(AttachedProxy {
        status,
        revision: Some(Revision::new(1)),
        is_current: true,
        ..AttachedProxy::default()
    })
}

fn at(name: &str, revision: u64, proxies: &[(&str, i64)]) -> Replica {
    let account = |(name, since): &(&str, i64)| (ProxyId::dataplane("default", *name), account(*since));
    Replica {
        revision: Revision::new(revision),
        proxies: proxies.iter().map(account).collect(),
        ..Replica::new(name.into())
    }
}

fn asked(question: &Question, own: Replica, others: &[Replica]) -> FleetReport {
    report(question, &ReportInput { own, others, others_unknown: None, rollout: None, compiled: &compiled() })
}

#[test]
fn what_does_nothing_is_counted_and_not_listed() {
    let report = asked(&Question::EVERYTHING, at("cp-1", 1, &[("web-1", 1)]), &[]);
    let [everybody, nobody] = report.routes.as_slice() else { panic!("{:?}", report.routes) };
    let counts = |route: &RouteReport| RouteState::ALL.map(|reach| route.reached().count(reach));
    assert_eq!(counts(everybody), [1, 0, 0, 0, 1], "web-2 dials nothing");
    assert_eq!(
        everybody.proxies.iter().map(|at| at.proxy.to_string()).collect::<Vec<_>>(),
        ["default/web-1"]
    );
    assert_eq!((nobody.reached().total(), nobody.proxies.len()), (0, 0));
    assert_eq!(report.totals.routes, RouteTotals { total: 2, selecting_nobody: 1, refused: 0 });
    assert_eq!(
        report.totals.proxies,
        ProxyTotals { total: 2, in_sync: 1, detached: 1, ..ProxyTotals::default() }
    );
}

#[test]
fn a_page_has_what_was_asked_for_and_totals_of_all_pages() {
    let of = |question: Question| {
        let report = asked(&question, at("cp-1", 1, &[]), &[]);
        let names = report.proxies.iter().map(|it| it.proxy.name().to_string());
        let routes = report.routes.iter().map(|it| it.policy.clone());
        (names.collect::<Vec<_>>(), routes.collect::<Vec<_>>(), report.totals)
    };
    let all = Question::EVERYTHING;
    let (proxies, routes, totals) = of(Question { offset: 1, size: 1, ..all.clone() });
    assert_eq!((proxies, routes), (vec!["web-2".into()], vec!["MeshTCPRoute default/nobody".to_owned()]));
    assert_eq!((totals.proxies.total, totals.routes.total), (2, 2));
    let (proxies, routes, totals) = of(Question { subject: Some(Subject::Proxies), size: 0, ..all.clone() });
    assert_eq!((proxies.len(), routes.len(), totals.proxies.total, totals.routes.total), (0, 0, 2, 0));
    let (proxies, routes, _) = of(Question { name: Some("1".into()), ..all.clone() });
    assert_eq!((proxies.len(), routes.len()), (1, 0));
    let (proxies, routes, _) = of(Question { mesh: Some("other".into()), ..all });
    assert_eq!((proxies.len(), routes.len()), (0, 0));
}

#[test]
fn a_proxy_is_attached_wherever_it_is_attached() {
    let other = at("cp-2", 1, &[("web-1", 5)]);
    let report = asked(&Question::EVERYTHING, at("cp-1", 1, &[]), std::slice::from_ref(&other));
    let web = &report.proxies[0];
    assert_eq!((web.state(), web.control_plane.as_deref()), (ProxyState::InSync, Some("cp-2")));
    assert_eq!(report.control_planes.iter().map(|it| it.attached).collect::<Vec<_>>(), [0, 1]);
    // it has moved here since
    let report = asked(&Question::EVERYTHING, at("cp-1", 1, &[("web-1", 9)]), &[other]);
    assert_eq!(report.proxies[0].control_plane, None);
}

#[test]
fn what_is_attached_to_a_control_plane_that_is_behind_does_not_run_what_it_should() {
    let other = at("cp-2", 1, &[("web-1", 5)]);
    let report = asked(&Question::EVERYTHING, at("cp-1", 2, &[]), &[other]);
    let web = &report.proxies[0];
    assert_eq!((web.state(), web.runs), (ProxyState::Pending, Some(Revision::new(1))));
    assert_eq!(report.routes[0].reached().count(RouteState::Pending), 1);
}
