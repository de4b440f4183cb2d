//! Counts of connections that programs left to the relay, and of lost records.

use crate::program::Maps;

/// Counts of connections to listeners in the tables that were left to the relay after all, and of lost records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Records that nobody read in time.
    pub lost_records: u64,
    /// Connections whose backend had no address.
    pub no_address: u64,
    /// Connections whose endpoints failed a moment ago.
    pub held: u64,
    /// Connections of a socket bound to loopback to an endpoint elsewhere.
    pub bound_to_loopback: u64,
    /// Connections of a socket that does not speak the endpoint's family.
    pub other_family: u64,
    /// Connections of a socket bound to an address of its own, where the choice depends on it.
    pub other_client: u64,
}

impl Left {
    /// Reads the counts of the programs.
    pub(crate) fn of(maps: &Maps) -> Self {
        let count = |outcome: u32| maps.outcomes.get(&outcome, 0).unwrap_or(0);
        Self {
            lost_records: count(0),
            no_address: count(1),
            held: count(2),
            bound_to_loopback: count(3),
            other_family: count(4),
            other_client: count(5),
        }
    }
}
