//! Labels that a control plane would compute when a resource is stored (spec 01 §1.3, 02 §5).

use serde_json::Value;

use crate::draft::envelope::{Envelope, Format};
use crate::draft::names;
use crate::draft::options::Options;
use crate::kind::{Kind, Scope};
use crate::reference::{Labels, MESH_TAG, ZONE_TAG};
use crate::resource::{DISPLAY_NAME_LABEL, ENV_LABEL, NAMESPACE_LABEL, ORIGIN_LABEL, PROXY_TYPE_LABEL};

/// Returns the labels of a resource with the missing ones filled in; the role is computed later, from the body.
///
/// A name may be longer than the value of a label: then there is no such label, and [`Meta`](crate::Meta) derives
/// the same from the name itself. Labels that are filled in here would be accepted in a document too.
pub(crate) fn complete(envelope: &Envelope<'_>, document: &Value, options: &Options) -> Labels {
    let mut labels = envelope.meta.labels.clone();
    let mut default = |key: &str, value: &str| {
        if labels.get(key).is_none() && names::is_label_value(value) {
            labels.insert(key, value);
        }
        labels.get(key).map(str::to_owned)
    };
    let since_2_9 = options.profile.computes_mesh_label();
    if since_2_9 && envelope.kind.scope() == Scope::Mesh {
        default(MESH_TAG, envelope.meta.mesh.as_str());
    }
    default(DISPLAY_NAME_LABEL, envelope.meta.display_name());
    if let Some(zone) = options.zone.as_deref()
        && is_of_a_zone(envelope.kind)
    {
        let origin = default(ORIGIN_LABEL, "zone");
        if origin.as_deref() != Some("global") {
            default(ZONE_TAG, zone);
            if since_2_9 {
                default(ENV_LABEL, "universal");
            }
        }
        if since_2_9 && let Some(proxy_type) = proxy_type(envelope.kind, document) {
            default(PROXY_TYPE_LABEL, proxy_type);
        }
        if envelope.kind == Kind::Dataplane && options.profile.has_zone_proxy_listeners() {
            let listeners = document.pointer("/networking/listeners").and_then(Value::as_array);
            for kind in listeners.into_iter().flatten().filter_map(|listener| listener["type"].as_str()) {
                match kind {
                    "ZoneIngress" => default("kuma.io/listener-zoneingress", "enabled"),
                    "ZoneEgress" => default("kuma.io/listener-zoneegress", "enabled"),
                    _ => None,
                };
            }
        }
    }
    labels
}

/// Returns `true` if a resource of a kind, stored in a zone, is that zone's: a zone sends it up to a Global. The
/// others are the mesh operator's wherever they are stored.
const fn is_of_a_zone(kind: Kind) -> bool {
    match kind {
        Kind::Mesh
        | Kind::MeshMultiZoneService
        | Kind::MeshGatewayRoute
        | Kind::ExternalService
        | Kind::VirtualOutbound
        | Kind::TrafficRoute
        | Kind::Retry
        | Kind::Timeout
        | Kind::TrafficLog
        | Kind::TrafficPermission
        | Kind::HealthCheck
        | Kind::CircuitBreaker
        | Kind::TrafficTrace
        | Kind::FaultInjection
        | Kind::RateLimit
        | Kind::ProxyTemplate => false,
        Kind::Dataplane
        | Kind::MeshService
        | Kind::MeshExternalService
        | Kind::MeshGateway
        | Kind::ZoneIngress
        | Kind::ZoneEgress
        | Kind::MeshTCPRoute
        | Kind::MeshHTTPRoute
        | Kind::MeshTimeout
        | Kind::MeshRetry
        | Kind::MeshAccessLog
        | Kind::MeshCircuitBreaker
        | Kind::MeshHealthCheck
        | Kind::MeshLoadBalancingStrategy
        | Kind::MeshTrafficPermission
        | Kind::MeshRateLimit
        | Kind::MeshFaultInjection
        | Kind::MeshTrace
        | Kind::MeshMetric
        | Kind::MeshProxyPatch
        | Kind::MeshPassthrough
        | Kind::MeshTLS
        | Kind::MeshTCPMirror
        | Kind::MeshIdentity
        | Kind::MeshTrust
        | Kind::MeshZoneAddress
        | Kind::MeshOpenTelemetryBackend
        | Kind::HostnameGenerator
        | Kind::Secret
        | Kind::GlobalSecret
        | Kind::Zone
        | Kind::Workload
        | Kind::MeshTCPRollout => true,
    }
}

/// Returns the sort of proxy that a resource stands for; `None`: none.
fn proxy_type(kind: Kind, document: &Value) -> Option<&'static str> {
    match kind {
        Kind::Dataplane if document.pointer("/networking/gateway").is_some_and(Value::is_object) => {
            Some("gateway")
        }
        Kind::Dataplane => Some("sidecar"),
        Kind::ZoneIngress => Some("zoneingress"),
        Kind::ZoneEgress => Some("zoneegress"),
        _ => None,
    }
}

/// Namespace of a resource written for Kubernetes; absent for Universal, which has no roles.
pub(crate) fn namespace<'e>(envelope: &'e Envelope<'_>) -> Option<&'e str> {
    (envelope.format == Format::Kubernetes).then(|| envelope.meta.labels.get(NAMESPACE_LABEL)).flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::draft::{Document, parse};
    use crate::profile::Profile;

    fn labels(document: &Value, profile: Profile) -> Vec<String> {
        let options = Options { profile, zone: Some("east".into()), ..Options::default() };
        let parsed = parse(&Document::from_value("test", document.clone()), &options);
        let resource = parsed.resource.unwrap_or_else(|| panic!("{:?}", parsed.problems));
        let of_zone =
            resource.meta().labels.iter().filter(|(key, _)| !matches!(*key, MESH_TAG | DISPLAY_NAME_LABEL));
        of_zone.map(|(key, value)| format!("{}={value}", key.trim_start_matches("kuma.io/"))).collect()
    }

    #[test]
    fn a_zone_labels_what_is_its_own_by_kind_and_version() {
        let of_zone = ["env=universal", "origin=zone", "zone=east"];
        let route =
            json!({ "type": "MeshTCPRoute", "name": "r", "spec": { "targetRef": { "kind": "Mesh" } } });
        assert_eq!(labels(&route, Profile::V2_14), of_zone);
        assert_eq!(labels(&route, Profile::V2_8), of_zone[1..]);
        assert_eq!(labels(&json!({ "type": "Zone", "name": "west" }), Profile::V2_14), of_zone);
        for operators in [
            json!({ "type": "Mesh", "name": "shop" }),
            json!({ "type": "Retry", "name": "r", "sources": [{ "match": { "kuma.io/service": "*" } }],
                "destinations": [{ "match": { "kuma.io/service": "*" } }], "conf": { "tcp": { "maxConnectAttempts": 2 } } }),
        ] {
            assert_eq!(labels(&operators, Profile::V2_14), Vec::<String>::new(), "{operators}");
        }
        // a resource that came from a Global belongs to no zone
        let mut synced = route;
        synced["labels"] = json!({ "kuma.io/origin": "global" });
        assert_eq!(labels(&synced, Profile::V2_14), ["origin=global"]);
    }

    #[test]
    fn a_proxy_says_of_which_sort_it_is() {
        let dataplane =
            |networking: Value| json!({ "type": "Dataplane", "name": "web", "networking": networking });
        let inbound = json!({ "address": "10.0.0.1", "inbound": [{ "port": 80, "tags": { "kuma.io/service": "web" } }] });
        let gateway = json!({ "address": "10.0.0.1", "gateway": { "tags": { "kuma.io/service": "edge" } } });
        for (networking, sort) in [(inbound, "proxy-type=sidecar"), (gateway, "proxy-type=gateway")] {
            let found = labels(&dataplane(networking), Profile::V2_14);
            assert!(found.iter().any(|label| label == sort), "{found:?}");
        }
        let listens = json!({ "address": "10.0.0.1", "listeners": [
            { "type": "ZoneIngress", "address": "10.0.0.1", "port": 1 },
            { "type": "ZoneEgress", "address": "10.0.0.1", "port": 2 },
        ] });
        let both = ["listener-zoneegress=enabled", "listener-zoneingress=enabled"];
        for profile in [Profile::V2_14, Profile::V3] {
            let found = labels(&dataplane(listens.clone()), profile);
            assert!(both.iter().all(|label| found.iter().any(|it| it == label)), "{profile} {found:?}");
        }
    }
}
