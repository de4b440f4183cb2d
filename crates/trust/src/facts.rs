//! Facts about a certificate, from its own content.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::der::{BOOLEAN, Element, Elements, OBJECT, OCTETS, SEQUENCE, TIME, UTC_TIME};

const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
/// Tag `[3]` of the extensions.
const EXTENSIONS: u8 = 0xa3;
/// Tag `[0]` of the version.
const VERSION: u8 = 0xa0;
const DNS_NAME: u8 = 0x82;
const ADDRESS: u8 = 0x87;

/// Facts about a certificate, from its own content. They prove nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// DNS names and IP addresses that it is for, sorted.
    pub names: Vec<String>,
    /// `true`: it may sign others.
    pub signs: bool,
    /// Validity, in seconds since 1970.
    pub valid: RangeInclusive<i64>,
}

impl CertificateFacts {
    /// Parses a certificate in DER; `None`: it is not one.
    pub fn read(certificate: &[u8]) -> Option<Self> {
        let mut signed = Elements(certificate).next_if(SEQUENCE)?.elements().next_if(SEQUENCE)?.elements();
        signed.next_if(VERSION);
        // serial number, algorithm, issuer
        let _ = (signed.next()?, signed.next()?, signed.next()?);
        let mut validity = signed.next_if(SEQUENCE)?.elements();
        let valid = seconds(validity.next()?)?..=seconds(validity.next()?)?;
        let extensions = signed.find(|element| element.tag == EXTENSIONS);
        let mut facts = Self { names: Vec::new(), signs: false, valid };
        let list = extensions.and_then(|it| it.elements().next_if(SEQUENCE));
        for extension in list.into_iter().flat_map(Element::elements) {
            let mut parts = extension.elements();
            let name = parts.next_if(OBJECT)?.content;
            // critical flag
            parts.next_if(BOOLEAN);
            let inside = parts.next_if(OCTETS)?.elements().next_if(SEQUENCE);
            match name {
                ALTERNATIVE_NAMES => facts.names = inside?.elements().filter_map(name_in).collect(),
                BASIC_CONSTRAINTS => {
                    let signs = inside?.elements().next_if(BOOLEAN);
                    facts.signs = signs.is_some_and(|signs| signs.content != [0]);
                }
                _ => {}
            }
        }
        facts.names.sort();
        Some(facts)
    }

    /// Returns `true` if it is for a host: a DNS name, where `*` stands for one label, or an IP address.
    pub fn names_host(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let behind = host.split_once('.').map(|(_, behind)| behind);
        self.names.iter().any(|name| match name.strip_prefix("*.") {
            Some(wild) => behind == Some(wild.to_ascii_lowercase().as_str()),
            None => name.eq_ignore_ascii_case(&host),
        })
    }
}

fn name_in(Element { tag, content }: Element<'_>) -> Option<String> {
    match (tag, content.len()) {
        (DNS_NAME, _) => String::from_utf8(content.to_vec()).ok(),
        (ADDRESS, 4) => {
            <[u8; 4]>::try_from(content).ok().map(|it| IpAddr::from(Ipv4Addr::from(it)).to_string())
        }
        (ADDRESS, 16) => {
            <[u8; 16]>::try_from(content).ok().map(|it| IpAddr::from(Ipv6Addr::from(it)).to_string())
        }
        _ => None,
    }
}

/// Parses `YYMMDDHHMMSSZ` until 2049, `YYYYMMDDHHMMSSZ` later (RFC 5280 §4.1.2.5).
fn seconds(Element { tag, content }: Element<'_>) -> Option<i64> {
    let digits = std::str::from_utf8(content).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = digits.split_at_checked(2)?;
            let year: i16 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        TIME => {
            let (year, rest) = digits.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let pair = |at: usize| rest.get(at..at + 2)?.parse::<i8>().ok();
    let time = DateTime::new(year, pair(0)?, pair(2)?, pair(4)?, pair(6)?, pair(8)?, 0).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};

    use super::*;

    fn made(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let mut params =
            CertificateParams::new(names.iter().map(|it| it.to_string()).collect::<Vec<_>>()).unwrap();
        params.not_before = date_time_ymd(2026, 11, 1);
        params.not_after = date_time_ymd(2057, 2, 3);
        change(&mut params);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn a_certificate_says_whom_it_is_for_and_until_when() {
        let plain =
            CertificateFacts::read(&made(&["cp.example", "127.0.0.1", "::1", "*.mesh"], |_| {})).unwrap();
        let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_second();
        assert_eq!(
            plain,
            CertificateFacts {
                names: ["*.mesh", "127.0.0.1", "::1", "cp.example"].map(str::to_owned).to_vec(),
                signs: false,
                // the second has the other form: it is after 2049
                valid: at("2026-11-01T00:00:00Z")..=at("2057-02-03T00:00:00Z"),
            }
        );
        for host in ["cp.example", "CP.example.", "127.0.0.1", "::1", "a.mesh"] {
            assert!(plain.names_host(host), "{host}");
        }
        for host in ["example", "x.cp.example", "a.b.mesh", "mesh", "127.0.0.2", ""] {
            assert!(!plain.names_host(host), "{host}");
        }
        let authority = made(&[], |it| it.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
        assert!(CertificateFacts::read(&authority).unwrap().signs);
    }

    #[test]
    fn what_is_cut_or_none_is_refused() {
        let whole = made(&["cp.example"], |_| {});
        for length in 0..whole.len() {
            // damage need not be detected everywhere, but must not cause a panic
            let _ = CertificateFacts::read(&whole[..length]);
        }
        assert_eq!(CertificateFacts::read(b""), None);
        assert_eq!(CertificateFacts::read(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
    }
}
