//! Load-balancing policies of clusters.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use super::{DEFAULT_RING, DEFAULT_TABLE};

/// Load-balancing policy among the endpoints of one priority.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BalancingPolicy {
    /// Round-robin, in proportion to the weights.
    #[default]
    RoundRobin,
    /// Random by weight, each connection on its own.
    Random,
    /// Least connections: the endpoint with the fewest connections for its weight among a few drawn ones. Each worker
    /// knows only its own connections.
    LeastConnections {
        /// Number of drawn endpoints; with as many as there are, all are considered. Default: 2.
        choices: NonZeroU32,
    },
    /// Hash of the client's address, on a ring.
    RingHash {
        /// Number of points on the ring. Default: up to 65536.
        size: RangeInclusive<u32>,
    },
    /// Hash of the client's address, in a Maglev table.
    Maglev {
        /// Number of entries of the table. Default: 65537.
        size: u32,
    },
}

impl BalancingPolicy {
    /// Least connections; 0 choices: the default.
    pub fn least_connections(choices: u32) -> Self {
        Self::LeastConnections {
            choices: NonZeroU32::new(choices).unwrap_or(NonZeroU32::MIN.saturating_add(1)),
        }
    }

    /// Ring hash; bounds of 0: the default. A smallest size above the largest gives way.
    pub fn ring_hash(smallest: u32, largest: u32) -> Self {
        let largest = if largest == 0 { *DEFAULT_RING.end().max(&smallest) } else { largest };
        Self::RingHash { size: smallest.min(largest)..=largest }
    }

    /// Maglev; a size of 0: the default.
    pub fn maglev(size: u32) -> Self {
        Self::Maglev { size: if size == 0 { DEFAULT_TABLE } else { size } }
    }

    /// Returns `true` if the client's address decides.
    pub fn is_by_client(&self) -> bool {
        matches!(self, Self::RingHash { .. } | Self::Maglev { .. })
    }
}
