//! Decoded configuration of a proxy, with secrets blanked.

use std::collections::BTreeMap;
use std::sync::Arc;

use dialect::envoy::EnvoyOptions;
use plan::Snapshot;
use serde_json::{Map, Value, json};
use xds::proto::l4;
use xds::{ResourceSet, TypeUrl};

use super::super::answer::Answer;
use super::super::operation::Outcome;
use super::super::refusal::Refusal;
use super::super::request::ApiRequest;
use super::{TITLE, compiled};

/// Text in place of a secret.
const BLANK: &str = "[redacted]";

/// Decodes messages by type and name. Types of our own that have no JSON are shown by version and size.
fn decoded(set: &ResourceSet) -> Value {
    let mut types = Map::new();
    for type_url in set.type_urls() {
        let resources: Map<String, Value> = set
            .of_type(type_url)
            .map(|(name, found)| {
                let mut tree = message(type_url, &found.body).unwrap_or_else(
                    || json!({ "version": found.version.to_string(), "bytes": found.body.len() }),
                );
                if type_url.as_str().ends_with(".Secret") {
                    blank(&mut tree, true);
                }
                blank(&mut tree, false);
                (name.to_owned(), tree)
            })
            .collect();
        types.insert(type_url.as_str().to_owned(), Value::Object(resources));
    }
    Value::Object(types)
}

/// Decodes a message of either dialect.
fn message(type_url: &TypeUrl, body: &[u8]) -> Option<Value> {
    fn ours<M: prost::Message + Default + serde::Serialize>(body: &[u8]) -> Option<Value> {
        serde_json::to_value(M::decode(body).ok()?).ok()
    }
    match type_url {
        it if *it == TypeUrl::of::<l4::Listener>() => ours::<l4::Listener>(body),
        it if *it == TypeUrl::of::<l4::Route>() => ours::<l4::Route>(body),
        it if *it == TypeUrl::of::<l4::Cluster>() => ours::<l4::Cluster>(body),
        it if *it == TypeUrl::of::<l4::Endpoints>() => ours::<l4::Endpoints>(body),
        it => dialect::decode(it, body).ok(),
    }
}

/// Blanks the fields of Envoy's messages that hold keys; in a secret, every text other than its name.
fn blank(tree: &mut Value, all: bool) {
    match tree {
        Value::Object(members) => {
            for (key, value) in members {
                match key.as_str() {
                    "privateKey" | "password" | "inlineBytes" | "inlineString"
                        if value.is_object() || all =>
                    {
                        *value = json!(BLANK);
                    }
                    "name" | "@type" => {}
                    _ => blank(value, all),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| blank(item, all)),
        Value::String(text) if all => *text = BLANK.to_owned(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

pub(super) async fn xds(request: ApiRequest) -> Outcome {
    let (_, proxy) = compiled(&request).await?;
    let told = request.api().plane.told(&proxy);
    let mut shown = match told {
        Some((_, set)) => decoded(&set),
        None => json!({}),
    };
    if request.asked("include_eds") != Some("true")
        && let Some(types) = shown.as_object_mut()
    {
        types.retain(|type_url, _| !type_url.ends_with("ClusterLoadAssignment"));
    }
    Ok(Answer::json(json!({ "xds": shown })))
}

pub(super) async fn config(request: ApiRequest) -> Outcome {
    let (compiled, key) = compiled(&request).await?;
    let envoy = request.api().plane.standing().envoy();
    let work = move || {
        let proxy = compiled.proxies.get(&key).ok_or_else(|| Refusal::not_found(TITLE))?;
        let now = lowered(&proxy.plan, &envoy)?;
        let shown = match request.asked("shadow") {
            Some("true") => lowered(&shadowed(&compiled.snapshot, &key)?, &envoy)?,
            _ => now.clone(),
        };
        let mut answer = json!({ "xds": shown });
        if request.query.iter().any(|(name, value)| name == "include" && value == "diff") {
            let mut patch = Vec::new();
            difference(&mut patch, "", &now, &shown);
            answer["diff"] = patch.into();
        }
        Ok(Answer::json(answer))
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(Refusal::leaving()))
}

/// Renders the configuration for Envoy in the layout that this control plane was started with, whether it is attached
/// or not.
fn lowered(plan: &plan::Plan, envoy: &EnvoyOptions) -> Result<Value, Refusal> {
    let set = dialect::envoy::lower(plan, envoy).to_resource_set();
    let set = set.map_err(|error| {
        tracing::error!(%error, "a plan cannot be said to Envoy");
        Refusal::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, TITLE, "Internal Server Error")
    })?;
    Ok(decoded(&set))
}

/// Plans the proxy with shadow policies counted as ordinary ones.
fn shadowed(snapshot: &Snapshot, key: &plan::ProxyId) -> Result<plan::Plan, Refusal> {
    let resources = snapshot.resources().iter().map(|resource| match resource.meta().is_shadow() {
        true => resource.in_force().into(),
        false => Arc::clone(resource),
    });
    let lit = Snapshot::new(resources, snapshot.context().clone());
    plan::plan(&lit, key).ok_or_else(|| Refusal::not_found(TITLE))
}

/// Appends a JSON patch from one tree to another. Lists are replaced as a whole.
fn difference(patch: &mut Vec<Value>, path: &str, from: &Value, to: &Value) {
    let (Value::Object(old), Value::Object(new)) = (from, to) else {
        if from != to {
            patch.push(json!({ "op": "replace", "path": path, "value": to }));
        }
        return;
    };
    let keys: BTreeMap<&String, ()> = old.keys().chain(new.keys()).map(|key| (key, ())).collect();
    for key in keys.into_keys() {
        let path = format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
        match (old.get(key), new.get(key)) {
            (Some(old), Some(new)) => difference(patch, &path, old, new),
            (Some(_), None) => patch.push(json!({ "op": "remove", "path": path })),
            (None, Some(new)) => patch.push(json!({ "op": "add", "path": path, "value": new })),
            (None, None) => {}
        }
    }
}

/// Answers with the clusters of the plan, in the layout of Envoy's own page.
pub(super) async fn clusters(request: ApiRequest) -> Outcome {
    let (compiled, proxy) = compiled(&request).await?;
    let proxy = compiled.proxies.get(&proxy).ok_or_else(|| Refusal::not_found(TITLE))?;
    let mut text = String::new();
    for (name, cluster) in proxy.plan.destinations() {
        for endpoint in &cluster.endpoints {
            let (address, port) = (&endpoint.address, endpoint.port);
            text.push_str(&format!("{name}::{address}:{port}::weight::{}\n", endpoint.weight));
            text.push_str(&format!("{name}::{address}:{port}::priority::{}\n", endpoint.priority));
        }
    }
    Ok(Answer::text(text))
}

/// Answers with the counts that the control plane has of the proxy's answers.
pub(super) async fn stats(request: ApiRequest) -> Outcome {
    let (_, proxy) = compiled(&request).await?;
    let mut text = String::new();
    if let Some(status) = request.api().plane.status(&proxy) {
        text.push_str(&format!("control_plane.connected_state: {}\n", u8::from(status.connection.is_some())));
        text.push_str(&format!("control_plane.streams: {}\n", status.streams));
        for (type_url, answers) in &status.types {
            let word = type_url.as_str().rsplit('.').next().unwrap_or_default();
            text.push_str(&format!("control_plane.{word}.update_success: {}\n", answers.acks));
            text.push_str(&format!("control_plane.{word}.update_rejected: {}\n", answers.nacks));
        }
    }
    Ok(Answer::text(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_blanked_wherever_they_are() {
        let mut tree = json!({ "name": "id", "tlsCertificate": { "certificateChain": { "inlineBytes": "QUJD" }, "privateKey": { "inlineBytes": "U0VDUkVU" } } });
        blank(&mut tree, true);
        assert!(!tree.to_string().contains("U0VDUkVU"));
        let mut tree = json!({ "transport": [{ "privateKey": { "filename": "/key" } }], "name": "x" });
        blank(&mut tree, false);
        assert_eq!(tree, json!({ "transport": [{ "privateKey": BLANK }], "name": "x" }));
    }

    #[test]
    fn a_difference_is_a_patch() {
        let mut patch = Vec::new();
        difference(
            &mut patch,
            "",
            &json!({ "a": 1, "b/c": { "x": 1 }, "d": 1 }),
            &json!({ "a": 2, "b/c": { "x": 1, "y": [] } }),
        );
        assert_eq!(
            json!(patch),
            json!([
                { "op": "replace", "path": "/a", "value": 2 },
                { "op": "add", "path": "/b~1c/y", "value": [] },
                { "op": "remove", "path": "/d" },
            ])
        );
    }
}
