//! The TCP and TLS listeners of a builtin gateway (spec 04 §12.2).

use std::cmp::Reverse;
use std::collections::BTreeMap;

use model::declared::Declared;
use model::policy::TcpRouteConf;
use model::topology::{GatewayListener as Written, GatewayProtocol, MeshGateway, Protocol, TlsMode};
use model::{Resource, Tags};

use super::ProxyRules;
use super::settings::{self, Said};
use super::split::{For, Splitter, on_unavailable};
use crate::plan::{
    Accepts, Backend, Bind, ConnectionSettings, Considered, Direction, Fate, Listener, Match,
    NO_GATEWAY_ROUTE, Naming, Outcome, Owner, PolicyOrigin, Route, Session, Sourced, SplitSettings,
};
use crate::rules::{ListenerKey, Merged, Rules};
use crate::view::View;

/// The listeners of the proxy, by port; none when no route speaks about any of them.
pub(super) fn listeners(
    view: &View<'_>,
    rules: &ProxyRules,
    splitter: &mut Splitter<'_, '_>,
) -> Vec<Listener> {
    let Some(own) = view.dataplane().builtin_gateway() else { return Vec::new() };
    let Some((resource, gateway)) = view.gateway() else {
        splitter.warnings.push(if view.profile().has_builtin_gateways() {
            format!("no MeshGateway selects this gateway with tags {}: nothing is opened", own.tags).into()
        } else {
            format!("profile {} routes no TCP at builtin gateways: nothing is opened", view.profile()).into()
        });
        return Vec::new();
    };
    let mut ports: BTreeMap<u16, Vec<&Written>> = BTreeMap::new();
    for listener in &gateway.listeners {
        if matches!(listener.protocol, GatewayProtocol::Tcp | GatewayProtocol::Tls) {
            ports.entry(listener.port).or_default().push(listener);
        }
    }
    if !ports.is_empty() && rules.tcp_route.listeners.values().all(Vec::is_empty) {
        let name = resource.meta().display_name();
        splitter.warnings.push(format!("no MeshTCPRoute speaks about the TCP and TLS listeners of MeshGateway {name}: they are not opened").into());
        return Vec::new();
    }
    let maker = Maker { view, rules, resource, gateway, own: &own.tags };
    ports.into_iter().map(|(port, written)| maker.listener(port, &written, splitter)).collect()
}

struct Maker<'m, 'a> {
    view: &'m View<'a>,
    rules: &'m ProxyRules,
    resource: &'m Resource,
    gateway: &'m MeshGateway,
    own: &'m Tags,
}

impl Maker<'_, '_> {
    fn listener(&self, port: u16, written: &[&Written], splitter: &mut Splitter<'_, '_>) -> Listener {
        let tls = written.iter().any(|listener| listener.protocol == GatewayProtocol::Tls);
        let (protocol, word) = if tls { (Protocol::Tls, "TLS") } else { (Protocol::Tcp, "TCP") };
        let name = format!("{}:{word}:{port}", self.resource.meta().display_name());
        let served = written.iter().map(|listener| (*listener, self.served(listener, splitter)));
        let routes = if tls {
            let mut hosts: Vec<(Match, Route)> =
                served.map(|(listener, served)| (claimed(listener), served.route())).collect();
            hosts.sort_by_key(|(claimed, _)| exactness(claimed.hostname()));
            hosts
        } else {
            let all = served.map(|(_, served)| served).fold(Served::default(), Served::and);
            vec![(Match::Everything, all.by_cluster().route())]
        };
        Listener {
            bind: Bind::opened(self.view.dataplane().address.as_str(), port),
            direction: Direction::Gateway,
            service: self.own.service().unwrap_or_default().to_owned(),
            protocol,
            accepts: if tls { Accepts::ServerName } else { Accepts::Plaintext },
            settings: self.connections(port, written, &name, splitter),
            routes,
            naming: Naming::default(),
            name,
        }
    }

    /// What is served under one hostname: the backends of every rule about the listener, not only of the one for all
    /// destinations (spec 06 no. 71).
    fn served(&self, listener: &Written, splitter: &mut Splitter<'_, '_>) -> Served {
        let tags = self.own.merged(&self.gateway.tags).merged(&listener.tags);
        let rules =
            self.rules.tcp_route.listeners.get(&self.key(listener)).map(Vec::as_slice).unwrap_or_default();
        let mut all = Served::default();
        for rule in rules {
            let Some(from) =
                self.rules.tcp_route.backend_ref_origin(&rule.merged, "").or(rule.merged.last_origin())
            else {
                continue;
            };
            let unavailable = on_unavailable(self.view, Some(&from.policy));
            let context =
                For { on_unavailable: unavailable.as_ref(), checks_protocols: false, gateway: Some(&tags) };
            let sides =
                splitter.sides(rule.merged.said().map(TcpRouteConf::backends).unwrap_or_default(), from);
            let split = splitter.split(sides, context);
            splitter.declare(&split, Some(&from.policy));
            let settings = settings::of_split(self.view, Some(&from.policy));
            all = all.and(Served { split, settings, policies: rule.merged.origins.clone() });
        }
        all
    }

    fn connections(
        &self,
        port: u16,
        written: &[&Written],
        name: &str,
        splitter: &mut Splitter<'_, '_>,
    ) -> ConnectionSettings {
        let key = written.first().map(|listener| self.key(listener));
        let about = |rules: &'_ Rules| -> Option<Merged> {
            let rules = rules.listeners.get(key.as_ref()?)?;
            rules.iter().find(|rule| rule.subset.is_everything()).map(|rule| rule.merged.clone())
        };
        let ProxyRules {
            tcp_route: _,
            http_route: _,
            timeout,
            retry,
            access_log,
            load_balancing: _,
            health_check: _,
            circuit_breaker: _,
        } = self.rules;
        let (timeout, retry, access_log) = (about(timeout), about(retry), about(access_log));
        let said = Said { timeout: timeout.as_ref(), retry: retry.as_ref(), access_log: access_log.as_ref() };
        let mut settings = settings::of_listener(self.view, said, name, &mut splitter.warnings);
        let limit =
            written.iter().filter(|listener| listener.port == port).filter_map(|l| l.connection_limit).min();
        settings.accept_proxy_protocol = settings::of_dataplane(self.view);
        let routes = &self.rules.tcp_route.listeners;
        let route = key.as_ref().and_then(|key| routes.get(key)?.first()?.merged.last_origin());
        settings.max_age = settings::by_route_or_mesh(
            self.view,
            route.map(|route| &route.policy),
            Declared::max_connection_age,
        );
        settings.max_connections =
            limit.map(|value| Sourced { value, origin: PolicyOrigin::of(self.resource) });
        settings
    }

    fn key(&self, listener: &Written) -> ListenerKey {
        ListenerKey {
            address: self.view.dataplane().address.clone(),
            port: listener.port,
            hostname: hostname(listener),
        }
    }
}

/// The hostname of a listener; `*` where it says none.
fn hostname(listener: &Written) -> String {
    if listener.hostname.is_empty() { "*".to_owned() } else { listener.hostname.clone() }
}

/// Which connections of a TLS port a listener of the MeshGateway claims.
fn claimed(listener: &Written) -> Match {
    if listener.protocol != GatewayProtocol::Tls {
        return Match::Everything;
    }
    let session = match &listener.tls {
        _ if listener.cross_mesh => Session::CrossMesh,
        None => Session::Unsaid,
        Some(tls) => match tls.mode {
            TlsMode::Passthrough => Session::Passthrough,
            TlsMode::Terminate => Session::Terminated {
                certificates: tls.certificates.iter().map(|source| source.sort().to_owned()).collect(),
            },
        },
    };
    Match::ServerName { pattern: hostname(listener), session }
}

/// What some rules say together.
#[derive(Default)]
struct Served {
    split: Vec<Backend>,
    settings: SplitSettings,
    /// Each once.
    policies: Vec<PolicyOrigin>,
}

impl Served {
    /// Both; of what they declare, each value that was said first.
    fn and(mut self, next: Served) -> Self {
        let Served { split, settings, policies } = next;
        let SplitSettings { sticky, existing, retry_other_side, drain_grace } = settings;
        self.split.extend(split);
        self.settings = SplitSettings {
            sticky: self.settings.sticky.or(sticky),
            existing: self.settings.existing.or(existing),
            retry_other_side: self.settings.retry_other_side.or(retry_other_side),
            drain_grace: self.settings.drain_grace.or(drain_grace),
        };
        for policy in policies {
            if !self.policies.contains(&policy) {
                self.policies.push(policy);
            }
        }
        self
    }

    /// Sorted by cluster: all hostnames of a TCP port are one, as nobody says a hostname there.
    fn by_cluster(mut self) -> Self {
        self.split.sort_by(|a, b| cluster_name(a).cmp(cluster_name(b)));
        self
    }

    fn route(self) -> Route {
        let Self { split, settings, policies } = self;
        let applied =
            |origin: &PolicyOrigin| Considered { origin: origin.clone(), outcome: Outcome::Applied };
        Route {
            considered: policies.iter().rev().map(applied).collect(),
            refusal: policies.is_empty().then(|| NO_GATEWAY_ROUTE.to_owned()),
            // TCP has one rule an item
            rule: (!policies.is_empty()).then_some(0),
            owner: if policies.is_empty() { Owner::Nobody } else { Owner::TcpRoute(policies) },
            split,
            settings,
        }
    }
}

fn cluster_name(backend: &Backend) -> &str {
    match &backend.fate {
        Fate::Routed { cluster, subset: _ } => cluster,
        // Where the reference sends what does not resolve.
        Fate::Refused(_) => "kuma.io/unresolved-backend",
        Fate::Spilled(_) => "",
    }
}

/// Sorts exact hostnames first, then the longest wildcards, then `*`.
fn exactness(hostname: &str) -> (bool, Reverse<usize>, String) {
    let labels = if hostname == "*" { 0 } else { hostname.split('.').count() };
    (hostname.starts_with('*'), Reverse(labels), hostname.to_owned())
}
