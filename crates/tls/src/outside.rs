//! Verification of services outside the mesh.
//!
//! The library has verified the chain, as for a proxy of the mesh. The rest are the names: DNS names and IP addresses
//! in the certificate, never its subject.

use std::net::IpAddr;

use l4::config::{NamePattern, OutsideName};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use crate::rule::{Distrust, PeerIdentity, uris};

/// Rule for a service outside the mesh: its certificate has one of these names; empty: any name.
#[derive(Clone, Debug)]
pub struct OutsideRule(pub Vec<OutsideName>);

impl OutsideRule {
    /// Judges a service by its chain in DER, leaf first. Unlike a proxy of the mesh, its certificate may be able to
    /// sign others: most tools make such a one for a single server.
    ///
    /// # Errors
    /// Reason why it is not trusted.
    pub fn judge(&self, chain: &[Vec<u8>]) -> Result<PeerIdentity, Distrust> {
        let leaf = chain.first().ok_or(Distrust::Unreadable)?;
        let (_, leaf) = X509Certificate::from_der(leaf).map_err(|_| Distrust::Unreadable)?;
        let names = leaf.subject_alternative_name().map_err(|_| Distrust::Unreadable)?;
        let names = names.map(|extension| extension.value.general_names.as_slice()).unwrap_or_default();
        let names: Vec<Named> = names.iter().filter_map(Named::of).collect();
        let Self(expected) = self;
        if !expected.is_empty() && !names.iter().any(|name| expected.iter().any(|it| name.is_one_of(it))) {
            let shown = names.iter().map(|Named { text, is_address: _ }| text.clone());
            return Err(Distrust::OtherService(shown.collect()));
        }
        Ok(PeerIdentity { uris: uris(&leaf)?, not_after: leaf.validity().not_after.timestamp() })
    }
}

/// Name of a certificate.
struct Named {
    text: String,
    is_address: bool,
}

impl Named {
    fn of(name: &GeneralName<'_>) -> Option<Self> {
        match name {
            GeneralName::DNSName(name) => Some(Self { text: (*name).to_owned(), is_address: false }),
            GeneralName::IPAddress(bytes) => {
                let address = match bytes.len() {
                    4 => IpAddr::from(<[u8; 4]>::try_from(*bytes).ok()?),
                    _ => IpAddr::from(<[u8; 16]>::try_from(*bytes).ok()?),
                };
                Some(Self { text: address.to_string(), is_address: true })
            }
            _ => None,
        }
    }

    fn is_one_of(&self, expected: &OutsideName) -> bool {
        match (expected, self.is_address) {
            (OutsideName::Address(NamePattern::Exact(exact)), true) => {
                **exact == *self.text
                    || exact.parse::<IpAddr>().is_ok_and(|address| address.to_string() == self.text)
            }
            (OutsideName::Dns(NamePattern::Exact(exact)), false) => is_named(exact, &self.text),
            (
                OutsideName::Address(NamePattern::Prefix(prefix))
                | OutsideName::Dns(NamePattern::Prefix(prefix)),
                _,
            ) => {
                matches!(expected, OutsideName::Address(_)) == self.is_address
                    && self.text.starts_with(&**prefix)
            }
            (OutsideName::Address(_), false) | (OutsideName::Dns(_), true) => false,
        }
    }
}

/// Returns `true` if a host matches a DNS name of a certificate, which may begin with `*.` for any one label.
fn is_named(host: &str, shown: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let by_wildcard = || {
        let (label, rest) = host.split_once('.')?;
        let parent = shown.strip_prefix("*.")?;
        // `*.com` would match any domain
        Some(!label.is_empty() && parent.contains('.') && rest.eq_ignore_ascii_case(parent))
    };
    host.eq_ignore_ascii_case(shown) || by_wildcard().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(expected: OutsideName, text: &str, is_address: bool) -> bool {
        Named { text: text.into(), is_address }.is_one_of(&expected)
    }

    fn exact(text: &str) -> NamePattern {
        NamePattern::Exact(text.into())
    }

    #[test]
    fn a_name_is_that_of_the_host_in_either_case_and_a_star_is_one_label() {
        for (host, shown, is_it) in [
            ("db.example.com", "db.example.com", true),
            ("DB.example.com", "db.EXAMPLE.com", true),
            ("db.example.com.", "db.example.com", true),
            ("db.example.com", "*.example.com", true),
            ("db.example.com", "*.EXAMPLE.com", true),
            ("a.db.example.com", "*.example.com", false),
            ("example.com", "*.example.com", false),
            ("example.com", "*.com", false),
            ("db.example.com", "d*.example.com", false),
            ("db.example.com", "*", false),
            ("db.example.com", "example.com", false),
            ("db.example.com", "db.example.org", false),
        ] {
            assert_eq!(takes(OutsideName::Dns(exact(host)), shown, false), is_it, "{host} {shown}");
        }
    }

    #[test]
    fn an_address_is_no_name_and_a_name_no_address() {
        assert!(takes(OutsideName::Address(exact("192.0.2.1")), "192.0.2.1", true));
        assert!(takes(OutsideName::Address(exact("2001:DB8::0:1")), "2001:db8::1", true));
        assert!(!takes(OutsideName::Address(exact("192.0.2.1")), "192.0.2.1", false));
        assert!(!takes(OutsideName::Dns(exact("192.0.2.1")), "192.0.2.1", true));
        let prefix = || NamePattern::Prefix("192.0.".into());
        assert!(takes(OutsideName::Address(prefix()), "192.0.2.1", true));
        assert!(takes(OutsideName::Dns(prefix()), "192.0.example.com", false));
        assert!(!takes(OutsideName::Dns(prefix()), "192.0.2.1", true));
    }
}
