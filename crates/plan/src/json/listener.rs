//! Inbounds, outbounds and gateway listeners.

use std::time::Duration;

use model::policy::format_duration;
use model::topology::TlsMode;
use serde::Serialize;
use serde_json::{Value, json};

use super::policy::{considered, origin};
use crate::plan::{
    AccessLog, Backend, ConnectionSettings, Destination, Existing, Fate, GatewayHost, GatewayListener,
    GatewayTls, Inbound, LogBackend, LogFormat, Outbound, Owner, PolicyOrigin, Sourced, SplitSettings,
    Sticky, shares,
};

pub(super) fn inbound(inbound: &Inbound) -> Value {
    let Inbound {
        name,
        address,
        port,
        service_address,
        service_port,
        service,
        protocol,
        accept_proxy_protocol,
    } = inbound;
    json!({
        "name": name,
        "address": address,
        "port": port,
        "serviceAddress": service_address,
        "servicePort": service_port,
        "service": service,
        "protocol": protocol.as_str(),
        "acceptProxyProtocol": accept_proxy_protocol.as_ref().map(sourced),
    })
}

pub(super) fn outbound(outbound: &Outbound) -> Value {
    let Outbound {
        name,
        address,
        port,
        bind,
        destination,
        stat_name: _,
        unified: _,
        marks: _,
        counts_kafka: _,
        protocol,
        owner,
        split,
        split_settings,
        refusal,
        reference_omits: _,
        connections,
        considered: policies,
    } = outbound;
    json!({
        "name": name,
        "address": address,
        "port": port,
        "bind": bind,
        "destination": match destination {
            Destination::Tags(tags) => json!({ "tags": tags }),
            Destination::Resource { id, name } => json!({ "kri": id.to_string(), "name": name }),
        },
        "protocol": protocol.as_str(),
        "owner": self::owner(owner),
        "split": self::split(split),
        "refusal": refusal,
        "settings": settings(connections),
        "declared": declared(split_settings),
        "considered": policies.iter().map(considered).collect::<Vec<_>>(),
    })
}

pub(super) fn gateway(listener: &GatewayListener) -> Value {
    let GatewayListener { name, address, port, tls, stat_name: _, hosts, connections } = listener;
    json!({
        "name": name,
        "address": address,
        "port": port,
        "tls": tls,
        "hosts": hosts.iter().map(host).collect::<Vec<_>>(),
        "settings": settings(connections),
    })
}

fn host(GatewayHost { hostname, tls, split, split_settings, routed: _, origins }: &GatewayHost) -> Value {
    let tls = tls.as_ref().map(|GatewayTls { mode, certificates, cross_mesh }| {
        let mode = mode.map(|mode| match mode {
            TlsMode::Terminate => "TERMINATE",
            TlsMode::Passthrough => "PASSTHROUGH",
        });
        json!({ "mode": mode, "certificates": certificates, "crossMesh": cross_mesh })
    });
    json!({
        "hostname": hostname,
        "tls": tls,
        "split": self::split(split),
        "declared": declared(split_settings),
        "policies": origins_json(origins),
    })
}

fn owner(owner: &Owner) -> Value {
    let (kind, policies) = match owner {
        Owner::TcpRoute(policies) => ("MeshTCPRoute", origins_json(policies)),
        Owner::HttpRoute(policies) => ("MeshHTTPRoute", origins_json(policies)),
        Owner::TrafficRoute(policy) => ("TrafficRoute", json!([origin(policy)])),
        Owner::ImpliedTrafficRoute | Owner::NoTrafficRoute => ("TrafficRoute", json!([])),
        Owner::Default | Owner::HttpDefault => ("default", json!([])),
    };
    json!({ "kind": kind, "policies": policies })
}

fn origins_json(origins: &[PolicyOrigin]) -> Value {
    origins.iter().map(origin).collect()
}

fn split(split: &[Backend]) -> Value {
    let backend = |(backend, share): (&Backend, f64)| {
        let Backend { reference, weight, fate, origin: policy, spills_when_down } = backend;
        let (word, cluster, why) = match fate {
            Fate::Routed { cluster } => ("routed", Some(cluster), None),
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
