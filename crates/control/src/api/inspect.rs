//! Questions about one proxy, answered from its desired configuration.

mod dump;
mod layout;
mod policies;
mod rules;
mod zone_proxies;

use std::sync::Arc;

use change::compile::{Compiled, CompiledProxy};
use model::{Kind, ProxyKey, ResourceId};
use plan::{ProxyId, View};
use serde_json::json;

use super::answer::Answer;
use super::operation::{Body, Operation, Outcome, ParameterType, Query};
use super::refusal::Refusal;
use super::request::ApiRequest;

const TITLE: &str = "Could not retrieve a resource";

const CONFIG: &[Query] = &[
    Query {
        name: "shadow",
        about: "Whether policies with the label kuma.io/effect: shadow count too",
        sort: ParameterType::Flag,
    },
    Query {
        name: "include",
        about: "`diff`: add what is different from now",
        sort: ParameterType::OneOf(&["diff"]),
    },
];
const DUMP: &[Query] = &[
    Query { name: "include_eds", about: "Whether endpoints are shown too", sort: ParameterType::Flag },
    Query { name: "format", about: "Kept for older clients", sort: ParameterType::Text },
    Query { name: "usedonly", about: "Kept for older clients", sort: ParameterType::Flag },
];

/// Returns the operations.
pub(super) fn operations() -> Vec<Operation> {
    let get = Operation::get;
    vec![
        get(
            "/meshes/{mesh}/dataplanes/{name}/_plan",
            "Shows what a proxy must do, and why",
            "Object",
            |request| Box::pin(about(request, |_, proxy| Ok(plan::plan_json(&proxy.plan)))),
        ),
        get(
            "/meshes/{mesh}/dataplanes/{name}/_layout",
            "Shows the inbounds and outbounds of a proxy",
            "Layout",
            |request| Box::pin(viewed(request, |view, proxy, _| Ok(layout::shown(view, proxy)))),
        ),
        get(
            "/meshes/{mesh}/dataplanes/{name}/_rules",
            "Shows the rules of a proxy, by kind of policy",
            "ProxyRules",
            |request| {
                Box::pin(async {
                    let shown = viewed(request, |view, _, _| Ok(rules::shown(view))).await;
                    shown.map_err(|refusal| match refusal.status {
                        axum::http::StatusCode::NOT_FOUND => refusal.titled("Could not retrieve Dataplane"),
                        _ => refusal,
                    })
                })
            },
        ),
        get(
            "/meshes/{mesh}/meshgateways/{name}/_rules",
            "Shows the rules of a gateway, by kind of policy",
            "ProxyRules",
            |request| Box::pin(rules::of_gateway(request)),
        ),
        get(
            "/meshes/{mesh}/dataplanes/{name}/rules",
            "Shows the rules of a proxy, as older clients ask",
            "ItemList",
            |request| Box::pin(viewed(request, |view, _, _| Ok(rules::listed(view)))),
        ),
        get(
            "/meshes/{mesh}/dataplanes/{name}/policies",
            "Shows the policies of a proxy, as older clients ask",
            "ItemList",
            |request| Box::pin(policies::older(request)),
        ),
        get(
            "/meshes/{mesh}/dataplanes/{name}/_policies",
            "Shows what policies say about a proxy as a whole",
            "AppliedPolicies",
            |request| Box::pin(viewed(request, |view, _, _| Ok(policies::of_proxy(view)))),
        ),
        get(
            "/meshes/{mesh}/dataplanes/{name}/_inbounds/{kri}/_policies",
            "Shows what policies say about an inbound",
            "AppliedPolicies",
            |request| {
                Box::pin(viewed(request, |view, _, request| {
                    policies::of_inbound(view, &section(request, "kri")?)
                }))
            },
        ),
        get(
            "/meshes/{mesh}/dataplanes/{name}/_outbounds/{kri}/_policies",
            "Shows what policies say about an outbound",
            "AppliedPolicies",
            |request| {
                Box::pin(viewed(request, |view, _, request| {
                    Ok(policies::of_outbound(view, &section(request, "kri")?))
                }))
            },
        ),
        get(
            "/meshes/{mesh}/dataplanes/{name}/_outbounds/{kri}/_routes",
            "Shows the routes of an outbound",
            "Routes",
            |request| Box::pin(routes(request)),
        ),
        get(
            "/meshes/{mesh}/dataplanes/{name}/_outbounds/{kri}/_routes/{route}/_policies",
            "Shows what policies say about a route of an outbound",
            "AppliedPolicies",
            |request| {
                Box::pin(viewed(request, |view, _, request| {
                    section(request, "route")?;
                    Ok(policies::of_outbound(view, &section(request, "kri")?))
                }))
            },
        ),
        get(
            "/meshes/{mesh}/dataplanes/{name}/_config",
            "Shows what a proxy is or would be told",
            "Config",
            |request| Box::pin(dump::config(request)),
        )
        .query(CONFIG),
        get(
            "/meshes/{mesh}/dataplanes/{name}/xds",
            "Shows what a proxy was told last",
            "Config",
            |request| Box::pin(dump::xds(request)),
        )
        .query(DUMP),
        Operation {
            good: vec![(200, Body::Text)],
            ..get(
                "/meshes/{mesh}/dataplanes/{name}/clusters",
                "Lists the clusters of a proxy",
                "",
                |request| Box::pin(dump::clusters(request)),
            )
            .query(DUMP)
        },
        Operation {
            good: vec![(200, Body::Text)],
            ..get(
                "/meshes/{mesh}/dataplanes/{name}/stats",
                "Counts what a proxy accepted and refused",
                "",
                |request| Box::pin(dump::stats(request)),
            )
            .query(DUMP)
        },
    ]
    .into_iter()
    .chain(zone_proxies::operations())
    .collect()
}

/// Returns the proxy in the path.
fn proxy(request: &ApiRequest) -> Option<ProxyId> {
    ProxyId::of_kind(kind(&request.path), request.parameter("mesh"), request.parameter("name"))
}

/// Returns the kind of proxy resource that a path is about.
fn kind(path: &str) -> Kind {
    match path.trim_start_matches('/').split('/').next() {
        Some("zoneingresses" | "zone-ingresses") => Kind::ZoneIngress,
        Some("zoneegresses") => Kind::ZoneEgress,
        _ => Kind::Dataplane,
    }
}

/// Returns the compiled state of all proxies with the proxy in the path, which is among them.
async fn compiled(request: &ApiRequest) -> Result<(Arc<Compiled>, ProxyId), Refusal> {
    let compiled = Arc::clone(&request.api().plane.standing().compiled);
    let proxy = proxy(request).filter(|proxy| compiled.proxies.contains_key(proxy));
    proxy.map(|proxy| (compiled, proxy)).ok_or_else(|| Refusal::not_found(TITLE))
}

async fn about(
    request: ApiRequest,
    show: impl Fn(&ApiRequest, &CompiledProxy) -> Result<serde_json::Value, Refusal> + Send,
) -> Outcome {
    let (compiled, proxy) = compiled(&request).await?;
    let proxy = compiled.proxies.get(&proxy).ok_or_else(|| Refusal::not_found(TITLE))?;
    Ok(Answer::json(show(&request, proxy)?))
}

/// Answers from the view of the proxy, on a thread for blocking work.
async fn viewed(
    request: ApiRequest,
    show: fn(&View<'_>, &CompiledProxy, &ApiRequest) -> Result<serde_json::Value, Refusal>,
) -> Outcome {
    let (compiled, id) = compiled(&request).await?;
    let work = move || {
        let proxy = compiled.proxies.get(&id).ok_or_else(|| Refusal::not_found(TITLE))?;
        let view = id.as_dataplane().and_then(|key| compiled.snapshot.seen_by(key));
        show(&view.ok_or_else(|| Refusal::not_found(TITLE))?, proxy, &request).map(Answer::json)
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(Refusal::leaving()))
}

/// Parses the identifier in a parameter of the path.
fn section(request: &ApiRequest, parameter: &str) -> Result<ResourceId, Refusal> {
    let text = request.parameter(parameter);
    let invalid = || Refusal::bad(format!("bad request: invalid identifier string: \"{text}\""));
    ResourceId::from_kri(text).ok_or_else(invalid)
}

async fn routes(request: ApiRequest) -> Outcome {
    let compiled = Arc::clone(&request.api().plane.standing().compiled);
    let dataplane = ProxyKey::new(request.parameter("mesh"), request.parameter("name"));
    let plan::InspectionResponse { status, body } =
        compiled.snapshot.inspect_outbound_routes(&dataplane, request.parameter("kri"));
    let status = axum::http::StatusCode::from_u16(status).unwrap_or_default();
    Ok(Answer::json(body).with_status(status))
}

/// Renders the origins of a value as identifiers.
fn origins(origins: &[plan::PolicyOrigin]) -> Vec<serde_json::Value> {
    origins.iter().map(|origin| json!({ "kri": origin.policy.to_string() })).collect()
}
