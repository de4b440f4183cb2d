//! One fixed hash, so that every worker of every proxy, today's and tomorrow's, sends a client the same way.
//!
//! Nothing here is seeded, on purpose: changing a constant moves clients of every sticky route.

use std::net::IpAddr;

/// Where bytes fall in the space of 2⁶⁴ positions: FNV-1a, then [`mix`].
pub fn position(bytes: &[u8]) -> u64 {
    let folded = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    mix(folded)
}

/// Where a client's address falls; its port does not count, and an IPv4 address counts the same in both its spellings.
pub fn position_of(client: IpAddr) -> u64 {
    match client.to_canonical() {
        IpAddr::V4(ip) => position(&ip.octets()),
        IpAddr::V6(ip) => position(&ip.octets()),
    }
}

/// Scatters a number over all 64 bits, one to one (the finalizer of SplitMix64).
pub fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// Scatters two numbers together; the order counts.
pub fn mix_both(first: u64, second: u64) -> u64 {
    mix(mix(first) ^ second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_never_change() {
        // clients would move with them
        assert_eq!(position(b""), mix(0xcbf2_9ce4_8422_2325));
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(position_of("10.0.0.1".parse().unwrap()), position_of("::ffff:10.0.0.1".parse().unwrap()));
        assert_eq!(format!("{:016x}", position_of("10.0.0.1".parse().unwrap())), "6a2d2ded2339e4a3");
    }
}
