//! The TCP and TLS listeners of a builtin gateway (spec 04 §12.2).

use std::cmp::Reverse;
use std::collections::BTreeMap;

use model::declared::Declared;
use model::policy::backend_refs;
use model::topology::{GatewayListener as Written, GatewayProtocol, MeshGateway};
use model::{Resource, Tags};

use super::ProxyRules;
use super::legacy::origin;
use super::settings::{self, Said};
use super::split::{For, Splitter, on_unavailable};
use crate::plan::{
    Backend, ConnectionSettings, Fate, GatewayHost, GatewayListener, GatewayTls, PolicyOrigin, Sourced,
    SplitSettings,
};
use crate::rules::{ListenerKey, Merged, Rules};
use crate::view::View;

/// The listeners of the proxy, by port; none when no route speaks about any of them.
pub(super) fn listeners(
    view: &View<'_>,
    rules: &ProxyRules,
    splitter: &mut Splitter<'_, '_>,
) -> Vec<GatewayListener> {
    let Some(own) = view.dataplane().builtin_gateway() else { return Vec::new() };
    let Some((resource, gateway)) = view.gateway() else {
        splitter.warnings.push(if view.profile().has_builtin_gateways() {
            format!("no MeshGateway selects this gateway with tags {}: nothing is opened", own.tags)
        } else {
            format!("profile {} routes no TCP at builtin gateways: nothing is opened", view.profile())
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
        let name = resource.meta.display_name();
        splitter.warnings.push(format!("no MeshTCPRoute speaks about the TCP and TLS listeners of MeshGateway {name}: they are not opened"));
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
    fn listener(&self, port: u16, written: &[&Written], splitter: &mut Splitter<'_, '_>) -> GatewayListener {
        let tls = written.iter().any(|listener| listener.protocol == GatewayProtocol::Tls);
        let protocol = if tls { "TLS" } else { "TCP" };
        let name = format!("{}:{protocol}:{port}", self.resource.meta.display_name());
        let mut hosts: Vec<GatewayHost> =
            written.iter().map(|listener| self.host(listener, splitter)).collect();
        if tls {
            hosts.sort_by_key(|host| exactness(&host.hostname));
        } else {
            hosts = vec![together(hosts)];
        }
        GatewayListener {
            address: self.view.dataplane().address.clone(),
            port,
            tls,
            stat_name: self.own.service().unwrap_or_default().to_owned(),
            connections: self.connections(port, written, &name, splitter),
            hosts,
            name,
        }
    }

    /// What is served under one hostname: the backends of every rule about the listener, not only of the one for all
    /// destinations (spec 06 no. 71).
    fn host(&self, listener: &Written, splitter: &mut Splitter<'_, '_>) -> GatewayHost {
        let tags = self.own.merged(&self.gateway.tags).merged(&listener.tags);
        let rules =
            self.rules.tcp_route.listeners.get(&self.key(listener)).map(Vec::as_slice).unwrap_or_default();
        let (mut split, mut origins, mut routes) = (Vec::new(), Vec::new(), Vec::new());
        for rule in rules {
            let Some(from) =
                self.rules.tcp_route.backend_ref_origin(&rule.merged, "").or(rule.merged.last_origin())
            else {
                continue;
            };
            let context = For {
                on_unavailable: on_unavailable(self.view, Some(&from.policy)),
                checks_protocols: false,
                gateway: Some(&tags),
            };
            let sides = splitter.sides(&backend_refs(rule.merged.conf()), from);
            let of_rule = splitter.split(sides, context);
            splitter.declare(&of_rule, Some(&from.policy));
            split.extend(of_rule);
            routes.push(from.policy.clone());
            origins.extend(
                rule.merged.origins.iter().filter(|o| !origins.contains(*o)).cloned().collect::<Vec<_>>(),
            );
        }
        GatewayHost {
            hostname: hostname(listener),
            tls: (listener.protocol == GatewayProtocol::Tls).then(|| GatewayTls {
                mode: listener.tls.as_ref().map(|tls| tls.mode),
                certificates: listener
                    .tls
                    .iter()
                    .flat_map(|tls| &tls.certificates)
                    .map(|source| source.sort().to_owned())
                    .collect(),
                cross_mesh: listener.cross_mesh,
            }),
            routed: !rules.is_empty(),
            split_settings: first_said(routes.iter().map(|route| settings::of_split(self.view, Some(route)))),
            split,
            origins,
        }
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
        settings.max_connections = limit.map(|value| Sourced { value, origin: origin(self.resource) });
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

/// Of what several routes declare about one split, each value that was said first.
fn first_said(said: impl IntoIterator<Item = SplitSettings>) -> SplitSettings {
    said.into_iter().fold(SplitSettings::default(), |all, next| {
        let SplitSettings { sticky, existing, retry_other_side, drain_grace } = next;
        SplitSettings {
            sticky: all.sticky.or(sticky),
            existing: all.existing.or(existing),
            retry_other_side: all.retry_other_side.or(retry_other_side),
            drain_grace: all.drain_grace.or(drain_grace),
        }
    })
}

/// The hostname of a listener; `*` where it says none.
fn hostname(listener: &Written) -> String {
    if listener.hostname.is_empty() { "*".to_owned() } else { listener.hostname.clone() }
}

/// All hostnames of a TCP port are one: nobody says a hostname there. Sorted by cluster name.
fn together(hosts: Vec<GatewayHost>) -> GatewayHost {
    let mut all = GatewayHost {
        hostname: "*".to_owned(),
        tls: None,
        split: Vec::new(),
        split_settings: SplitSettings::default(),
        routed: false,
        origins: Vec::new(),
    };
    for GatewayHost { hostname: _, tls: _, split, split_settings, routed, origins } in hosts {
        all.split.extend(split);
        all.split_settings = first_said([all.split_settings, split_settings]);
        all.routed |= routed;
        let new: Vec<PolicyOrigin> =
            origins.into_iter().filter(|origin| !all.origins.contains(origin)).collect();
        all.origins.extend(new);
    }
    all.split.sort_by(|a, b| cluster_name(a).cmp(cluster_name(b)));
    all
}

fn cluster_name(backend: &Backend) -> &str {
    match &backend.fate {
        Fate::Routed { cluster } => cluster,
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
