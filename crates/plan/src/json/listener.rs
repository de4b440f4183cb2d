//! Inbounds, outbounds and gateway listeners.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::policy::format_duration;
use serde::Serialize;
use serde_json::{Value, json};

use super::policy::{self, origin};
use crate::plan::{
    Accepts, AccessLog, Backend, Bind, Cluster, ConnectionSettings, Destination, Existing, Fate, Listener,
    LogBackend, LogFormat, Match, Owner, PolicyOrigin, Route, Session, Sourced, SplitSettings, Sticky,
    shares,
};

pub(super) fn inbound(listener: &Listener, clusters: &BTreeMap<String, Arc<Cluster>>) -> Value {
    let Listener {
        name,
        bind: Bind { address, port, captured: _ },
        direction: _,
        service,
        protocol,
        accepts: _,
        settings,
        routes: _,
        naming: _,
    } = listener;
    let backends = listener.routes().flat_map(|route| &route.split);
    let mut applications = backends.filter_map(Backend::cluster).filter_map(|name| clusters.get(name));
    let application = applications.next().and_then(|application| application.endpoints.first());
    json!({
        "name": name,
        "address": address,
        "port": port,
        "serviceAddress": application.map(|endpoint| endpoint.address.as_str()),
        "servicePort": application.map(|endpoint| endpoint.port),
        "service": service,
        "protocol": protocol.as_str(),
        "acceptProxyProtocol": settings.accept_proxy_protocol.as_ref().map(sourced),
    })
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
    for (_, Route { owner, rule: _, split, settings: declared, refusal, considered }) in routes {
        tree["owner"] = self::owner(owner);
        tree["split"] = self::split(split);
        tree["refusal"] = json!(refusal);
        tree["settings"] = self::settings(settings);
        tree["declared"] = self::declared(declared);
        tree["considered"] = considered.iter().map(policy::considered).collect();
    }
    tree
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
        "tls": *accepts == Accepts::ServerName,
        "hosts": routes.iter().map(host).collect::<Vec<_>>(),
        "settings": self::settings(settings),
    })
}

fn host((claimed, route): &(Match, Route)) -> Value {
    let Route { owner, rule: _, split, settings, refusal: _, considered: _ } = route;
    let tls = match claimed {
        Match::Everything => None,
        Match::ServerName { pattern: _, session } => Some(self::session(session)),
    };
    json!({
        "hostname": claimed.hostname(),
        "tls": tls,
        "split": self::split(split),
        "declared": declared(settings),
        "policies": origins_json(owner.policies()),
    })
}

fn session(session: &Session) -> Value {
    let (mode, certificates): (_, &[String]) = match session {
        Session::Passthrough => (Some("PASSTHROUGH"), &[]),
        Session::Terminated { certificates } => (Some("TERMINATE"), certificates),
        Session::CrossMesh | Session::Unsaid => (None, &[]),
    };
    json!({ "mode": mode, "certificates": certificates, "crossMesh": *session == Session::CrossMesh })
}

fn owner(owner: &Owner) -> Value {
    let kind = match owner {
        Owner::TcpRoute(_) => "MeshTCPRoute",
        Owner::HttpRoute(_) => "MeshHTTPRoute",
        Owner::TrafficRoute(_) | Owner::ImpliedTrafficRoute | Owner::NoTrafficRoute => "TrafficRoute",
        Owner::Default | Owner::HttpDefault | Owner::Nobody => "default",
    };
    json!({ "kind": kind, "policies": origins_json(owner.policies()) })
}

fn origins_json(origins: &[PolicyOrigin]) -> Value {
    origins.iter().map(origin).collect()
}

fn split(split: &[Backend]) -> Value {
    let backend = |(backend, share): (&Backend, f64)| {
        let Backend { reference, weight, fate, origin: policy, spills_when_down } = backend;
        let (word, cluster, why) = match fate {
            Fate::Routed { cluster, subset: _ } => ("routed", Some(cluster), None),
            Fate::Spilled(why) => ("spilled", None, Some(why.to_string())),
            Fate::Refused(why) => ("refused", None, Some(why.to_string())),
        };
        json!({
            "reference": reference,
            "weight": weight,
            "percent": (share * 10_000.0).round() / 100.0,
            "fate": word,
            "cluster": cluster,
            "why": why,
            "spillsWhenDown": spills_when_down,
            "policy": policy.as_ref().map(origin),
        })
    };
    split.iter().zip(shares(split)).map(backend).collect()
}

fn settings(settings: &ConnectionSettings) -> Value {
    let ConnectionSettings {
        idle_timeout,
        max_connect_attempts,
        max_connections,
        max_age,
        accept_proxy_protocol,
        access_logs,
    } = settings;
    json!({
        "idleTimeout": idle_timeout.as_ref().map(sourced_duration),
        "maxConnectAttempts": max_connect_attempts.as_ref().map(sourced),
        "maxConnections": max_connections.as_ref().map(sourced),
        "maxAge": max_age.as_ref().map(sourced_duration),
        "acceptProxyProtocol": accept_proxy_protocol.as_ref().map(sourced),
        "accessLogs": access_logs.iter().map(access_log).collect::<Vec<_>>(),
    })
}

/// What a route declares about its split; values are those of the labels.
fn declared(settings: &SplitSettings) -> Value {
    let SplitSettings { sticky, existing, retry_other_side, drain_grace } = settings;
    json!({
        "sticky": sticky.as_ref().map(|said| said_as(said, sticky_word(said.value))),
        "existing": existing.as_ref().map(|said| said_as(said, existing_word(said.value))),
        "retryOtherSide": retry_other_side.as_ref().map(sourced),
        "drainGrace": drain_grace.as_ref().map(sourced_duration),
    })
}

/// A value in the words of its label.
pub(crate) fn sticky_word(sticky: Sticky) -> &'static str {
    match sticky {
        Sticky::None => "none",
        Sticky::SourceIp => "source-ip",
    }
}

/// A value in the words of its label.
pub(crate) fn existing_word(existing: Existing) -> &'static str {
    match existing {
        Existing::Keep => "keep",
        Existing::DrainExcess => "drain-excess",
        Existing::Close => "close",
    }
}

/// A value that JSON can say itself.
pub(super) fn sourced<T: Serialize>(said: &Sourced<T>) -> Value {
    said_as(said, &said.value)
}

/// A value in other words.
pub(super) fn said_as<T>(said: &Sourced<T>, value: impl Serialize) -> Value {
    json!({ "value": value, "policy": origin(&said.origin) })
}

pub(super) fn sourced_duration(Sourced { value, origin: policy }: &Sourced<Duration>) -> Value {
    json!({ "value": format_duration(*value), "policy": origin(policy) })
}

fn access_log(Sourced { value, origin: policy }: &Sourced<AccessLog>) -> Value {
    let AccessLog { backend, format } = value;
    let (file, tcp) = match backend {
        LogBackend::File(path) => (Some(path), None),
        LogBackend::Tcp(address) => (None, Some(address)),
    };
    let format = format.as_ref().map(|format| match format {
        LogFormat::Plain(line) => json!(line),
        LogFormat::Json(members) => {
            members.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect()
        }
    });
    json!({ "file": file, "tcp": tcp, "format": format, "policy": origin(policy) })
}
