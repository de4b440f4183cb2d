//! Reader of the `default` of a MeshPassthrough.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;

use crate::draft::fields::Fields;
use crate::policy::{
    PassthroughConf, PassthroughMatch, PassthroughMatches, PassthroughMode, PassthroughProtocol,
    PassthroughTo,
};

const MODES: [(&str, PassthroughMode); 3] =
    [("All", PassthroughMode::All), ("Matched", PassthroughMode::Matched), ("None", PassthroughMode::None)];

/// Reads and checks the conf.
pub(super) fn read(mut conf: Fields<'_>) -> PassthroughConf {
    let mode = conf.choice("passthroughMode", &MODES);
    let has_matches = conf.has("appendMatch");
    let matches = conf.items("appendMatch").into_iter().filter_map(read_match).collect();
    PassthroughConf { mode, matches: has_matches.then_some(PassthroughMatches(matches)) }
}

fn read_match(mut fields: Fields<'_>) -> Option<PassthroughMatch> {
    let (kind, written) = (fields.string("type"), fields.string("value"));
    let port = port(&mut fields);
    let protocols = PassthroughProtocol::ALL.map(|protocol| (protocol.as_str(), protocol));
    let protocol = fields.choice("protocol", &protocols).unwrap_or_default();
    let to = match kind.as_str() {
        "IP" => network(&written, None),
        "CIDR" => written.split_once('/').and_then(|(address, prefix)| network(address, Some(prefix))),
        "Domain" => domain(&written, protocol, &fields),
        _ => {
            let help = "write IP, CIDR or Domain".into();
            fields.error("type", format!("`{kind}` is no sort of destination"), Some(help));
            return None;
        }
    };
    if to.is_none() {
        let help = match kind.as_str() {
            "IP" => "write 10.1.2.3 or fd00::1",
            "CIDR" => "write 10.1.0.0/16 or fd00::/64",
            _ => "write example.com or *.example.com",
        };
        fields.error("value", format!("`{written}` is no {kind}"), Some(help.into()));
    }
    Some(PassthroughMatch { to: to?, written, port, protocol })
}

fn port(fields: &mut Fields<'_>) -> Option<NonZeroU16> {
    let port = fields.number::<u16>("port");
    if port == Some(0) {
        fields.error("port", "0 is no port", Some("leave it out for every port".into()));
    }
    port.and_then(NonZeroU16::new)
}

fn network(address: &str, prefix: Option<&str>) -> Option<PassthroughTo> {
    let address: IpAddr = address.parse().ok()?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.map_or(Some(bits), |prefix| prefix.parse().ok())?;
    (prefix <= bits).then_some(PassthroughTo::Network { address: first(address, prefix), prefix })
}

/// Returns the first address of a network.
fn first(address: IpAddr, prefix: u8) -> IpAddr {
    let behind = |bits: u8| u32::from(bits.saturating_sub(prefix));
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(behind(32)).unwrap_or_default();
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(behind(128)).unwrap_or_default();
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

/// Reads a host name, which is known only if clients send one; a plain connection has none.
fn domain(written: &str, protocol: PassthroughProtocol, fields: &Fields<'_>) -> Option<PassthroughTo> {
    if matches!(protocol, PassthroughProtocol::Tcp | PassthroughProtocol::Mysql) {
        let why = format!("a {} connection does not say which host name it is for", protocol.as_str());
        fields.error("protocol", why, Some("write tls, or the address instead of the name".into()));
    }
    let lower = written.to_ascii_lowercase();
    let name = lower.strip_prefix("*.").unwrap_or(&lower);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let is_name = lower == "*" || name.len() <= 253 && name.split('.').all(label);
    is_name.then_some(PassthroughTo::Domain(lower))
}
