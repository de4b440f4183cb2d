//! What this server is, what it knows, and who calls.

use std::sync::LazyLock;

use axum::http::Method;
use serde_json::json;
use xds::Version;

use super::answer::Answer;
use super::caller::Role;
use super::collection::Collection;
use super::operation::{Body, Operation, Query, Sort};

/// It takes longer to make than to send, and anybody may ask.
static OPENAPI: LazyLock<String> = LazyLock::new(|| format!("{:#}\n", super::openapi::document()));

/// Kuma's tools take every kind that is listed for one of Kuma's.
const OWN: &[Query] =
    &[Query { name: "own", about: "Also the kinds that are meshtcp's own", sort: Sort::Flag }];

/// The rows.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(Method::GET, "/", "Says what this server is", |ask| {
            Box::pin(async move {
                let desk = ask.desk();
                let setup = &desk.setup;
                Ok(Answer::json(json!({
                    "hostname": setup.hostname,
                    "product": setup.product,
                    "version": setup.version,
                    "instanceId": setup.instance,
                    // control planes that share a store are one
                    "clusterId": Version::of(desk.store.describe().as_bytes()).to_string(),
                    "basedOnKuma": setup.rules.profile.release().as_str(),
                    "gui": "/gui",
                })))
            })
        })
        .open()
        .good(200, Body::Json("Index")),
        Operation::new(Method::GET, "/openapi.json", "Shows this API as an OpenAPI document", |_| {
            Box::pin(async { Ok(Answer::written(&OPENAPI)) })
        })
        .open()
        .good(200, Body::Json("Object")),
        Operation::get("/config", "Shows the configuration, without secrets", "Object", |ask| {
            Box::pin(async move { Ok(Answer::json(ask.desk().setup.config.clone())) })
        }),
        Operation::get("/_resources", "Lists the kinds of resources", "ResourceTypes", |ask| {
            Box::pin(async move {
                let own = ask.asked("own") == Some("true");
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
        Operation::get("/who-am-i", "Says who calls", "WhoAmI", |ask| {
            Box::pin(async move {
                let caller = &ask.caller;
                Ok(Answer::json(json!({ "name": caller.name, "groups": caller.groups })))
            })
        })
        .needs(Role::Nobody),
    ]
}
