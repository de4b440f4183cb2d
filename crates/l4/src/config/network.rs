//! Networks: sets of addresses with a common prefix.

use std::fmt;
use std::net::IpAddr;

/// Addresses whose first `prefix` bits are those of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Network of the first `prefix` bits of `address`; `None`: `prefix` is longer than the address.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let address = match address {
            IpAddr::V4(ip) if prefix <= 32 => IpAddr::V4((ip.to_bits() & upper(32, prefix) as u32).into()),
            IpAddr::V6(ip) if prefix <= 128 => IpAddr::V6((ip.to_bits() & upper(128, prefix)).into()),
            IpAddr::V4(_) | IpAddr::V6(_) => return None,
        };
        Some(Self { address, prefix })
    }

    /// Returns `true` if an address is in the network.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.address, ip) {
            (IpAddr::V4(network), IpAddr::V4(ip)) => {
                (network.to_bits() ^ ip.to_bits()) & upper(32, self.prefix) as u32 == 0
            }
            (IpAddr::V6(network), IpAddr::V6(ip)) => {
                (network.to_bits() ^ ip.to_bits()) & upper(128, self.prefix) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    /// Sole address of the network; `None`: there are several.
    pub(super) fn only(&self) -> Option<IpAddr> {
        let bits = if self.address.is_ipv4() { 32 } else { 128 };
        (self.prefix == bits).then_some(self.address)
    }

    pub(super) fn prefix(&self) -> u8 {
        self.prefix
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Mask of the upper `prefix` of `bits` bits.
fn upper(bits: u8, prefix: u8) -> u128 {
    let below = u32::from(bits - prefix);
    u128::MAX.checked_shl(below).unwrap_or(0)
}
