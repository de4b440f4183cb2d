//! Information about this server, its resource kinds, and the caller.

use std::sync::LazyLock;

use axum::http::Method;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use xds::Version;

use super::answer::Answer;
use super::caller::Role;
use super::collection::Collection;
use super::operation::{Body, Operation, ParameterType, Query, Schema};

/// OpenAPI document. Cached: it takes longer to make than to send, and anybody may ask.
static OPENAPI: LazyLock<String> = LazyLock::new(|| format!("{:#}\n", super::openapi::document()));

/// Parameter for our own kinds. Kuma's tools take every listed kind for one of Kuma's.
const OWN: &[Query] =
    &[Query { name: "own", about: "Also the kinds that are meshtcp's own", sort: ParameterType::Flag }];

/// Description of this server.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Index {
    hostname: String,
    product: String,
    version: String,
    /// Id of the process.
    instance_id: String,
    /// Id of the store: control planes that share one are one cluster.
    cluster_id: String,
    /// Release of Kuma whose rules apply.
    based_on_kuma: String,
    /// Path of the page.
    gui: &'static str,
}

/// Name and role of the caller.
#[derive(Serialize, JsonSchema)]
struct WhoAmI {
    name: String,
    groups: Vec<String>,
}

/// Returns the operations.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(Method::GET, "/", "Says what this server is", |request| {
            Box::pin(async move {
                let inner = request.api();
                let setup = &inner.setup;
                Ok(Answer::json(json!(Index {
                    hostname: setup.hostname.to_string(),
                    product: setup.product.to_string(),
                    version: setup.version.to_string(),
                    instance_id: setup.instance.to_string(),
                    cluster_id: Version::of(inner.store.describe().as_bytes()).to_string(),
                    based_on_kuma: setup.rules.profile.release().as_str().to_owned(),
                    gui: "/gui",
                })))
            })
        })
        .open()
        .good(200, Body::of::<Index>()),
        Operation::new(Method::GET, "/openapi.json", "Shows this API as an OpenAPI document", |_| {
            Box::pin(async { Ok(Answer::written(&OPENAPI)) })
        })
        .open()
        .good(200, Body::Json("Object".into())),
        Operation::get("/config", "Shows the configuration, without secrets", "Object", |request| {
            Box::pin(async move { Ok(Answer::json(request.api().setup.config.clone())) })
        }),
        Operation::get("/_resources", "Lists the kinds of resources", "ResourceTypes", |request| {
            Box::pin(async move {
                let own = request.asked("own") == Some("true");
                let listed = Collection::all().into_iter().filter(|it| own || !it.is_own());
                let rows: Vec<_> = listed.map(Collection::described).collect();
                Ok(Answer::json(json!({ "resources": rows })))
            })
        })
        .query(OWN),
        Operation::get("/policies", "Lists the kinds of policies", "Policies", |_| {
            Box::pin(async {
                let listed = Collection::all().into_iter().filter(|it| !it.is_own());
                let rows = listed.filter_map(Collection::described_policy);
                Ok(Answer::json(json!({ "policies": rows.collect::<Vec<_>>() })))
            })
        }),
        Operation::get("/who-am-i", "Says who calls", Schema::of::<WhoAmI>(), |request| {
            Box::pin(async move {
                let caller = &request.caller;
                Ok(Answer::json(json!(WhoAmI {
                    name: caller.name.to_string(),
                    groups: caller.groups.clone()
                })))
            })
        })
        .needs(Role::Nobody),
    ]
}
