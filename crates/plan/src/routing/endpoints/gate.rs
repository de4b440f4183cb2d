//! Gates: the addresses of zone proxies.

use model::Resource;

/// Address by which connections leave or enter a zone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Gate {
    pub(super) zone: String,
    pub(super) address: String,
    pub(super) port: u32,
    pub(super) name: String,
}

impl Gate {
    pub(super) fn new(zone: &str, address: String, port: u32, resource: &Resource) -> Self {
        Self { zone: zone.to_owned(), address, port, name: resource.describe() }
    }
}

/// Zone of a zone proxy: its field, or else its label.
pub(super) fn zone_of<'r>(field: &'r str, resource: &'r Resource) -> &'r str {
    if field.is_empty() { resource.meta().zone() } else { field }
}
