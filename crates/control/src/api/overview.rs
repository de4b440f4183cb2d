//! Overviews: a resource together with the status of its proxy.

use std::collections::BTreeMap;
use std::sync::Arc;

use change::certificates::CertificateRow;
use change::status::{Connection, ProxyStatus};
use model::{Kind, ProxyKey, ResourceKey};
use plan::{ProxyId, Snapshot};
use serde_json::{Value, json};

use super::Inner;
use super::addressed::exists;
use super::answer::Answer;
use super::collection::Collection;
use super::document;
use super::filter::Filter;
use super::listing::{DATAPLANE_FILTERS, FILTERS, PAGING};
use super::operation::{Operation, Outcome};
use super::page::Page;
use super::refusal::Refusal;
use super::request::ApiRequest;
use crate::store::{Selection, Stored};

const LIST: &str = "Could not retrieve resources";
const ITEM: &str = "Could not retrieve a resource";

/// Returns the operations, under their new and their old names.
pub(super) fn operations() -> Vec<Operation> {
    let mut rows = Vec::new();
    for path in [
        "/meshes/{mesh}/{plural}/_overview",
        "/{plural}/_overview",
        "/meshes/{mesh}/dataplanes+insights",
        "/dataplanes+insights",
        "/zones+insights",
        "/zoneingresses+insights",
        "/zoneegressoverviews",
    ] {
        let row =
            Operation::get(path, "Lists resources with what is known of them", "ResourceList", |request| {
                Box::pin(list(request))
            });
        let row = row.query(PAGING).query(FILTERS).query(DATAPLANE_FILTERS);
        rows.push(if row.bad.contains(&404) { row } else { row.bad(404) });
    }
    for path in [
        "/meshes/{mesh}/{plural}/{name}/_overview",
        "/{plural}/{name}/_overview",
        "/meshes/{mesh}/dataplanes+insights/{name}",
        "/zones+insights/{name}",
        "/zoneingresses+insights/{name}",
        "/zoneegressoverviews/{name}",
    ] {
        rows.push(Operation::get(path, "Shows a resource with what is known of it", "Resource", |request| {
            Box::pin(get(request))
        }));
    }
    rows
}

/// Returns the kind in the path, if there are overviews of it there.
fn kind(request: &ApiRequest) -> Result<Kind, Refusal> {
    let old = request.path.trim_matches('/').split('/').find_map(|part| match part {
        "dataplanes+insights" => Some(Kind::Dataplane),
        "zones+insights" => Some(Kind::Zone),
        "zoneingresses+insights" => Some(Kind::ZoneIngress),
        "zoneegressoverviews" => Some(Kind::ZoneEgress),
        _ => None,
    });
    let kind = match old {
        Some(kind) => kind,
        None => match request.collection()? {
            Collection::Kept(kind) => kind,
            Collection::Computed(_) => return Err(Refusal::no_page()),
        },
    };
    match kind {
        Kind::Dataplane | Kind::Zone | Kind::ZoneIngress | Kind::ZoneEgress => Ok(kind),
        _ => Err(Refusal::no_page()),
    }
}

async fn list(request: ApiRequest) -> Outcome {
    let kind = kind(&request)?;
    let page = Page::read(&request.query)?;
    let filter = Filter::read(&request.query, kind == Kind::Dataplane)?;
    let inner = request.api();
    if let Some(mesh) = request.mesh() {
        exists(inner.store.as_ref(), mesh).await?;
    }
    let selection = Selection { kind: Some(kind), mesh: request.mesh().map(str::to_owned) };
    let listing = inner.store.list(&selection).await.map_err(|error| Refusal::of_store(LIST, &error))?;
    let found: Vec<Stored> = listing.items.into_iter().filter(|it| filter.holds(&it.document)).collect();
    let statuses = inner.plane.statuses();
    let show = |stored: &Stored| overview(inner, stored, status(&statuses, stored));
    Ok(Answer::json(page.of(&found, request.place(), show)))
}

async fn get(request: ApiRequest) -> Outcome {
    let kind = kind(&request)?;
    let inner = request.api();
    let key = ResourceKey::new(kind, request.mesh().unwrap_or_default(), request.parameter("name"));
    let found = inner.store.get(&key).await.map_err(|error| Refusal::of_store(ITEM, &error))?;
    let found = found.ok_or_else(|| Refusal::not_found(ITEM))?;
    let status = ProxyId::of(&found.key).and_then(|proxy| inner.plane.status(&proxy));
    Ok(Answer::json(overview(inner, &found, status.as_ref())))
}

/// Returns the status of the proxy that a resource is for; `None`: there is no status, or it is for no proxy.
fn status<'a>(statuses: &'a BTreeMap<ProxyId, ProxyStatus>, stored: &Stored) -> Option<&'a ProxyStatus> {
    statuses.get(&ProxyId::of(&stored.key)?)
}

/// Returns the insights of the dataplanes of the mesh in the path, or of all meshes.
pub(super) async fn dataplane_insights(request: &ApiRequest) -> Result<Vec<Value>, Refusal> {
    let inner = request.api();
    let selection = Selection { kind: Some(Kind::Dataplane), mesh: request.mesh().map(str::to_owned) };
    let listing = inner.store.list(&selection).await.map_err(|error| Refusal::of_store(LIST, &error))?;
    let statuses = inner.plane.statuses();
    let show = |stored: &Stored| {
        let insight = insight(inner, stored, status(&statuses, stored));
        let mut shown = json!({
            "type": "DataplaneInsight",
            "mesh": stored.key.mesh,
            "name": stored.key.name,
            "creationTime": stored.created.to_string(),
            "modificationTime": stored.modified.to_string(),
            "subscriptions": insight["subscriptions"],
        });
        for member in ["mTLS", "metadata"] {
            if let Some(known) = insight.get(member) {
                shown[member] = known.clone();
            }
        }
        shown
    };
    // nothing is known of a proxy that never attached
    let is_known = |stored: &&Stored| status(&statuses, stored).is_some();
    Ok(listing.items.iter().filter(is_known).map(show).collect())
}

fn overview(inner: &Inner, stored: &Stored, status: Option<&ProxyStatus>) -> Value {
    let kind = stored.key.kind;
    let member = match kind {
        Kind::Zone => "zone",
        Kind::ZoneIngress => "zoneIngress",
        Kind::ZoneEgress => "zoneEgress",
        _ => "dataplane",
    };
    let Value::Object(shown) = document::universal(stored) else { return Value::Null };
    let is_envelope = |key: &str| {
        matches!(key, "type" | "mesh" | "name" | "creationTime" | "modificationTime" | "labels" | "kri")
    };
    let (envelope, body): (Vec<_>, Vec<_>) = shown.into_iter().partition(|(key, _)| is_envelope(key));
    let mut overview = Value::Object(envelope.into_iter().collect());
    overview["type"] = json!(format!("{kind}Overview"));
    overview[member] = Value::Object(body.into_iter().collect());
    overview[format!("{member}Insight")] = insight(inner, stored, status);
    overview
}

/// Returns the insight of a proxy since it attached; an empty one while it is not attached.
fn insight(inner: &Inner, stored: &Stored, status: Option<&ProxyStatus>) -> Value {
    let Some(ProxyStatus { connection: Some(connection), streams, types, .. }) = status else {
        return json!({ "subscriptions": [] });
    };
    let Connection { since, agent, kuma_dp, metadata, dialect: _, protocol: _, peer: _ } = connection;
    let mut latest = *since;
    let mut counts = ["cds", "eds", "lds", "rds"].map(|short| (short, 0u64, 0u64));
    let (mut acks, mut nacks) = (0, 0);
    for (type_url, answers) in types {
        acks += answers.acks;
        nacks += answers.nacks;
        if let Some(acked) = &answers.acked {
            latest = latest.max(acked.at);
        }
        let word = type_url.as_str().rsplit('.').next().unwrap_or_default();
        let short = match word {
            "Cluster" => "cds",
            "ClusterLoadAssignment" | "Endpoints" => "eds",
            "Listener" => "lds",
            "RouteConfiguration" | "Route" => "rds",
            _ => continue,
        };
        for (_, acked, refused) in counts.iter_mut().filter(|(name, _, _)| *name == short) {
            *acked += answers.acks;
            *refused += answers.nacks;
        }
    }
    let numbers = |acked: u64, refused: u64| {
        // 64-bit numbers are text in this format, and zeros are left out
        let mut shown = serde_json::Map::new();
        for (key, number) in [
            ("responsesSent", acked + refused),
            ("responsesAcknowledged", acked),
            ("responsesRejected", refused),
        ] {
            if number > 0 {
                shown.insert(key.into(), json!(number.to_string()));
            }
        }
        Value::Object(shown)
    };
    let mut state = json!({ "lastUpdateTime": latest.to_string(), "total": numbers(acks, nacks) });
    for (short, acked, refused) in counts {
        state[short] = numbers(acked, refused);
    }
    let mut insight = json!({ "subscriptions": [{
        "id": format!("{}/{streams}", stored.key.name),
        "controlPlaneInstanceId": inner.setup.instance,
        "connectTime": since.to_string(),
        "status": state,
        "version": version(agent, kuma_dp.as_deref(), metadata.as_deref()),
    }] });
    if let Some(metadata) = metadata {
        insight["metadata"] = (**metadata).clone();
    }
    if let Some(mtls) = mtls(inner, stored) {
        insight["mTLS"] = mtls;
    }
    insight
}

/// Returns the versions of a proxy and of its agent; in full if the metadata of the proxy has them.
fn version(agent: &str, kuma_dp: Option<&str>, metadata: Option<&Value>) -> Value {
    let (program, number) = agent.split_once(' ').unwrap_or((agent, ""));
    let started_by = json!({ "version": kuma_dp.unwrap_or_default() });
    let known = match program {
        "envoy" => json!({ "kumaDp": started_by, "envoy": { "version": number } }),
        _ => json!({ "kumaDp": { "version": number } }),
    };
    let mut version =
        metadata.and_then(|said| said.get("version")).filter(|it| it.is_object()).cloned().unwrap_or(known);
    if kuma_dp.is_some() && version["kumaDp"].is_object() {
        version["kumaDp"]["kumaCpCompatible"] = true.into();
    }
    version
}

/// Returns the certificate of a proxy that attaches here; `None`: it has none.
fn mtls(inner: &Inner, stored: &Stored) -> Option<Value> {
    let report = Arc::clone(&inner.setup.issuer.as_ref()?.report().borrow());
    let (mesh, name) = (stored.key.mesh_or_empty(), stored.key.name.as_str());
    let found =
        report.proxies.binary_search_by(|row| (row.mesh.as_str(), row.name.as_str()).cmp(&(mesh, name)));
    let row = report.proxies.get(found.ok()?)?;
    let standing = inner.plane.standing();
    let backend = backend(&standing.compiled.snapshot, row);
    Some(json!({
        "certificateExpirationTime": row.ends?.to_string(),
        "lastCertificateRegeneration": row.made?.to_string(),
        "certificateRegenerations": row.made_count,
        "issuedBackend": backend,
        "supportedBackends": [backend],
    }))
}

/// Returns the issuer of a proxy's certificate under the name in the mesh: its mTLS backend, where it has one.
fn backend<'a>(snapshot: &'a Snapshot, row: &'a CertificateRow) -> &'a str {
    let backend = snapshot.mesh(&row.mesh).and_then(|mesh| mesh.mtls());
    backend.map_or(row.authority.as_str(), |backend| backend.name.as_str())
}

/// Returns the issuer of the certificate of each proxy that attaches here and has one.
pub(super) fn backends(inner: &Inner) -> BTreeMap<ProxyKey, String> {
    let Some(issuer) = &inner.setup.issuer else { return BTreeMap::new() };
    let (report, standing) = (Arc::clone(&issuer.report().borrow()), inner.plane.standing());
    let snapshot = &standing.compiled.snapshot;
    report.certified().map(|(proxy, row)| (proxy, backend(snapshot, row).to_owned())).collect()
}
