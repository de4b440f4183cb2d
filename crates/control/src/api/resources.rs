//! Resources of every kind: list, get, put, delete.

mod read;
mod write;

use axum::http::Method;

use super::caller::Role;
use super::operation::{Body, Operation, Query, Sort};

/// Which part of a list.
pub(super) const PAGING: &[Query] = &[
    Query {
        name: "size",
        about: "How many items at most; 100 when absent",
        sort: Sort::Number { least: 1, most: Some(1000) },
    },
    Query {
        name: "offset",
        about: "From where on; taken from `next`",
        sort: Sort::Number { least: 0, most: None },
    },
];

/// Which items of a list.
pub(super) const FILTERS: &[Query] = &[
    Query { name: "name", about: "Only those whose name contains it", sort: Sort::Text },
    Query {
        name: "filter[labels.kuma.io/zone]",
        about: "Only those with this value of a label, of any name",
        sort: Sort::Text,
    },
];

/// Which dataplanes of a list.
pub(super) const DATAPLANE_FILTERS: &[Query] = &[
    Query { name: "tag", about: "Only dataplanes with this tag, as key:value", sort: Sort::Text },
    Query {
        name: "gateway",
        about: "Only dataplanes that are gateways, or not",
        sort: Sort::OneOf(&["true", "false", "builtin", "delegated"]),
    },
];

/// How a resource is shown.
pub(super) const FORMAT: &[Query] = &[
    Query {
        name: "format",
        about: "How it is shown",
        sort: Sort::OneOf(&["universal", "k8s", "kubernetes"]),
    },
    Query { name: "namespace", about: "The namespace of a Kubernetes manifest", sort: Sort::Text },
];

pub(super) use read::{exists, keys_of};

/// The rows.
pub(super) fn operations() -> Vec<Operation> {
    let mut rows = Vec::new();
    for (list, item) in
        [("/meshes/{mesh}/{plural}", "/meshes/{mesh}/{plural}/{name}"), ("/{plural}", "/{plural}/{name}")]
    {
        let all = Operation::get(list, "Lists resources of a kind", "ResourceList", |ask| {
            Box::pin(read::list(ask))
        });
        rows.push(all.query(PAGING).query(FILTERS).query(DATAPLANE_FILTERS));
        let one = Operation::get(item, "Shows a resource", "Shown", |ask| Box::pin(read::get(ask)));
        rows.push(one.query(FORMAT));
        let put = Operation::new(Method::PUT, item, "Creates or replaces a resource", |ask| {
            Box::pin(write::put(ask))
        });
        let put = put.takes("Resource").good(200, Body::Json("Warnings")).good(201, Body::Json("Warnings"));
        rows.push(put.bad(409));
        let delete =
            Operation::new(Method::DELETE, item, "Deletes a resource", |ask| Box::pin(write::delete(ask)));
        rows.push(delete.good(200, Body::Json("Warnings")).bad(409));
    }
    let kri = Operation::get("/_kri/{kri}", "Shows the resource with an identifier", "Shown", |ask| {
        Box::pin(read::by_kri(ask))
    });
    rows.push(kri.query(FORMAT));
    rows.into_iter()
        .map(|row| if row.method == Method::GET { row } else { row.needs(Role::Writer) })
        .collect()
}
