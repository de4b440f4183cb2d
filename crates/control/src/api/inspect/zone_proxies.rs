//! Configuration of the zone proxies of this zone, under both of their paths.

use model::ResourceKey;

use super::super::ask::Ask;
use super::super::operation::{Body, Operation};
use super::super::refusal::Refusal;
use super::{DUMP, TITLE, dump, kind};

/// Returns the operations.
pub(super) fn operations() -> Vec<Operation> {
    let mut rows = Vec::new();
    for path in ["/zoneingresses/{name}/xds", "/zone-ingresses/{name}/xds", "/zoneegresses/{name}/xds"] {
        rows.push(Operation::get(path, "Shows what a zone proxy was told last", "Config", |ask| {
            Box::pin(async { dump::xds(of_this_zone(ask).await?).await })
        }));
    }
    for path in
        ["/zoneingresses/{name}/clusters", "/zone-ingresses/{name}/clusters", "/zoneegresses/{name}/clusters"]
    {
        let row = Operation::get(path, "Lists the clusters of a zone proxy", "", |ask| {
            Box::pin(async { dump::clusters(of_this_zone(ask).await?).await })
        });
        rows.push(Operation { good: vec![(200, Body::Text)], ..row });
    }
    for path in ["/zoneingresses/{name}/stats", "/zone-ingresses/{name}/stats", "/zoneegresses/{name}/stats"]
    {
        let row = Operation::get(path, "Counts what a zone proxy accepted and refused", "", |ask| {
            Box::pin(async { dump::stats(of_this_zone(ask).await?).await })
        });
        rows.push(Operation { good: vec![(200, Body::Text)], ..row });
    }
    rows.into_iter().map(|row| row.query(DUMP)).collect()
}

/// Refuses a zone proxy that does not exist, or that another zone's control plane configures.
async fn of_this_zone(ask: Ask) -> Result<Ask, Refusal> {
    let found = ask.desk().store.get(&ResourceKey::global(kind(&ask.path), ask.parameter("name"))).await;
    let found = found.map_err(|error| Refusal::of_store(TITLE, &error))?;
    let found = found.ok_or_else(|| Refusal::not_found(TITLE))?;
    let here = ask.desk().setup.rules.zone.as_deref();
    match found.document["zone"].as_str() {
        Some(zone) if here.is_some_and(|here| here != zone) => {
            let title = "Could not connect to zone ingress that resides in another zone";
            Err(Refusal::new(axum::http::StatusCode::BAD_REQUEST, title, "Resource is not valid"))
        }
        Some(_) | None => Ok(ask),
    }
}
