//! Inbounds, outbounds and gateway listeners as JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::permissions;
use crate::plan::{
    Backend, BackendFate, Bind, Cluster, Destination, Listener, ListenerTls, Match, Owner, Route,
    TlsTermination, shares,
};

pub(super) fn inbound(listener: &Listener, clusters: &BTreeMap<String, Arc<Cluster>>) -> Value {
    let Listener {
        name,
        bind: Bind { address, port, captured: _ },
        direction: _,
        service,
        protocol,
        accepts,
        settings,
        routes: _,
        naming: _,
    } = listener;
    let backends = listener.routes().flat_map(|route| &route.split);
    let mut applications = backends.filter_map(Backend::cluster).filter_map(|name| clusters.get(name));
    let application = applications.next().and_then(|application| application.endpoints.first());
    let mut tree = json!({
        "name": name,
        "address": address,
        "port": port,
        "serviceAddress": application.map(|endpoint| endpoint.address.as_str()),
        "servicePort": application.map(|endpoint| endpoint.port),
        "service": service,
        "protocol": protocol.as_str(),
        "acceptProxyProtocol": settings.accept_proxy_protocol,
    });
    if let ListenerTls::Mtls(terminated) = accepts {
        tree["tls"] = permissions::tls(terminated);
    }
    tree
}

pub(super) fn outbound(listener: &Listener, destination: &Destination) -> Value {
    let Listener {
        name,
        bind: Bind { address, port, captured },
        direction: _,
        service: _,
        protocol,
        accepts: _,
        settings,
        routes,
        naming: _,
    } = listener;
    let mut tree = json!({
        "name": name,
        "address": address,
        "port": port,
        "bind": !captured,
        "destination": match destination {
            Destination::Tags(tags) => json!({ "tags": tags }),
            Destination::Resource { id, name } => json!({ "kri": id.to_string(), "name": name }),
        },
        "protocol": protocol.as_str(),
    });
    if let Some(((_, for_the_rest), for_some)) = routes.split_last() {
        route(for_the_rest, &mut tree);
        let rule = |(claimed, of_claimed): &(Match, Route)| {
            let mut rule = json!({ "match": claimed });
            route(of_claimed, &mut rule);
            rule
        };
        if !for_some.is_empty() {
            tree["rules"] = for_some.iter().map(rule).collect();
        }
    }
    tree["settings"] = json!(settings);
    tree
}

fn route(route: &Route, tree: &mut Value) {
    let Route { owner, rule: _, session: _, split, settings: declared, refusal, considered } = route;
    tree["owner"] = self::owner(owner);
    tree["split"] = self::split(split);
    tree["refusal"] = json!(refusal);
    tree["declared"] = json!(declared);
    tree["considered"] = json!(considered);
}

pub(super) fn gateway(listener: &Listener) -> Value {
    let Listener {
        name,
        bind: Bind { address, port, captured: _ },
        direction: _,
        service: _,
        protocol: _,
        accepts,
        settings,
        routes,
        naming: _,
    } = listener;
    json!({
        "name": name,
        "address": address,
        "port": port,
        "tls": *accepts == ListenerTls::ServerName,
        "hosts": routes.iter().map(host).collect::<Vec<_>>(),
        "settings": settings,
    })
}

fn host((claimed, route): &(Match, Route)) -> Value {
    let Route { owner, rule: _, session, split, settings, refusal: _, considered: _ } = route;
    let tls = session.as_ref().map(self::session);
    let mut tree = json!({
        "hostname": claimed.hostname(),
        "tls": tls,
        "split": self::split(split),
        "declared": settings,
        "policies": owner.policies(),
    });
    let beside_the_host = Match { server_name: None, ..claimed.clone() };
    if !beside_the_host.is_everything() {
        tree["match"] = json!(claimed);
    }
    tree
}

fn session(session: &TlsTermination) -> Value {
    let (mode, certificates): (_, &[String]) = match session {
        TlsTermination::Passthrough => (Some("PASSTHROUGH"), &[]),
        TlsTermination::Terminated { certificates } => (Some("TERMINATE"), certificates),
        TlsTermination::Mtls(_) => (Some("MTLS"), &[]),
        TlsTermination::CrossMesh | TlsTermination::Unsaid => (None, &[]),
    };
    let cross_mesh = *session == TlsTermination::CrossMesh;
    let mut tree = json!({ "mode": mode, "certificates": certificates, "crossMesh": cross_mesh });
    if let TlsTermination::Mtls(terminated) = session {
        tree["mtls"] = json!(super::mtls(&terminated.mtls));
        tree["peers"] = permissions::tls(terminated);
    }
    tree
}

fn owner(owner: &Owner) -> Value {
    let kind = match owner {
        Owner::TcpRoute(_) => "MeshTCPRoute",
        Owner::HttpRoute(_) => "MeshHTTPRoute",
        Owner::TrafficRoute(_) | Owner::ImpliedTrafficRoute | Owner::NoTrafficRoute => "TrafficRoute",
        Owner::Default | Owner::HttpDefault | Owner::Nobody => "default",
    };
    json!({ "kind": kind, "policies": owner.policies() })
}

fn split(split: &[Backend]) -> Value {
    let backend = |(backend, share): (&Backend, f64)| {
        let Backend { reference, weight, fate, origin: policy, weighed_by, when_unavailable: _ } = backend;
        let (word, cluster, why) = match fate {
            BackendFate::Routed { cluster, subset: _ } => ("routed", Some(cluster), None),
            BackendFate::Spilled(why) => ("spilled", None, Some(why.to_string())),
            BackendFate::Refused(why) => ("refused", None, Some(why.to_string())),
        };
        let mut tree = json!({
            "reference": reference,
            "weight": weight,
            "percent": (share * 10_000.0).round() / 100.0,
            "fate": word,
            "cluster": cluster,
            "why": why,
            "spillsWhenDown": backend.spills_when_down(),
            "policy": policy,
        });
        if let Some(rollout) = weighed_by {
            tree["rollout"] = json!(rollout);
        }
        tree
    };
    split.iter().zip(shares(split)).map(backend).collect()
}
