//! TCP and TLS listeners of a builtin gateway (spec 04 §12.2).

use std::collections::BTreeMap;
use std::time::Duration;

use model::declared::Declared;
use model::policy::TcpRouteConf;
use model::topology::{GatewayListener as Written, GatewayProtocol, MeshGateway, Protocol, TlsMode};
use model::{BackendRef, Resource, Tags};

use super::ProxyRules;
use super::matched::{self, Common};
use super::mirror;
use super::settings::{self, ListenerRules};
use super::split::{SplitContext, Splitter, on_unavailable};
use crate::plan::{
    Backend, BackendFate, Bind, ConnectionSettings, Considered, Direction, Listener, ListenerTls, Match,
    NO_GATEWAY_ROUTE, Naming, Outcome, Owner, PolicyOrigin, Route, RulePlace, Sourced, SplitSettings,
    TlsTermination,
};
use crate::rules::{ListenerKey, Merged, Rules};
use crate::view::View;

/// Time after which an idle connection of a builtin gateway is closed, where no MeshTimeout says otherwise
/// (recorded of 2.14.3): clients outside of the mesh come and go.
const IDLE: Duration = Duration::from_secs(300);

/// Returns the listeners of the proxy, by port; none if no route speaks about any of them.
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
        let served = written.iter().map(|listener| (*listener, self.served(&name, listener, splitter)));
        let routes: Vec<(Match, Route)> = if tls {
            let of_host = |(listener, served): (&Written, BTreeMap<Match, Served>)| {
                let (host, session) = (hostname(listener), session(listener));
                let within = served.into_iter().filter_map(move |(claimed, served)| {
                    let route = Route { session: session.clone(), ..served.route() };
                    Some((claimed.within(&host)?, route))
                });
                within.collect::<Vec<_>>()
            };
            served.flat_map(of_host).collect()
        } else {
            let mut all: BTreeMap<Match, Served> = BTreeMap::new();
            for (claimed, served) in served.flat_map(|(_, served)| served) {
                let before = all.remove(&claimed).unwrap_or_default();
                all.insert(claimed, before.and(served));
            }
            all.into_iter().map(|(claimed, served)| (claimed, served.by_cluster().route())).collect()
        };
        Listener {
            bind: Bind::opened(self.view.dataplane().address.as_str(), port),
            direction: Direction::Gateway,
            service: self.own.service().unwrap_or_default().to_owned(),
            protocol,
            accepts: if tls { ListenerTls::ServerName } else { ListenerTls::Plaintext },
            settings: self.connections(port, written, &name, splitter),
            routes: matched::in_order(routes),
            naming: Naming::default(),
            name,
        }
    }

    /// Returns the routes under one hostname, for all connections and for some: the backends of every rule about
    /// the listener, not only of the one for all destinations (spec 06 no. 71).
    fn served(
        &self,
        name: &str,
        listener: &Written,
        splitter: &mut Splitter<'_, '_>,
    ) -> BTreeMap<Match, Served> {
        let tags = self.own.merged(&self.gateway.tags).merged(&listener.tags);
        let rules =
            self.rules.tcp_route.listeners.get(&self.key(listener)).map(Vec::as_slice).unwrap_or_default();
        let mut all = BTreeMap::from([(Match::EVERYTHING, Served::default())]);
        let routes = &self.rules.tcp_route;
        for rule in rules {
            // clients of a gateway have no identity of the mesh
            let common = Common { listener: name, port: listener.port, identities: &[] };
            for matched in matched::of_rules(routes, &rule.merged, common, &mut splitter.warnings) {
                let served = self.serve(matched.backend_refs, matched.origin, &tags, splitter);
                let served =
                    Served { rule: Some(matched.place), policies: vec![matched.origin.clone()], ..served };
                all.entry(matched.claimed.clone()).or_insert(served);
            }
            let from = routes.backend_ref_origin(&rule.merged, "").or(rule.merged.last_origin());
            let Some(from) = from.filter(|_| matched::is_for_all(&rule.merged)) else { continue };
            let said = rule.merged.said::<TcpRouteConf>();
            let backends = said.map(TcpRouteConf::backends).unwrap_or_default();
            let served = self.serve(backends, from, &tags, splitter);
            let place = said.and_then(|said| said.rule).unwrap_or_default() as usize;
            let next = Served {
                rule: Some(RulePlace::for_all(place)),
                policies: rule.merged.origins.clone(),
                ..served
            };
            let before = all.remove(&Match::EVERYTHING).unwrap_or_default();
            all.insert(Match::EVERYTHING, before.and(next));
        }
        all
    }

    /// Returns the split of a rule, and the settings that its policy declares about it.
    fn serve(
        &self,
        backends: &[BackendRef],
        from: &PolicyOrigin,
        tags: &Tags,
        splitter: &mut Splitter<'_, '_>,
    ) -> Served {
        let unavailable = on_unavailable(self.view, Some(&from.policy));
        let context = SplitContext {
            on_unavailable: unavailable.as_ref(),
            checks_protocols: false,
            gateway: Some(tags),
        };
        let sides = splitter.sides(backends, from);
        let split = splitter.split(sides, context);
        splitter.declare(&split, Some(&from.policy));
        let settings = settings::of_split(self.view, Some(&from.policy));
        Served { split, settings, ..Served::default() }
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
            mirror,
        } = self.rules;
        let [timeout, retry, access_log, mirror] =
            [timeout, retry, access_log, mirror].map(|rules| about(rules));
        let said = ListenerRules {
            timeout: timeout.as_ref(),
            retry: retry.as_ref(),
            access_log: access_log.as_ref(),
        };
        let tags = self.own.merged(&self.gateway.tags);
        let mut settings = settings::of_listener(self.view.reader(), said, name, &mut splitter.warnings);
        settings
            .idle_timeout
            .get_or_insert_with(|| Sourced { value: IDLE, origin: PolicyOrigin::of(self.resource) });
        settings.mirror = mirror::of_listener(splitter, mirror.as_ref(), Some(&tags));
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

/// Hostname of a listener; `*`: it has none.
fn hostname(listener: &Written) -> String {
    if listener.hostname.is_empty() { "*".to_owned() } else { listener.hostname.clone() }
}

/// Returns the party that ends the TLS of connections to a listener of the MeshGateway; absent: TLS is not looked
/// at.
fn session(listener: &Written) -> Option<TlsTermination> {
    if listener.protocol != GatewayProtocol::Tls {
        return None;
    }
    Some(match &listener.tls {
        _ if listener.cross_mesh => TlsTermination::CrossMesh,
        None => TlsTermination::Unsaid,
        Some(tls) => match tls.mode {
            TlsMode::Passthrough => TlsTermination::Passthrough,
            TlsMode::Terminate => TlsTermination::Terminated {
                certificates: tls.certificates.iter().map(|source| source.sort().to_owned()).collect(),
            },
        },
    })
}

/// Split and settings of several rules together.
#[derive(Default)]
struct Served {
    split: Vec<Backend>,
    settings: SplitSettings,
    /// Place of the first of them.
    rule: Option<RulePlace>,
    /// Policies of the rules, each once.
    policies: Vec<PolicyOrigin>,
}

impl Served {
    /// Combines both; of their settings, the value that was set first stays.
    fn and(mut self, next: Served) -> Self {
        let Served { split, settings, rule, policies } = next;
        let SplitSettings { sticky, existing, retry_other_side, drain_grace } = settings;
        self.split.extend(split);
        self.settings = SplitSettings {
            sticky: self.settings.sticky.or(sticky),
            existing: self.settings.existing.or(existing),
            retry_other_side: self.settings.retry_other_side.or(retry_other_side),
            drain_grace: self.settings.drain_grace.or(drain_grace),
        };
        self.rule = self.rule.or(rule);
        for policy in policies {
            if !self.policies.contains(&policy) {
                self.policies.push(policy);
            }
        }
        self
    }

    /// Sorts by cluster: all hostnames of a TCP port are one, since TCP has no hostname.
    fn by_cluster(mut self) -> Self {
        self.split.sort_by(|a, b| cluster_name(a).cmp(cluster_name(b)));
        self
    }

    fn route(self) -> Route {
        let Self { split, settings, rule, policies } = self;
        let applied =
            |origin: &PolicyOrigin| Considered { origin: origin.clone(), outcome: Outcome::Applied };
        Route {
            considered: policies.iter().rev().map(applied).collect(),
            refusal: policies.is_empty().then(|| NO_GATEWAY_ROUTE.to_owned()),
            rule,
            session: None,
            owner: if policies.is_empty() { Owner::Nobody } else { Owner::TcpRoute(policies) },
            split,
            settings,
        }
    }
}

fn cluster_name(backend: &Backend) -> &str {
    match &backend.fate {
        BackendFate::Routed { cluster, subset: _ } => cluster,
        // Where the reference sends backendRefs that do not resolve.
        BackendFate::Refused(_) => "kuma.io/unresolved-backend",
        BackendFate::Spilled(_) => "",
    }
}
