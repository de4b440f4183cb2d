//! A plan as JSON, for `meshtcp plan -o json`, the admin endpoint and bug reports.
//!
//! ```text
//! { proxy: {mesh, name}, service, zone, address, mtls: MTLS | null,
//!   inbounds:  [{name, address, port, serviceAddress, servicePort, service, protocol,
//!                acceptProxyProtocol: {value, policy} | null, tls: TLS}],
//!   redirected: {port, only: [port] | null, ipv6,
//!                outbound: {port, passthrough: all | none | [{type, value, port | null, protocol}],
//!                           policy: ORIGIN | null, settings: SETTINGS where any is set} | null},
//!   outbounds: [{name, address, port, bind, destination: {tags} | {kri, name}, protocol,
//!                owner: {kind, policies: [ORIGIN]}, split: [BACKEND], refusal | null,
//!                settings: SETTINGS, declared: DECLARED, considered: [{policy: ORIGIN, OUTCOME}]}],
//!   gatewayListeners: [{name, address, port, tls, hosts: [{hostname, tls | null, split, declared, policies}],
//!                      settings}],
//!   clusters:  {NAME: {service, kind, subset, tls | null, connectTimeout | null, settings: CLUSTER,
//!                      endpoints: [ENDPOINT], direct | null}},
//!   names:     {HOST NAME: [address]},
//!   routes:    [{policy: ORIGIN, kind, OUTCOME, decides: [listener], unresolved: [{reference, why}]}],
//!   warnings:  [text] }
//!
//! MTLS     {mesh, mode, issuer: {backend} | {meshIdentity: kri, provider}, uris | null, why | null,
//!           trusts: mesh CA | SPIRE | [trust domain]}
//! TLS      {mode, modePolicy: ORIGIN | null, params: {min, max, ciphers: {value, policy} | null},
//!           peers: [prefix of a name],
//!           permissions: {by: name, rules: [{names, without, action, policy}]}
//!                      | {by: identity, rules: [{peers: [{spiffeId: {exact | prefix} | null, serverName | null}],
//!                         action, policy}], shadowDenies}}
//! ORIGIN   {kind, mesh, name, kri, at: "to[0]" | null, source}
//! BACKEND  {reference, weight, percent, fate: routed | spilled | refused, cluster | null, why | null, spillsWhenDown,
//!           policy | null, rollout: ORIGIN where its weight is that of a rollout}
//! SETTINGS {idleTimeout, maxConnectAttempts, maxConnections, maxAge, acceptProxyProtocol: {value, policy} | null,
//!           accessLogs: [{…, policy}], dataPath: {value, policy} where it is set}
//! DECLARED {sticky, existing, retryOtherSide, drainGrace: {value, policy} | null}
//! CLUSTER  {NAME: {value, policy}}: only what is set; the values are those of the policies, durations as below
//! OUTCOME  outcome: applied | shadowed | ignored, by | null, why | null
//! ENDPOINT {address, port, weight, priority, zone | null, tags, offeredBy, via}
//! ```
//!
//! It is a view: listeners stand in three lists by their direction, those of zone proxies beside those of gateways,
//! and an application in its inbound instead of among the clusters; `tls`, `redirected` and `names` are present
//! only where the plan has any. Members keep this order, lists the order of the plan; durations are written as
//! `5s`, `1m30s`.

mod destination;
mod listener;
mod permissions;

use model::policy::{PassthroughMatch, PassthroughTo};
use serde_json::{Map, Value, json};

use crate::plan::{
    ConnectionSettings, Direction, Identity, Leaving, Mtls, Passthrough, Plan, Provider, Proxy, Redirected,
    Trust,
};

/// Converts a plan to JSON, in the shape that this module documents.
pub fn plan_json(plan: &Plan) -> Value {
    let Plan {
        proxy: Proxy { id, service, zone, address },
        profile: _,
        mtls,
        listeners,
        redirected,
        clusters,
        names,
        routes,
        warnings,
    } = plan;
    let (mut inbounds, mut outbounds, mut gateways) = (Vec::new(), Vec::new(), Vec::new());
    for listener in listeners {
        match &listener.direction {
            Direction::Inbound => inbounds.push(listener::inbound(listener, clusters)),
            Direction::Outbound(destination) => outbounds.push(listener::outbound(listener, destination)),
            Direction::Gateway | Direction::Zone => gateways.push(listener::gateway(listener)),
        }
    }
    // the application is part of its inbound
    let destinations: Map<String, Value> =
        plan.destinations().map(|(name, cluster)| (name.clone(), destination::cluster(cluster))).collect();
    let key = id.key();
    let mut tree = json!({
        "proxy": { "mesh": key.mesh.as_str(), "name": key.name.as_str() },
        "service": service,
        "zone": zone,
        "address": address,
        "mtls": mtls.as_deref().map(self::mtls),
        "inbounds": inbounds,
        "outbounds": outbounds,
        "gatewayListeners": gateways,
        "clusters": destinations,
        "routes": routes,
        "warnings": warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    if !names.is_empty() {
        tree["names"] = json!(names);
    }
    if let Some(redirected) = redirected {
        tree["redirected"] = self::redirected(redirected);
    }
    tree
}

fn redirected(Redirected { port, only, ipv6, outbound, naming: _ }: &Redirected) -> Value {
    json!({ "port": port, "only": only, "ipv6": ipv6, "outbound": outbound.as_ref().map(leaving) })
}

fn leaving(Leaving { port, passthrough, origin, settings }: &Leaving) -> Value {
    let to = |to: &PassthroughMatch| {
        let kind = match to.to {
            PassthroughTo::Network { .. } if to.written.contains('/') => "CIDR",
            PassthroughTo::Network { .. } => "IP",
            PassthroughTo::Domain(_) => "Domain",
        };
        json!({ "type": kind, "value": to.written, "port": to.port, "protocol": to.protocol.as_str() })
    };
    let passthrough = match passthrough {
        Passthrough::Everything => json!("all"),
        Passthrough::Nothing => json!("none"),
        Passthrough::Only(matches) => matches.iter().map(to).collect(),
    };
    let mut tree = json!({ "port": port, "passthrough": passthrough, "policy": origin });
    if *settings != ConnectionSettings::default() {
        tree["settings"] = json!(settings);
    }
    tree
}

fn mtls(mtls: &Mtls) -> Value {
    let Mtls { mesh, permissive, identity, uris, trust, unified_names: _ } = mtls;
    let issuer = match identity {
        Identity::MeshCa { backend } => json!({ "backend": backend }),
        Identity::Workload { by, provider } => {
            let provider = match provider {
                Provider::Bundled => "Bundled",
                Provider::Spire { timeout: _, socket: _ } => "Spire",
            };
            json!({ "meshIdentity": by.to_string(), "provider": provider })
        }
    };
    json!({
        "mesh": mesh,
        "mode": if *permissive { "PERMISSIVE" } else { "STRICT" },
        "issuer": issuer,
        "uris": uris.as_ref().ok(),
        "why": uris.as_ref().err().map(ToString::to_string),
        "trusts": match trust {
            Trust::MeshCa => json!("mesh CA"),
            Trust::Spire => json!("SPIRE"),
            Trust::Domains { .. } => json!(mtls.domains()),
        },
    })
}
