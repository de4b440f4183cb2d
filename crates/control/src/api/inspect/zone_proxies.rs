//! Configuration of the zone proxies of this zone, under both of their paths.

use model::ResourceKey;

use super::super::operation::{Body, Operation};
use super::super::refusal::Refusal;
use super::super::request::ApiRequest;
use super::{DUMP, TITLE, dump, kind};

/// Returns the operations.
pub(super) fn operations() -> Vec<Operation> {
    let mut rows = Vec::new();
    for path in ["/zoneingresses/{name}/xds", "/zone-ingresses/{name}/xds", "/zoneegresses/{name}/xds"] {
        rows.push(Operation::get(path, "Shows what a zone proxy was told last", "Config", |request| {
            Box::pin(async { dump::xds(of_this_zone(request).await?).await })
        }));
    }
    for path in
        ["/zoneingresses/{name}/clusters", "/zone-ingresses/{name}/clusters", "/zoneegresses/{name}/clusters"]
    {
        let row = Operation::get(path, "Lists the clusters of a zone proxy", "", |request| {
            Box::pin(async { dump::clusters(of_this_zone(request).await?).await })
        });
        rows.push(Operation { good: vec![(200, Body::Text)], ..row });
    }
    for path in ["/zoneingresses/{name}/stats", "/zone-ingresses/{name}/stats", "/zoneegresses/{name}/stats"]
    {
        let row = Operation::get(path, "Counts what a zone proxy accepted and refused", "", |request| {
            Box::pin(async { dump::stats(of_this_zone(request).await?).await })
        });
        rows.push(Operation { good: vec![(200, Body::Text)], ..row });
    }
    rows.into_iter().map(|row| row.query(DUMP)).collect()
}

/// Refuses a zone proxy that does not exist, or that another zone's control plane configures.
async fn of_this_zone(request: ApiRequest) -> Result<ApiRequest, Refusal> {
    let found =
        request.api().store.get(&ResourceKey::global(kind(&request.path), request.parameter("name"))).await;
    let found = found.map_err(|error| Refusal::of_store(TITLE, &error))?;
    let found = found.ok_or_else(|| Refusal::not_found(TITLE))?;
    let here = request.api().setup.rules.zone.as_deref();
    match found.document["zone"].as_str() {
        Some(zone) if here.is_some_and(|here| here != zone) => {
            let title = "Could not connect to zone ingress that resides in another zone";
            Err(Refusal::new(axum::http::StatusCode::BAD_REQUEST, title, "Resource is not valid"))
        }
        Some(_) | None => Ok(request),
    }
}
