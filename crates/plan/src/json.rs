//! A plan as JSON, for `meshtcp plan -o json`, the admin endpoint and bug reports.
//!
//! ```text
//! { proxy: {mesh, name}, service, zone, address, mtls: {mesh, backend, mode, workloadIdentity} | null,
//!   inbounds:  [{name, address, port, serviceAddress, servicePort, service, protocol}],
//!   outbounds: [{name, address, port, bind, destination: {tags} | {kri, name}, protocol,
//!                owner: {kind, policies: [ORIGIN]}, split: [BACKEND], refusal | null,
//!                settings: SETTINGS, declared: DECLARED, considered: [{policy: ORIGIN, OUTCOME}]}],
//!   gatewayListeners: [{name, address, port, tls, hosts: [{hostname, tls | null, split, declared, policies}], settings}],
//!   clusters:  {NAME: {service, kind, subset, tls | null, connectTimeout | null, settings: CLUSTER, endpoints: [ENDPOINT],
//!                      direct | null}},
//!   routes:    [{policy: ORIGIN, kind, OUTCOME, decides: [listener], unresolved: [{reference, why}]}],
//!   warnings:  [text] }
//!
//! ORIGIN   {kind, mesh, name, kri, at: "to[0]" | null, source}
//! BACKEND  {reference, weight, percent, fate: routed | spilled | refused, cluster | null, why | null, spillsWhenDown,
//!           policy | null}
//! SETTINGS {idleTimeout, maxConnectAttempts, maxConnections, maxAge, acceptProxyProtocol: {value, policy} | null,
//!           accessLogs: [{…, policy}]}
//! DECLARED {sticky, existing, retryOtherSide, drainGrace: {value, policy} | null}
//! CLUSTER  {NAME: {value, policy}}: only what somebody set; the values are those of the policies, durations as below
//! OUTCOME  outcome: applied | shadowed | ignored, by | null, why | null
//! ENDPOINT {address, port, weight, priority, zone | null, tags, offeredBy, via}
//! ```
//!
//! Members keep this order, lists the order of the plan; durations are written as `5s`, `1m30s`.

mod destination;
mod listener;
mod policy;
mod settings;

use serde_json::{Map, Value, json};

use crate::plan::{Mtls, Plan};

/// A plan as JSON, in the shape that this module documents.
pub fn plan_json(plan: &Plan) -> Value {
    let Plan {
        proxy,
        service,
        zone,
        address,
        mtls,
        inbounds,
        outbounds,
        gateway_listeners,
        clusters,
        routes,
        warnings,
    } = plan;
    let clusters: Map<String, Value> =
        clusters.iter().map(|(name, cluster)| (name.clone(), destination::cluster(cluster))).collect();
    json!({
        "proxy": { "mesh": proxy.mesh.as_str(), "name": proxy.name.as_str() },
        "service": service,
        "zone": zone,
        "address": address,
        "mtls": mtls.as_ref().map(self::mtls),
        "inbounds": inbounds.iter().map(listener::inbound).collect::<Vec<_>>(),
        "outbounds": outbounds.iter().map(|outbound| listener::outbound(outbound)).collect::<Vec<_>>(),
        "gatewayListeners": gateway_listeners.iter().map(listener::gateway).collect::<Vec<_>>(),
        "clusters": clusters,
        "routes": routes.iter().map(|route| policy::route(route)).collect::<Vec<_>>(),
        "warnings": warnings,
    })
}

fn mtls(Mtls { mesh, backend, identity: _, permissive, workload_identity }: &Mtls) -> Value {
    let mode = if *permissive { "PERMISSIVE" } else { "STRICT" };
    json!({ "mesh": mesh, "backend": backend, "mode": mode, "workloadIdentity": workload_identity })
}
