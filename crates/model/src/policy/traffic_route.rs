//! TrafficRoute: the route of the tag-based model (spec 01 §10).

use crate::reference::Tags;

/// TrafficRoute, as far as it affects TCP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrafficRoute {
    /// Selectors of proxies, any of which must match the tags of an inbound or of the gateway.
    pub sources: Vec<Tags>,
    /// Selectors of destinations, any of which must match the tags of the outbound.
    pub destinations: Vec<Tags>,
    /// Destination of connections.
    pub destination: LegacyDestination,
}

/// Destination of connections in a TrafficRoute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegacyDestination {
    /// One tag set for all connections.
    Single(Tags),
    /// Split by weight.
    Split(Vec<TrafficSplit>),
}

impl Default for LegacyDestination {
    fn default() -> Self {
        LegacyDestination::Split(Vec::new())
    }
}

/// One side of a TrafficRoute's split.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrafficSplit {
    /// Weight; 0 is skipped.
    pub weight: u32,
    /// Tags; `*` is filled from the outbound.
    pub destination: Tags,
}
