//! MeshTCPRoute's conf: which backendRefs, with which weights (spec 01 §2).

use serde_json::Value;

use crate::reference::{BackendRef, Labels, RefKind, Tags, TargetRef};

/// The backendRefs of a merged conf, `{"default": {"backendRefs": […]}}`, in the order of the policy that won.
///
/// A conf that passed `draft` or was made by merging such confs always reads; members with another shape are left out.
pub fn backend_refs(conf: &Value) -> Vec<BackendRef> {
    let refs = conf.pointer("/default/backendRefs").and_then(Value::as_array);
    refs.into_iter().flatten().filter_map(backend_ref).collect()
}

fn backend_ref(value: &Value) -> Option<BackendRef> {
    let text =
        |key: &str| value.get(key).and_then(Value::as_str).filter(|t| !t.is_empty()).map(str::to_owned);
    let pairs = |key: &str| {
        let map = value.get(key)?.as_object()?;
        Some(map.iter().filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect::<Vec<_>>())
    };
    Some(BackendRef {
        target: TargetRef {
            kind: RefKind::from_text(value.get("kind")?.as_str()?)?,
            name: text("name"),
            namespace: text("namespace"),
            labels: pairs("labels").filter(|pairs| !pairs.is_empty()).map(Labels::from_iter),
            tags: pairs("tags").map(Tags::from_iter).unwrap_or_default(),
            section_name: text("sectionName"),
            proxy_types: None,
        },
        weight: value.get("weight").and_then(Value::as_u64),
        port: value.get("port").and_then(Value::as_u64).and_then(|port| u32::try_from(port).ok()),
    })
}
