//! Node metadata that an Envoy attaches with, taken from the bootstrap request of its kuma-dp (spec 10 §A.3).

use dialect::envoy::bootstrap::Node;
use model::reference::SERVICE_TAG;
use model::{Resource, Spec};
use serde_json::{Map, Value, json};

use super::request::{Request, Role};

/// Label with the workload of a proxy.
const WORKLOAD_LABEL: &str = "kuma.io/workload";

/// Builds the node of a proxy. `admin_port`: port of its admin pages for clients that know no sockets.
pub(super) fn node(asked: &Request, role: Role, resource: &Resource, admin_port: u16) -> Node {
    let meta = resource.meta();
    Node {
        id: format!("{}.{}", meta.mesh, meta.name),
        cluster: cluster(role, resource),
        metadata: Value::Object(metadata(asked, role, admin_port)),
    }
}

/// Service that a proxy belongs to, for statistics.
fn cluster(role: Role, resource: &Resource) -> String {
    let Spec::Dataplane(dataplane) = resource.spec() else { return role.as_str().to_owned() };
    let inbounds = dataplane.inbound.iter().map(|inbound| &inbound.tags);
    let tags = inbounds.chain(dataplane.gateway.as_ref().map(|gateway| &gateway.tags));
    let mut services = tags.filter_map(|tags| tags.get(SERVICE_TAG));
    let meta = resource.meta();
    let workload = || meta.labels.get(WORKLOAD_LABEL);
    services.next().or_else(workload).unwrap_or(meta.name.as_str()).to_owned()
}

fn metadata(asked: &Request, role: Role, admin_port: u16) -> Map<String, Value> {
    let socket = asked.admin_socket();
    let port = |port: u32| (port != 0).then(|| json!(port.to_string()));
    let given = |text: &str| (!text.is_empty()).then(|| json!(text));
    let entries = [
        ("version", Some(asked.version.clone()).filter(|version| !version.is_null())),
        ("features", Some(json!(asked.features))),
        ("workdir", Some(json!(asked.workdir))),
        ("dataplane.proxyType", Some(json!(role.as_str()))),
        ("dataplane.resource", given(&asked.dataplane_resource)),
        ("dataplane.admin.port", Some(json!(admin_port.to_string()))),
        ("dataplane.admin.address", Some(json!("127.0.0.1"))),
        ("dataplane.admin.socketPath", socket.map(Value::from)),
        ("dataplane.dns.port", port(asked.dns_port)),
        ("dataplane.readinessReporter.port", port(asked.readiness_port)),
        ("dataplane.appProbeProxy.enabled", asked.app_probe_proxy_disabled.then(|| json!("true"))),
        (
            "dynamicMetadata",
            (!asked.dynamic_metadata.is_empty()).then(|| Value::Object(asked.dynamic_metadata.clone())),
        ),
        ("otelEnvInventory", asked.otel_env.as_ref().map(telemetry)),
        ("metricsCertPath", Some(json!(asked.metrics_resources.cert_path))),
        ("metricsKeyPath", Some(json!(asked.metrics_resources.key_path))),
        ("systemCaPath", Some(json!(asked.system_ca_path))),
        ("ipv6Enabled", Some(json!(asked.ipv6_enabled))),
        ("spireAgent.socketPath", Some(json!(asked.spire_resources.socket_path))),
        ("transparentProxy", asked.dataplane_config.as_ref().map(redirection)),
    ];
    entries.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

fn telemetry(said: &Value) -> Value {
    let mut inventory = said.clone();
    if let Some(members) = inventory.as_object_mut() {
        members.entry("validationErrors").or_insert_with(|| json!([]));
    }
    inventory
}

/// Redirection of connections, with the empty list that Kuma's own type writes.
fn redirection(said: &Value) -> Value {
    let mut said = said.clone();
    if let Some(networks) = said.pointer_mut("/redirect/vnet").and_then(Value::as_object_mut) {
        networks.entry("networks").or_insert_with(|| json!([]));
    }
    said
}
