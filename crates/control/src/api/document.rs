//! Representation of a stored resource: in the Universal format, or as a Kubernetes manifest.

use jiff::Timestamp;
use model::draft::is_label_value;
use model::kind::{Body, KubernetesScope, Scope};
use model::reference::{MESH_TAG, ZONE_TAG};
use model::resource::{DISPLAY_NAME_LABEL, ENV_LABEL, NAMESPACE_LABEL, ORIGIN_LABEL, PROXY_TYPE_LABEL};
use model::{Kind, ResourceId};
use plan::readable_sni;
use serde_json::{Map, Value, json};

use super::refusal::Refusal;
use crate::store::Stored;

/// Members of a document outside its body; all others are the body.
const ENVELOPE: [&str; 8] =
    ["type", "mesh", "name", "creationTime", "modificationTime", "labels", "kri", "snis"];

/// Format in which resources are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Universal,
    /// Kubernetes manifest, for the given namespace.
    Kubernetes {
        namespace: Option<String>,
    },
}

impl Format {
    /// Parses `format` and `namespace`.
    pub(super) fn read(format: Option<&str>, namespace: Option<&str>) -> Result<Self, Refusal> {
        match format {
            None | Some("universal" | "") => Ok(Format::Universal),
            Some("k8s" | "kubernetes") => {
                let namespace = namespace.filter(|it| !it.is_empty()).map(str::to_owned);
                Ok(Format::Kubernetes { namespace })
            }
            Some(other) => {
                let words = "universal, k8s or kubernetes";
                Err(Refusal::bad(format!("`format={other}` is no format: write {words}")))
            }
        }
    }

    pub(super) fn show(&self, stored: &Stored) -> Value {
        match self {
            Format::Universal => universal(stored),
            Format::Kubernetes { namespace } => kubernetes(stored, namespace.as_deref()),
        }
    }
}

/// Returns the identifier of a resource. It exists for kinds without a short name too, which have no KRI.
pub(super) fn id(stored: &Stored) -> ResourceId {
    let label = |key: &str| stored.document["labels"][key].as_str().unwrap_or_default();
    let name = stored.key.name.as_str();
    let name = match (label(DISPLAY_NAME_LABEL), label(NAMESPACE_LABEL)) {
        ("", "") => name,
        ("", namespace) => name.strip_suffix(namespace).and_then(|it| it.strip_suffix('.')).unwrap_or(name),
        (display, _) => display,
    };
    ResourceId {
        kind: stored.key.kind,
        mesh: stored.key.mesh_or_empty().into(),
        zone: label(ZONE_TAG).into(),
        namespace: label(NAMESPACE_LABEL).into(),
        name: name.into(),
        section: String::new(),
    }
}

/// Renders a resource in the Universal format, with what the store knows of it.
pub(super) fn universal(stored: &Stored) -> Value {
    let Stored { key, document, created, modified, version: _ } = stored;
    let mut shown = Map::new();
    shown.insert("type".into(), json!(key.kind.as_str()));
    if let Some(mesh) = &key.mesh {
        shown.insert("mesh".into(), json!(mesh));
    }
    shown.insert("name".into(), json!(key.name));
    shown.insert("creationTime".into(), json!(created.to_string()));
    shown.insert("modificationTime".into(), json!(modified.to_string()));
    if let Some(labels) = document.get("labels").filter(|labels| labels.is_object()) {
        shown.insert("labels".into(), labels.clone());
    }
    if key.kind.has_kri() {
        shown.insert("kri".into(), json!(id(stored).to_string()));
    }
    let names = server_names(stored);
    if !names.is_empty() {
        shown.insert("snis".into(), names.into());
    }
    shown.extend(body(document));
    Value::Object(shown)
}

/// Returns the server names that clients with a workload identity send to each port of a real service; a port without a
/// valid one is left out.
fn server_names(stored: &Stored) -> Vec<Value> {
    let spec = &stored.document["spec"];
    let port = |port: &Value| {
        let number = port["port"].as_u64()?;
        let section = port["name"].as_str().filter(|name| !name.is_empty());
        let section = section.map_or_else(|| number.to_string(), str::to_owned);
        let sni = readable_sni(&id(stored).with_section(section)).ok()?;
        Some(json!({ "port": number, "sni": sni }))
    };
    match stored.key.kind {
        Kind::MeshService | Kind::MeshMultiZoneService => {
            spec["ports"].as_array().into_iter().flatten().filter_map(port).collect()
        }
        Kind::MeshExternalService => port(&json!({ "port": spec["match"]["port"] })).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// Returns type, mesh, name and labels, as lists of affected resources show them.
pub(super) fn meta(kind: Kind, mesh: &str, name: &str, labels: &Value) -> Value {
    let labels = if labels.is_object() { labels.clone() } else { json!({}) };
    let mut meta = json!({ "type": kind.as_str(), "mesh": mesh, "name": name, "labels": labels });
    // a display name equal to the name is no label of the resource's own
    if let Some(labels) = meta["labels"].as_object_mut()
        && labels.get(DISPLAY_NAME_LABEL).is_some_and(|display| display == name)
    {
        labels.shift_remove(DISPLAY_NAME_LABEL);
    }
    meta
}

/// Returns the members outside the body of a resource.
pub(super) fn envelope(stored: &Stored) -> Value {
    let Value::Object(shown) = universal(stored) else { return Value::Null };
    shown.into_iter().filter(|(key, _)| ENVELOPE.contains(&key.as_str()) && key != "snis").collect()
}

/// Renders a computed insight as a Kubernetes manifest.
pub(super) fn manifest_of_insight(insight: &Value) -> Value {
    json!({
        "apiVersion": "kuma.io/v1alpha1",
        "kind": insight["type"],
        "metadata": { "name": insight["name"], "creationTimestamp": insight["creationTime"] },
        "spec": body(insight).collect::<Map<String, Value>>(),
    })
}

fn body(document: &Value) -> impl Iterator<Item = (String, Value)> + '_ {
    let members = document.as_object().into_iter().flatten();
    members
        .filter(|(key, _)| !ENVELOPE.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
}

/// Renders a resource as a Kubernetes manifest: the older kinds carry their mesh beside `metadata`, the newer ones in a
/// label.
fn kubernetes(stored: &Stored, namespace: Option<&str>) -> Value {
    let Stored { key, document, .. } = stored;
    let id = id(stored);
    let mut metadata = Map::new();
    let is_cluster_wide = key.kind.home() == KubernetesScope::Cluster;
    metadata.insert("name".into(), json!(if is_cluster_wide { &key.name } else { &id.name }));
    if !is_cluster_wide {
        let stored_in = (!id.namespace.is_empty()).then_some(id.namespace.as_str());
        metadata.insert("namespace".into(), json!(namespace.or(stored_in).unwrap_or("kuma-system")));
    }
    let is_spec = key.kind.body() == Body::Spec;
    let mut labels = match &document["labels"] {
        Value::Object(labels) => labels.clone(),
        _ => Map::new(),
    };
    // a cluster computes these itself; the older kinds have their mesh beside `metadata`
    for computed in
        [DISPLAY_NAME_LABEL, NAMESPACE_LABEL, ENV_LABEL, ORIGIN_LABEL, ZONE_TAG, PROXY_TYPE_LABEL, MESH_TAG]
    {
        labels.shift_remove(computed);
    }
    if !labels.is_empty() {
        metadata.insert("labels".into(), Value::Object(labels));
    }
    if is_spec && let Some(mesh) = &key.mesh {
        name_mesh(&mut metadata, mesh);
    }
    let created = Timestamp::from_second(stored.created.as_second()).unwrap_or(stored.created);
    metadata.insert("creationTimestamp".into(), json!(created.to_string()));
    let mut manifest = Map::new();
    if matches!(key.kind, Kind::Secret | Kind::GlobalSecret) {
        return secret(stored, metadata);
    }
    manifest.insert("apiVersion".into(), json!("kuma.io/v1alpha1"));
    manifest.insert("kind".into(), json!(key.kind.as_str()));
    if !is_spec && key.kind.scope() == Scope::Mesh {
        manifest.insert("mesh".into(), json!(key.mesh_or_empty()));
    }
    manifest.insert("metadata".into(), Value::Object(metadata));
    if is_spec {
        let inner = ["spec", "status"].into_iter().filter_map(|key| Some((key, document.get(key)?)));
        manifest.extend(inner.map(|(key, value)| (key.to_owned(), value.clone())));
    } else {
        manifest.insert("spec".into(), Value::Object(body(document).collect()));
    }
    Value::Object(manifest)
}

/// Adds the mesh as a label; if it is too long for a label, as the annotation that is read instead.
fn name_mesh(metadata: &mut Map<String, Value>, mesh: &str) {
    let part = if is_label_value(mesh) { "labels" } else { "annotations" };
    if let Value::Object(members) = metadata.entry(part).or_insert_with(|| json!({})) {
        members.insert(MESH_TAG.into(), json!(mesh));
    }
}

/// Renders a secret of the mesh as a Kubernetes Secret with a type of its own.
fn secret(stored: &Stored, mut metadata: Map<String, Value>) -> Value {
    let kind = match stored.key.kind {
        Kind::GlobalSecret => "system.kuma.io/global-secret",
        _ => "system.kuma.io/secret",
    };
    metadata.remove("labels");
    if let Some(mesh) = &stored.key.mesh {
        name_mesh(&mut metadata, mesh);
    }
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": kind,
        "metadata": metadata,
        "data": { "value": stored.document["data"] },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Revision;
    use model::ResourceKey;

    fn stored(document: Value) -> Stored {
        let time = "2026-11-01T10:00:00Z".parse().unwrap();
        let key = ResourceKey::of_document(&document).unwrap();
        Stored { key, document, version: Revision::new(1), created: time, modified: time }
    }

    #[test]
    fn a_route_is_shown_in_both_formats() {
        let route = stored(
            json!({ "type": "MeshTCPRoute", "name": "canary", "mesh": "default", "kri": "old",
            "labels": { "kuma.io/mesh": "default", "kuma.io/display-name": "canary" }, "spec": { "to": [] } }),
        );
        assert_eq!(
            Format::Universal.show(&route),
            json!({ "type": "MeshTCPRoute", "mesh": "default", "name": "canary",
                "creationTime": "2026-11-01T10:00:00Z", "modificationTime": "2026-11-01T10:00:00Z",
                "labels": { "kuma.io/mesh": "default", "kuma.io/display-name": "canary" },
                "kri": "kri_mtcpr_default___canary_", "spec": { "to": [] } })
        );
        let format = Format::read(Some("k8s"), Some("shop")).unwrap();
        assert_eq!(
            format.show(&route),
            json!({ "apiVersion": "kuma.io/v1alpha1", "kind": "MeshTCPRoute",
                "metadata": { "name": "canary", "namespace": "shop", "labels": { "kuma.io/mesh": "default" },
                    "creationTimestamp": "2026-11-01T10:00:00Z" },
                "spec": { "to": [] } })
        );
    }

    #[test]
    fn older_kinds_have_their_mesh_beside() {
        let dataplane = stored(
            json!({ "type": "Dataplane", "mesh": "m", "name": "web", "networking": { "address": "1.1.1.1" } }),
        );
        assert_eq!(
            Format::read(Some("kubernetes"), None).unwrap().show(&dataplane),
            json!({ "apiVersion": "kuma.io/v1alpha1", "kind": "Dataplane", "mesh": "m",
                "metadata": { "name": "web", "namespace": "kuma-system", "creationTimestamp": "2026-11-01T10:00:00Z" },
                "spec": { "networking": { "address": "1.1.1.1" } } })
        );
        assert!(Format::read(Some("toml"), None).is_err());
    }
}
