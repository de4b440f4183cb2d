//! Fixed hash functions: every worker of every proxy, in every version, sends a client the same way.
//!
//! Nothing is seeded, on purpose: changing a constant moves clients of every sticky route.

use std::net::IpAddr;

/// Hashes bytes to one of 2⁶⁴ positions: FNV-1a, then [`mix`].
pub fn position(bytes: &[u8]) -> u64 {
    let folded = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    mix(folded)
}

/// Hashes a client's IP address to a position; an IPv4-mapped IPv6 address counts as the IPv4 address.
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

/// Scatters two numbers together; their order matters.
pub fn mix_both(first: u64, second: u64) -> u64 {
    mix(mix(first) ^ second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_never_change() {
        // a change would move clients
        assert_eq!(position(b""), mix(0xcbf2_9ce4_8422_2325));
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(position_of("10.0.0.1".parse().unwrap()), position_of("::ffff:10.0.0.1".parse().unwrap()));
        assert_eq!(format!("{:016x}", position_of("10.0.0.1".parse().unwrap())), "6a2d2ded2339e4a3");
    }
}
