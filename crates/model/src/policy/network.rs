//! Networks: addresses with a common prefix.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// Addresses with the prefix of a network: `10.0.0.0/8`, `fd00::/64`. Of two that overlap, the smaller one is
/// greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    prefix: u8,
    // bits behind the prefix are 0
    address: IpAddr,
}

/// Error: the text is not a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is neither an address nor a network: write 10.1.0.0/16, fd00::/64 or 10.1.2.3")]
pub struct NoNetwork;

impl Network {
    /// The network of the addresses whose first `prefix` bits are those of `address`; `None`: it does not have that
    /// many bits.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let upper = |bits: u8| u128::MAX.checked_shl(u32::from(bits.checked_sub(prefix)?)).or(Some(0));
        let address = match address {
            IpAddr::V4(ip) => IpAddr::V4((ip.to_bits() & upper(32)? as u32).into()),
            IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() & upper(128)?).into()),
        };
        Some(Self { prefix, address })
    }

    /// First address of the network.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Length of the prefix, in bits.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Returns `true` if every address of another network is in it.
    pub fn covers(&self, other: &Self) -> bool {
        self.prefix <= other.prefix && Self::new(other.address, self.prefix) == Some(*self)
    }
}

impl FromStr for Network {
    type Err = NoNetwork;

    /// Parses `10.0.0.0/8`; without a prefix: one address.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| NoNetwork)?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(all), str::parse).map_err(|_| NoNetwork)?;
        Self::new(address, prefix).ok_or(NoNetwork)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn bits_behind_the_prefix_mean_nothing() {
        for (written, means) in [
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("10.1.2.3", "10.1.2.3/32"),
            ("1.2.3.4/0", "0.0.0.0/0"),
            ("fd00::1/64", "fd00::/64"),
            ("::1/0", "::/0"),
            ("::1", "::1/128"),
        ] {
            assert_eq!(network(written).to_string(), means);
        }
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/", "10.0.0.0/-1", "a/8"] {
            assert_eq!(bad.parse::<Network>(), Err(NoNetwork), "{bad}");
        }
    }

    #[test]
    fn a_network_covers_its_parts_and_is_less_than_they_are() {
        let (all, some, one) = (network("10.0.0.0/8"), network("10.1.0.0/16"), network("10.1.2.3"));
        assert!(all.covers(&some) && some.covers(&one) && all.covers(&all));
        assert!(all < some && some < one);
        assert!(!some.covers(&all) && !network("10.2.0.0/16").covers(&one));
        assert!(!network("::/0").covers(&all) && !network("0.0.0.0/0").covers(&network("::1")));
    }
}
