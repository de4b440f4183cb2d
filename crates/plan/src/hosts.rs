//! Host names at which proxies are dialled, and the addresses that they resolve to.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// Resolution results by host name. A name without an entry was never resolved: proxies get it as written.
pub type Hosts = BTreeMap<String, ResolvedHost>;

/// Resolution result of a host name (spec 08 §2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResolvedHost {
    /// Resolved address; the smallest if there are several.
    Known(IpAddr),
    /// The last resolution failed: the previous address is kept.
    Kept {
        /// Previous address.
        address: IpAddr,
        /// Reason why there is no newer one, in words.
        why: String,
    },
    /// No resolution has succeeded yet.
    Unknown {
        /// Reason, in words.
        why: String,
    },
}

impl ResolvedHost {
    /// Address to dial; `None`: there is none.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            ResolvedHost::Known(address) | ResolvedHost::Kept { address, why: _ } => Some(*address),
            ResolvedHost::Unknown { why: _ } => None,
        }
    }

    /// Reason why the last resolution failed, in words; `None`: it succeeded.
    pub fn failure(&self) -> Option<&str> {
        match self {
            ResolvedHost::Known(_) => None,
            ResolvedHost::Kept { address: _, why } | ResolvedHost::Unknown { why } => Some(why),
        }
    }
}
