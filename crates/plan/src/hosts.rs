//! The host names at which proxies are dialled, and what they stand for.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// What is known of host names, by name. One that is not here was asked of nobody: proxies are told it as it is written.
pub type Hosts = BTreeMap<String, Host>;

/// What a host name stands for, as far as whoever makes plans knows (spec 08 §2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// It has this address; of several the smallest.
    Known(IpAddr),
    /// Nobody answers any more: it keeps the address that it had.
    Kept {
        /// The address.
        address: IpAddr,
        /// Why there is no newer one, in words.
        why: String,
    },
    /// It has had no address yet.
    Unknown {
        /// Why, in words.
        why: String,
    },
}

impl Host {
    /// The address to dial; `None`: there is none.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Host::Known(address) | Host::Kept { address, why: _ } => Some(*address),
            Host::Unknown { why: _ } => None,
        }
    }

    /// Why the last question had no answer, in words; `None`: it had one.
    pub fn failure(&self) -> Option<&str> {
        match self {
            Host::Known(_) => None,
            Host::Kept { address: _, why } | Host::Unknown { why } => Some(why),
        }
    }
}
