//! Resources of every kind: list, get, put, delete.

mod apply;
mod authority;
mod history;
mod read;
mod rollout;
mod write;

use axum::http::Method;

use super::caller::Role;
use super::listing::{DATAPLANE_FILTERS, FILTERS, PAGING};
use super::operation::{Body, Operation, ParameterType, Query, Schema};

/// Title of a refused put.
const PUT: &str = "Could not process a resource";

/// Parameters for the format of a resource.
const FORMAT: &[Query] = &[
    Query {
        name: "format",
        about: "How it is shown",
        sort: ParameterType::OneOf(&["universal", "k8s", "kubernetes"]),
    },
    Query { name: "namespace", about: "The namespace of a Kubernetes manifest", sort: ParameterType::Text },
];

/// Returns the operations.
pub(super) fn operations() -> Vec<Operation> {
    let mut rows = Vec::new();
    for (list, item) in
        [("/meshes/{mesh}/{plural}", "/meshes/{mesh}/{plural}/{name}"), ("/{plural}", "/{plural}/{name}")]
    {
        let all = Operation::get(list, "Lists resources of a kind", "ResourceList", |request| {
            Box::pin(read::list(request))
        });
        rows.push(all.query(PAGING).query(FILTERS).query(DATAPLANE_FILTERS));
        let one = Operation::get(item, "Shows a resource", "Shown", |request| Box::pin(read::get(request)));
        rows.push(one.query(FORMAT));
        let put = Operation::new(Method::PUT, item, "Creates or replaces a resource", |request| {
            Box::pin(write::put(request))
        });
        let put = put
            .takes("Resource")
            .good(200, Body::Json("Warnings".into()))
            .good(201, Body::Json("Warnings".into()));
        rows.push(put.bad(409));
        let past = match item {
            "/{plural}/{name}" => "/{plural}/{name}/_history",
            _ => "/meshes/{mesh}/{plural}/{name}/_history",
        };
        rows.push(Operation::get(
            past,
            "Shows who changed a resource when, and how",
            Schema::of::<history::History>(),
            |request| Box::pin(history::of_one(request)),
        ));
        let delete = Operation::new(Method::DELETE, item, "Deletes a resource", |request| {
            Box::pin(write::delete(request))
        });
        rows.push(delete.good(200, Body::Json("Warnings".into())).bad(409));
    }
    let all = Operation::new(
        Method::POST,
        "/_apply",
        "Creates or replaces resources together: all or none, and proxies are told the whole",
        |request| Box::pin(apply::apply(request)),
    );
    rows.push(all.takes("Proposal").of_many().good(200, Body::of::<apply::Applied>()).bad(409));
    let kri = Operation::get("/_kri/{kri}", "Shows the resource with an identifier", "Shown", |request| {
        Box::pin(read::by_kri(request))
    });
    rows.push(kri.query(FORMAT));
    rows.into_iter()
        .map(|row| if row.method == Method::GET { row } else { row.needs(Role::Writer) })
        .collect()
}
