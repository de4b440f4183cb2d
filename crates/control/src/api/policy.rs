//! Proxies affected by a policy or a service.

use std::collections::BTreeMap;
use std::sync::Arc;

use change::compile::Compiled;
use model::{Kind, ProxyKey, Resource, Spec};
use plan::Shadows;
use serde_json::{Value, json};

use super::addressed::{exists, keys_of};
use super::answer::Answer;
use super::attachments::{self, Attachment, MeshIndex};
use super::collection::Collection;
use super::computed::Computed;
use super::document;
use super::filter::Filter;
use super::listing::{FILTERS, PAGING};
use super::operation::{Operation, Outcome};
use super::page::Page;
use super::refusal::Refusal;
use super::request::ApiRequest;
use super::selected::selects;
use crate::store::Selection;

const TITLE: &str = "Could not retrieve a resource";

/// Returns the operations. One client writes the hyphen where the server has the underscore.
pub(super) fn operations() -> Vec<Operation> {
    let mut rows = Vec::new();
    for path in [
        "/meshes/{mesh}/{plural}/{name}/_resources/dataplanes",
        "/meshes/{mesh}/{plural}/{name}/-resources/dataplanes",
    ] {
        let row = Operation::get(
            path,
            "Lists the dataplanes that a policy or service concerns",
            "ResourceList",
            |request| {
                Box::pin(concerned(request, |request, found| {
                    let page = Page::read(&request.query)?;
                    Ok(page.of(&found, request.place(), dataplane_meta))
                }))
            },
        );
        rows.push(row.query(PAGING).query(FILTERS));
    }
    rows.push(
        Operation::get(
            "/meshes/{mesh}/{plural}/{name}/_dataplanes",
            "Lists the dataplanes of a service",
            "ResourceList",
            |request| {
                Box::pin(concerned(request, |request, found| {
                    let page = Page::read(&request.query)?;
                    Ok(page.of(&found, request.place(), dataplane_meta))
                }))
            },
        )
        .query(PAGING),
    );
    rows.push(Operation::get(
        "/meshes/{mesh}/{plural}/{name}/dataplanes",
        "Lists the dataplanes that a policy concerns, as older clients ask",
        "ItemList",
        |request| Box::pin(older(request)),
    ));
    rows.push(Operation::get(
        "/meshes/{mesh}/{plural}/{name}/_hostnames",
        "Lists the host names of a service",
        "ItemList",
        |request| Box::pin(hostnames(request)),
    ));
    rows
}

fn dataplane_meta(found: &Arc<Resource>) -> Value {
    let meta = found.meta();
    document::meta(Kind::Dataplane, meta.mesh.as_str(), meta.name.as_str(), &json!(meta.labels))
}

fn attached(found: &Resource, attachments: &[Value]) -> Value {
    let is_gateway =
        matches!(found.spec(), Spec::Dataplane(dataplane) if dataplane.builtin_gateway().is_some());
    json!({
        "kind": if is_gateway { "MeshGatewayDataplane" } else { "SidecarDataplane" },
        "dataplane": { "mesh": found.meta().mesh.as_str(), "name": found.meta().name.as_str() },
        "attachments": attachments,
    })
}

/// Answers with the proxies affected by a policy or a gateway, in the shape of older clients. The list is empty if it
/// does not exist.
async fn older(request: ApiRequest) -> Outcome {
    let collection = request.collection()?;
    let Collection::Kept(kind) = collection else { return Err(Refusal::no_page()) };
    let store = request.api().store.as_ref();
    exists(store, request.parameter("mesh")).await?;
    let shown = |items: Vec<Value>| Answer::json(json!({ "total": items.len(), "items": items }));
    let key = keys_of(&request, kind);
    if store.get(&key).await.map_err(|error| Refusal::of_store(TITLE, &error))?.is_none() {
        return Ok(shown(Vec::new()));
    }
    if kind.is_policy() || matches!(kind, Kind::MeshService | Kind::MeshGateway) {
        return concerned(request, |_, found| {
            let items: Vec<Value> =
                found.iter().map(|it| attached(it, &[json!({ "type": "dataplane" })])).collect();
            Ok(json!({ "total": items.len(), "items": items }))
        })
        .await;
    }
    if !collection.is_attached() {
        return Err(Refusal::no_page());
    }
    let selection = Selection::default().in_mesh(request.parameter("mesh"));
    let listing = store.list(&selection).await.map_err(|error| Refusal::of_store(TITLE, &error))?;
    let compiled = Arc::clone(&request.api().plane.standing().compiled);
    let work = move || {
        let inside = MeshIndex::of(&listing.items);
        let items = compiled.snapshot.in_mesh(Kind::Dataplane, request.parameter("mesh")).iter().filter_map(
            |found| {
                let parts = attachments::of_tags(&found.key(), &inside);
                let places: Vec<Value> =
                    parts.iter().filter(|it| it.has(&key)).map(Attachment::place).collect();
                (!places.is_empty()).then(|| attached(found, &places))
            },
        );
        Ok(shown(items.collect()))
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(Refusal::leaving()))
}

/// Answers from the dataplanes that are affected by the resource in the path.
async fn concerned(
    request: ApiRequest,
    show: fn(&ApiRequest, Vec<Arc<Resource>>) -> Result<Value, Refusal>,
) -> Outcome {
    let Collection::Kept(kind) = request.collection()? else { return Err(Refusal::no_page()) };
    let filter = Filter::read(&request.query, false)?;
    let compiled = Arc::clone(&request.api().plane.standing().compiled);
    let work = move || {
        let (mesh, name) = (request.parameter("mesh"), request.parameter("name"));
        // the path with the hyphen is a client's mistake: if its resource is missing, the path is unknown
        let absent = || match request.path.contains("/-resources/") {
            true => Refusal::no_page(),
            false => Refusal::not_found(TITLE),
        };
        let resource = compiled.snapshot.named(kind, mesh, name).ok_or_else(absent)?;
        let is_concerned = |key: &ProxyKey, found: &Resource| match resource.spec() {
            Spec::Policy(_) => {
                let view = compiled.snapshot.seen_by(key);
                view.is_some_and(|view| {
                    !view.match_policies([resource], Shadows::Included).policies.is_empty()
                })
            }
            Spec::MeshService(service) => selects(&service.selector, found),
            Spec::Dataplane(_) => key.name == *name,
            Spec::MeshGateway(_) => {
                let view = compiled.snapshot.seen_by(key);
                view.and_then(|view| Some(view.gateway()?.0.meta().name == *name)).unwrap_or_default()
            }
            _ => false,
        };
        // a gateway has the older shape only
        let is_gateway = kind == Kind::MeshGateway
            && request.path.ends_with("/dataplanes")
            && !request.path.contains("resources/");
        if !kind.is_policy() && kind != Kind::MeshService && !is_gateway {
            return Err(Refusal::no_page());
        }
        let found = dataplanes(&compiled, mesh, |key, found| is_concerned(key, found));
        let found = found.into_iter().filter(|it| {
            filter.holds(&json!({ "name": it.meta().name.as_str(), "labels": it.meta().labels }))
        });
        show(&request, found.collect()).map(Answer::json)
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(Refusal::leaving()))
}

fn dataplanes(
    compiled: &Compiled,
    mesh: &str,
    is_concerned: impl Fn(&ProxyKey, &Resource) -> bool,
) -> Vec<Arc<Resource>> {
    let all = compiled.snapshot.in_mesh(Kind::Dataplane, mesh).iter();
    all.filter(|found| is_concerned(&ProxyKey::new(mesh, found.meta().name.clone()), found))
        .cloned()
        .collect()
}

/// Answers with the host names of a service, with their zones.
async fn hostnames(request: ApiRequest) -> Outcome {
    let Collection::Kept(kind) = request.collection()? else { return Err(Refusal::no_page()) };
    if !matches!(kind, Kind::MeshService | Kind::MeshExternalService | Kind::MeshMultiZoneService) {
        return Err(Refusal::no_page());
    }
    let key = keys_of(&request, kind);
    let found = request.api().store.get(&key).await.map_err(|error| Refusal::of_store(TITLE, &error))?;
    let found = found.ok_or_else(|| Refusal::not_found(TITLE))?;
    let found = Computed::now(request.api(), kind).fill(found);
    let zone = found.document["labels"][model::reference::ZONE_TAG].as_str();
    let zone = zone.or(request.api().setup.rules.zone.as_deref()).unwrap_or("default");
    let mut zones: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    let addresses = found.document["status"]["addresses"].as_array();
    for hostname in addresses.into_iter().flatten().filter_map(|address| address["hostname"].as_str()) {
        zones.entry(hostname).or_insert_with(|| vec![json!({ "name": zone })]);
    }
    let items: Vec<Value> =
        zones.into_iter().map(|(hostname, zones)| json!({ "hostname": hostname, "zones": zones })).collect();
    Ok(Answer::json(json!({ "total": items.len(), "items": items })))
}
