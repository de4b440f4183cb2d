//! Address ranges: IP addresses of one family with a common prefix.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Addresses of one family with a common prefix, e.g. `241.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange {
    first: IpAddr,
    length: u8,
}

/// Error: the text is not a valid range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no range of addresses: write e.g. 241.0.0.0/8, with zeros behind the prefix")]
pub struct InvalidRange {
    text: String,
}

impl AddressRange {
    /// The range of the IPv4 addresses that begin with this byte.
    pub const fn beginning_with(first: u8) -> Self {
        Self { first: IpAddr::V4(Ipv4Addr::new(first, 0, 0, 0)), length: 8 }
    }

    /// Returns the number of addresses that it can assign: without the first and the last of an IPv4 range, which
    /// are not hosts', unless there are no others; of larger ranges the first 2^64.
    pub fn room(self) -> u64 {
        match self.bits() - u32::from(self.length) {
            bits @ 0..=1 => 1 << bits,
            bits if self.first.is_ipv4() => (1 << bits) - 2,
            bits => 1u64.checked_shl(bits).unwrap_or(u64::MAX),
        }
    }

    /// Returns one of the addresses that it can assign, by its index, which is below [`AddressRange::room`].
    pub fn at(self, place: u64) -> IpAddr {
        let skipped = u64::from(self.first.is_ipv4() && self.bits() - u32::from(self.length) > 1);
        match self.first {
            IpAddr::V4(first) => {
                let offset = u32::try_from(place + skipped).unwrap_or_default();
                Ipv4Addr::from_bits(first.to_bits().wrapping_add(offset)).into()
            }
            IpAddr::V6(first) => Ipv6Addr::from_bits(first.to_bits().wrapping_add(u128::from(place))).into(),
        }
    }

    /// Returns one of all of its addresses, by its index from the first one on; `None`: it has fewer.
    pub fn nth(self, place: u64) -> Option<IpAddr> {
        let address: IpAddr = match self.first {
            IpAddr::V4(first) => {
                Ipv4Addr::from_bits(first.to_bits().checked_add(u32::try_from(place).ok()?)?).into()
            }
            IpAddr::V6(first) => Ipv6Addr::from_bits(first.to_bits().checked_add(u128::from(place))?).into(),
        };
        self.contains(address).then_some(address)
    }

    /// Returns `true` if an address is in it.
    pub fn contains(self, address: IpAddr) -> bool {
        let (bits, length) = (self.bits(), u32::from(self.length));
        let prefix = |address: IpAddr| match address {
            IpAddr::V4(address) => u128::from(address.to_bits()),
            IpAddr::V6(address) => address.to_bits(),
        };
        let cut = |address| prefix(address).checked_shr(bits - length).unwrap_or_default();
        address.is_ipv4() == self.first.is_ipv4() && cut(address) == cut(self.first)
    }

    fn bits(self) -> u32 {
        if self.first.is_ipv4() { 32 } else { 128 }
    }
}

impl FromStr for AddressRange {
    type Err = InvalidRange;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || InvalidRange { text: text.to_owned() };
        let (first, length) = text.split_once('/').ok_or_else(wrong)?;
        let (first, length): (IpAddr, u8) =
            (first.parse().map_err(|_| wrong())?, length.parse().map_err(|_| wrong())?);
        let range = Self { first, length };
        let is_whole = u32::from(length) <= range.bits() && !first.is_unspecified() && {
            let behind = range.bits() - u32::from(length);
            let trailing = match first {
                IpAddr::V4(first) => first.to_bits().trailing_zeros(),
                IpAddr::V6(first) => first.to_bits().trailing_zeros(),
            };
            trailing >= behind
        };
        is_whole.then_some(range).ok_or_else(wrong)
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> AddressRange {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_that_are_no_hosts_are_not_given() {
        let small = range("10.0.0.4/30");
        let given: Vec<String> = (0..small.room()).map(|place| small.at(place).to_string()).collect();
        assert_eq!(given, ["10.0.0.5", "10.0.0.6"]);
        assert_eq!(
            (range("10.0.0.7/32").room(), range("10.0.0.7/32").at(0)),
            (1, "10.0.0.7".parse().unwrap())
        );
        assert_eq!(range("241.0.0.0/8").room(), (1 << 24) - 2);
        let wide = range("fd00:241::/64");
        assert_eq!((wide.room(), wide.at(7).to_string()), (u64::MAX, "fd00:241::7".to_owned()));
    }

    #[test]
    fn a_range_knows_what_is_in_it_and_is_read_as_it_is_written() {
        let eight = range("241.0.0.0/8");
        for (address, is_in) in [("241.9.9.9", true), ("242.0.0.1", false), ("::f100:1", false)] {
            assert_eq!(eight.contains(address.parse().unwrap()), is_in, "{address}");
        }
        assert!(range("fd00::/8").contains("fd12::1".parse().unwrap()));
        assert_eq!(eight.to_string(), "241.0.0.0/8");
        for wrong in ["241.0.0.0", "241.0.0.1/8", "241.0.0.0/33", "x/8", "::/0", ""] {
            assert!(wrong.parse::<AddressRange>().is_err(), "{wrong}");
        }
    }
}
