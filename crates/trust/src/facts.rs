//! Facts about a certificate, from its own content.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

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
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        let names = certificate.subject_alternative_name().ok()?;
        let names = names.into_iter().flat_map(|extension| &extension.value.general_names);
        let mut names: Vec<String> = names.filter_map(name).collect();
        names.sort();
        let constraints = certificate.basic_constraints().ok()?;
        let (from, to) = (certificate.validity().not_before, certificate.validity().not_after);
        Some(Self {
            names,
            signs: constraints.is_some_and(|extension| extension.value.ca),
            valid: from.timestamp()..=to.timestamp(),
        })
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

/// DNS name or IP address as text; `None`: another sort of name, or an address of another length.
fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(|it| IpAddr::from(Ipv4Addr::from(it)));
            let v6 = || <[u8; 16]>::try_from(*bytes).map(|it| IpAddr::from(Ipv6Addr::from(it)));
            Some(v4.or_else(|_| v6()).ok()?.to_string())
        }
        _ => None,
    }
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
