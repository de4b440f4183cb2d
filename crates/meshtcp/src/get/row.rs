//! Stored resources in rows of words.

use model::Kind;
use serde_json::Value;

use crate::output;

/// The text of a member.
pub(super) fn text<'v>(resource: &'v Value, key: &str) -> &'v str {
    resource.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The table of `-o table`.
pub(super) fn table(kind: Kind, found: &[Value], meshes: bool) -> String {
    let is_of_mesh = kind.scope() == model::kind::Scope::Mesh;
    let row = |it: &Value| {
        (text(it, "mesh").to_owned(), text(it, "name").to_owned(), summary(kind, it), changed(it))
    };
    match meshes && is_of_mesh {
        true => output::table(
            ["MESH", "NAME", "SAYS", "CHANGED"],
            found.iter().map(|it| {
                let (mesh, name, says, changed) = row(it);
                [mesh, name, says, changed]
            }),
        ),
        false => output::table(
            ["NAME", "SAYS", "CHANGED"],
            found.iter().map(|it| {
                let (_, name, says, changed) = row(it);
                [name, says, changed]
            }),
        ),
    }
}

/// The table of `-o wide`.
pub(super) fn wide(kind: Kind, found: &[Value]) -> String {
    let labels = |it: &Value| {
        let labels = it.get("labels").and_then(Value::as_object).into_iter().flatten();
        labels
            .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
            .collect::<Vec<_>>()
            .join(",")
    };
    let row = |it: &Value| {
        let some = |key: &str| text(it, key).to_owned();
        [
            some("mesh"),
            some("name"),
            summary(kind, it),
            changed(it),
            some("creationTime"),
            some("kri"),
            labels(it),
        ]
    };
    output::table(["MESH", "NAME", "SAYS", "CHANGED", "CREATED", "KRI", "LABELS"], found.iter().map(row))
}

/// When it changed last, to the second.
fn changed(resource: &Value) -> String {
    let time = text(resource, "modificationTime");
    match time.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None if time.is_empty() => "-".to_owned(),
        None => time.to_owned(),
    }
}

/// What a resource says, in a few words; nothing for kinds that take more than a few.
fn summary(kind: Kind, resource: &Value) -> String {
    let list =
        |pointer: &str| resource.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default();
    match kind {
        Kind::MeshTCPRoute | Kind::MeshHTTPRoute => {
            let item = |it: &Value| {
                let to = it.get("targetRef").map(reference).unwrap_or_default();
                let backends = it.pointer("/rules/0/default/backendRefs").and_then(Value::as_array);
                let backend = |it: &Value| match it.get("weight") {
                    Some(weight) => format!("{} {weight}", reference(it)),
                    None => reference(it),
                };
                let backends: Vec<String> = backends.into_iter().flatten().map(backend).collect();
                format!("{to} → {}", backends.join(", "))
            };
            list("/spec/to").iter().map(item).collect::<Vec<_>>().join("; ")
        }
        Kind::Dataplane => {
            let address = resource.pointer("/networking/address").and_then(Value::as_str).unwrap_or_default();
            let ports = list("/networking/inbound");
            let inbound = |it: &Value| {
                let port = it.get("port").map(Value::to_string).unwrap_or_default();
                match it.pointer("/tags/kuma.io~1service").and_then(Value::as_str) {
                    Some(service) => format!("{service}:{port}"),
                    None => port,
                }
            };
            let inbounds: Vec<String> = ports.iter().map(inbound).collect();
            let dials = list("/networking/outbound").len();
            format!(
                "{address}, offers {}, dials {dials}",
                if inbounds.is_empty() { "nothing".to_owned() } else { inbounds.join(", ") }
            )
        }
        Kind::MeshService => {
            let port = |it: &Value| it.get("port").map(Value::to_string).unwrap_or_default();
            format!("ports {}", list("/spec/ports").iter().map(port).collect::<Vec<_>>().join(", "))
        }
        Kind::MeshExternalService => {
            let endpoint = |it: &Value| {
                let address = it.get("address").and_then(Value::as_str).unwrap_or_default();
                it.get("port").map_or_else(|| address.to_owned(), |port| format!("{address}:{port}"))
            };
            list("/spec/endpoints").iter().map(endpoint).collect::<Vec<_>>().join(", ")
        }
        _ => resource.pointer("/spec/targetRef").map(reference).unwrap_or_default(),
    }
}

/// A reference in words: its name, or its kind, with what narrows it.
fn reference(reference: &Value) -> String {
    let some =
        |key: &str| reference.get(key).map(|it| it.as_str().map_or_else(|| it.to_string(), str::to_owned));
    let mut words = some("name").or_else(|| some("kind")).unwrap_or_default();
    for port in ["port", "sectionName"].into_iter().filter_map(some) {
        words.push_str(&format!(":{port}"));
    }
    for key in ["tags", "labels"] {
        for (key, value) in reference.get(key).and_then(Value::as_object).into_iter().flatten() {
            words.push_str(&format!(" {key}={}", value.as_str().unwrap_or_default()));
        }
    }
    words
}
