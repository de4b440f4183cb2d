//! How a cluster chooses among its endpoints.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use super::{DEFAULT_RING, DEFAULT_TABLE};

/// How a cluster chooses among the endpoints of one priority.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// By turns, as often as the weights say.
    #[default]
    RoundRobin,
    /// By weight, each connection on its own.
    Random,
    /// The one with the fewest connections for its weight among so many that are drawn. Each worker knows its own
    /// connections only.
    LeastConnections {
        /// How many are drawn; with as many as there are endpoints all are looked at. Default: 2.
        choices: NonZeroU32,
    },
    /// By the client's address, on a ring.
    RingHash {
        /// How many points the ring may have. Default: up to 65536.
        size: RangeInclusive<u32>,
    },
    /// By the client's address, from a table.
    Maglev {
        /// How many entries the table has. Default: 65537.
        size: u32,
    },
}

impl Policy {
    /// Least connections; 0 choices are the default.
    pub fn least_connections(choices: u32) -> Self {
        Self::LeastConnections {
            choices: NonZeroU32::new(choices).unwrap_or(NonZeroU32::MIN.saturating_add(1)),
        }
    }

    /// A ring; bounds of 0 are the default, and a smallest size above the largest gives way.
    pub fn ring_hash(smallest: u32, largest: u32) -> Self {
        let largest = if largest == 0 { *DEFAULT_RING.end().max(&smallest) } else { largest };
        Self::RingHash { size: smallest.min(largest)..=largest }
    }

    /// A table; a size of 0 is the default.
    pub fn maglev(size: u32) -> Self {
        Self::Maglev { size: if size == 0 { DEFAULT_TABLE } else { size } }
    }

    /// Whether the client's address decides.
    pub fn is_by_client(&self) -> bool {
        matches!(self, Self::RingHash { .. } | Self::Maglev { .. })
    }
}
