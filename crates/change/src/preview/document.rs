//! Documents in one format, for sending and comparing.

use model::kind::{Body, Scope};
use model::reference::{MESH_TAG, ZONE_TAG};
use model::resource::{
    DISPLAY_NAME_LABEL, ENV_LABEL, NAMESPACE_LABEL, ORIGIN_LABEL, PROXY_TYPE_LABEL, ROLE_LABEL,
};
use model::{Kind, Resource};
use serde_json::{Map, Value, json};

use crate::computed::untag_zone;

/// Members that a control plane adds to a document.
const OF_THE_STORE: [&str; 5] = ["creationTime", "modificationTime", "kri", "status", "snis"];
/// Labels that a control plane computes.
const COMPUTED_LABELS: [&str; 6] =
    [MESH_TAG, ORIGIN_LABEL, ZONE_TAG, ENV_LABEL, PROXY_TYPE_LABEL, DISPLAY_NAME_LABEL];

/// Document in the Universal format, whichever it was written in: the form of the REST API.
///
/// `resource` is the parsed document: its mesh and stored name are written out, also where the document leaves them to
/// a default, and so are the namespace of a manifest and the role that a policy has by it. Other labels stay as they
/// were written.
pub fn universal(document: &Value, resource: &Resource) -> Value {
    let kind = resource.kind();
    let mut out = Map::new();
    out.insert("type".into(), kind.as_str().into());
    if kind.scope() == Scope::Mesh {
        out.insert("mesh".into(), resource.meta().mesh.as_str().into());
    }
    out.insert("name".into(), resource.meta().name.as_str().into());
    let Some(members) = document.as_object() else { return out.into() };
    if members.contains_key("type") {
        let rest = members.iter().filter(|(key, _)| !["type", "mesh", "name"].contains(&key.as_str()));
        out.extend(rest.map(|(key, value)| (key.clone(), value.clone())));
        return out.into();
    }
    let mut labels = Map::new();
    for part in ["labels", "annotations"] {
        let found = document.pointer(&format!("/metadata/{part}")).and_then(Value::as_object);
        let ours = |key: &str| part == "labels" || key.starts_with("meshtcp.io/");
        labels.extend(
            found.into_iter().flatten().filter(|(k, _)| ours(k)).map(|(k, v)| (k.clone(), v.clone())),
        );
    }
    // what is implicit in the Kubernetes format is a label here
    for key in [NAMESPACE_LABEL, ROLE_LABEL] {
        if let Some(value) = resource.meta().labels.get(key) {
            labels.insert(key.into(), value.into());
        }
    }
    if !labels.is_empty() {
        out.insert("labels".into(), labels.into());
    }
    let spec = members.get("spec").cloned().unwrap_or_else(|| json!({}));
    match (kind.body(), spec) {
        (Body::Inline, Value::Object(body)) => out.extend(body),
        (Body::Inline | Body::Spec, spec) => {
            out.insert("spec".into(), spec);
        }
    }
    out.into()
}

/// Comparable form of a document: without the parts that the control plane adds.
///
/// `kind` decides which parts belong to the store: the `status` of a service does, a field of that name in an inline
/// body does not.
pub fn comparable(universal: &Value, kind: Kind) -> Value {
    let Some(members) = universal.as_object() else { return universal.clone() };
    let is_ours = |key: &str| OF_THE_STORE.contains(&key) && (kind.body() == Body::Spec || key != "status");
    let mut out: Map<String, Value> = members
        .iter()
        .filter(|(key, _)| !is_ours(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if kind == Kind::Dataplane {
        untag_zone(&mut out);
    }
    // the availability of a service of its own zone is computed there
    if kind == Kind::MeshService
        && out.get("labels").is_some_and(|labels| labels.get(ENV_LABEL).is_some())
        && let Some(Value::Object(spec)) = out.get_mut("spec")
    {
        spec.shift_remove("state");
    }
    if let Some(Value::Object(labels)) = out.get_mut("labels") {
        labels.retain(|key, _| !COMPUTED_LABELS.contains(&key.as_str()));
        if labels.is_empty() {
            out.remove("labels");
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use model::draft::{Options, parse, read};

    use super::*;

    fn one(text: &str) -> Value {
        let (documents, problems) = read("t.yaml", text);
        assert!(problems.is_empty(), "{problems:?}");
        let parsed = parse(&documents[0], &Options::default());
        universal(documents[0].value(), &parsed.resource.unwrap())
    }

    const SPEC: &str = "  targetRef: {kind: Mesh}\n  to: [{targetRef: {kind: MeshService, name: a}, rules: [{default: {backendRefs: [{kind: MeshService, name: b}]}}]}]\n";

    #[test]
    fn both_formats_become_one() {
        let ours = one(&format!("type: MeshTCPRoute\nname: r\nspec:\n{SPEC}"));
        let theirs = one(&format!(
            "apiVersion: kuma.io/v1alpha1\nkind: MeshTCPRoute\nmetadata: {{name: r, namespace: kuma-system}}\nspec:\n{SPEC}"
        ));
        assert_eq!((&ours["mesh"], &ours["type"]), (&json!("default"), &json!("MeshTCPRoute")));
        assert_eq!(ours["spec"], theirs["spec"]);
        assert_eq!(theirs["labels"][NAMESPACE_LABEL], "kuma-system");
    }

    #[test]
    fn a_manifest_says_the_same_in_the_universal_format() {
        for namespace in ["", ", namespace: shop"] {
            let ours = one(&format!(
                "apiVersion: kuma.io/v1alpha1\nkind: MeshTCPRoute\nmetadata: {{name: r{namespace}}}\nspec:\n{SPEC}"
            ));
            let namespace = if namespace.is_empty() { "default" } else { "shop" };
            assert_eq!(
                (&ours["name"], &ours["labels"][NAMESPACE_LABEL]),
                (&json!(format!("r.{namespace}")), &json!(namespace))
            );
            assert_eq!(ours["labels"][ROLE_LABEL], "producer");
        }
    }

    #[test]
    fn the_zone_that_a_control_plane_writes_into_tags_is_no_difference() {
        let dataplane = |tags: Value, labels: Value| json!({"type": "Dataplane", "name": "web", "labels": labels, "networking": {"inbound": [{"tags": tags}]}});
        let stored = dataplane(
            json!({"kuma.io/service": "web", "kuma.io/zone": "east"}),
            json!({"kuma.io/zone": "east"}),
        );
        let ours = dataplane(json!({"kuma.io/service": "web"}), json!({}));
        assert_eq!(comparable(&ours, Kind::Dataplane), comparable(&stored, Kind::Dataplane));
        // one that an author wrote is
        let other = dataplane(
            json!({"kuma.io/service": "web", "kuma.io/zone": "west"}),
            json!({"kuma.io/zone": "east"}),
        );
        assert_ne!(comparable(&ours, Kind::Dataplane), comparable(&other, Kind::Dataplane));
    }

    #[test]
    fn what_a_control_plane_adds_is_no_difference() {
        let ours = json!({"type": "MeshTCPRoute", "name": "r", "spec": {}});
        let stored = json!({"type": "MeshTCPRoute", "name": "r", "creationTime": "2026-01-01T00:00:00Z", "kri": "kri_mtcpr_default___r_",
            "labels": {"kuma.io/mesh": "default"}, "spec": {}});
        assert_eq!(comparable(&ours, Kind::MeshTCPRoute), comparable(&stored, Kind::MeshTCPRoute));
    }
}
