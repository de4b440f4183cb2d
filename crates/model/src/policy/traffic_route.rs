//! The route of the tag-based model (spec 01 §10).

use crate::reference::Tags;

/// A TrafficRoute, as far as TCP feels it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrafficRoute {
    /// Which proxies: any of these matches the tags of an inbound or of the gateway.
    pub sources: Vec<Tags>,
    /// Which destinations: any of these matches the tags of the outbound.
    pub destinations: Vec<Tags>,
    /// Where connections go.
    pub destination: LegacyDestination,
}

/// Where a TrafficRoute sends connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegacyDestination {
    /// All to one tag set.
    Single(Tags),
    /// By weight.
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
    /// Its share; 0 is skipped.
    pub weight: u32,
    /// Its tags; `*` is filled from the outbound.
    pub destination: Tags,
}
