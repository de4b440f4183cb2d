//! Query parameters of lists.

use super::operation::{ParameterType, Query};

/// Parameters for paging.
pub(super) const PAGING: &[Query] = &[
    Query {
        name: "size",
        about: "How many items at most; 100 when absent",
        sort: ParameterType::Number { least: 1, most: Some(1000) },
    },
    Query {
        name: "offset",
        about: "From where on; taken from `next`",
        sort: ParameterType::Number { least: 0, most: None },
    },
];

/// Parameters for filtering.
pub(super) const FILTERS: &[Query] = &[
    Query { name: "name", about: "Only those whose name contains it", sort: ParameterType::Text },
    Query {
        name: "filter[labels.kuma.io/zone]",
        about: "Only those with this value of a label, of any name",
        sort: ParameterType::Text,
    },
];

/// Parameters for filtering dataplanes.
pub(super) const DATAPLANE_FILTERS: &[Query] = &[
    Query { name: "tag", about: "Only dataplanes with this tag, as key:value", sort: ParameterType::Text },
    Query {
        name: "gateway",
        about: "Only dataplanes that are gateways, or not",
        sort: ParameterType::OneOf(&["true", "false", "builtin", "delegated"]),
    },
];
