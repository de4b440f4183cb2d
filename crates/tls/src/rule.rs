//! Verification of peers in the mesh.
//!
//! The library has verified the chain: every signature up to one of the anchors, the dates, the usages. The rest is
//! pure: which anchor may vouch for which name, and which names are accepted.

use std::collections::BTreeMap;
use std::sync::Arc;

use l4::config::{NamePattern, Trust};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use crate::pem::certificates;

/// Verified identity of a peer; default: none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerIdentity {
    /// URI names of its certificate, in their order.
    pub uris: Vec<String>,
    /// Expiry of its certificate, in seconds since 1970; 0: no certificate was verified.
    pub not_after: i64,
}

/// Reason why a peer is not trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// The certificate cannot be read.
    #[error("its certificate cannot be read")]
    Unreadable,
    /// The certificate may sign others: it is an authority's, not a peer's.
    #[error("its certificate is that of an authority")]
    Authority,
    /// The first URI name of the certificate is not of the form `spiffe://DOMAIN/…`.
    #[error("its certificate has no SPIFFE name first")]
    NoSpiffeName,
    /// There is no authority for the domain.
    #[error("trust domain {0:?} is not trusted")]
    UnknownDomain(String),
    /// An authority of another domain has signed the certificate.
    #[error("its certificate is not signed by an authority of trust domain {0:?}")]
    OtherAuthority(String),
    /// None of its names is accepted.
    #[error("none of its names is expected here: {}", in_words(.0))]
    NameNotAllowed(Vec<String>),
    /// None of its DNS names and IP addresses is that of the service.
    #[error("its certificate is for somebody else: {}", in_words(.0))]
    OtherService(Vec<String>),
}

fn in_words(names: &[String]) -> String {
    if names.is_empty() { "it has no such name".to_owned() } else { names.join(", ") }
}

impl Distrust {
    /// Name in logs and metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Unreadable | Self::Authority | Self::OtherAuthority(_) => "bad-chain",
            Self::NoSpiffeName => "no-uri-name",
            Self::UnknownDomain(_) => "unknown-domain",
            Self::NameNotAllowed(_) | Self::OtherService(_) => "name-not-allowed",
        }
    }
}

/// Rule that verifies peers.
#[derive(Clone, Debug)]
pub struct PeerRule {
    /// Anchors of each domain in DER; `None`: every anchor is good for every name.
    domains: Option<BTreeMap<Arc<str>, Vec<Vec<u8>>>>,
    names: Vec<NamePattern>,
}

impl PeerRule {
    /// Parses the authorities, which are passed to `each` in PEM one at a time.
    ///
    /// # Errors
    /// Description of the authority that cannot be read.
    pub fn new(trust: &Trust, names: &[NamePattern], mut each: impl FnMut(&str)) -> Result<Self, String> {
        let mut read = |text: &str, of: &str| {
            let found = certificates(text)
                .map_err(|place| format!("certificate {place} of the authorities{of} cannot be read"))?;
            Ok::<_, String>(
                found
                    .into_iter()
                    .map(|(pem, der)| {
                        each(pem);
                        der
                    })
                    .collect::<Vec<_>>(),
            )
        };
        let domains = match trust {
            Trust::OneBundle(text) => {
                read(text, "")?;
                None
            }
            Trust::ByDomain(domains) => {
                let read = |(domain, text): (&Arc<str>, &Arc<str>)| {
                    Ok::<_, String>((
                        Arc::clone(domain),
                        read(text, &format!(" of trust domain {domain:?}"))?,
                    ))
                };
                Some(domains.iter().map(read).collect::<Result<_, _>>()?)
            }
        };
        Ok(Self { domains, names: names.to_vec() })
    }

    /// Judges a peer by its chain in DER: the leaf first, the anchor that vouches for it last.
    ///
    /// # Errors
    /// Reason why it is not trusted.
    pub fn judge(&self, chain: &[Vec<u8>]) -> Result<PeerIdentity, Distrust> {
        let leaf = chain.first().ok_or(Distrust::Unreadable)?;
        let (_, leaf) = X509Certificate::from_der(leaf).map_err(|_| Distrust::Unreadable)?;
        let uris = uris(&leaf)?;
        if is_authority(&leaf)? {
            return Err(Distrust::Authority);
        }
        if let Some(domains) = &self.domains {
            let domain = uris.first().and_then(|uri| domain(uri)).ok_or(Distrust::NoSpiffeName)?;
            let anchors = domains.get(domain).ok_or_else(|| Distrust::UnknownDomain(domain.to_owned()))?;
            if !chain.last().is_some_and(|anchor| anchors.contains(anchor)) {
                return Err(Distrust::OtherAuthority(domain.to_owned()));
            }
        }
        let is_welcome = |uri: &String| self.names.iter().any(|pattern| pattern.takes(uri));
        if !self.names.is_empty() && !uris.iter().any(is_welcome) {
            return Err(Distrust::NameNotAllowed(uris));
        }
        Ok(PeerIdentity { uris, not_after: leaf.validity().not_after.timestamp() })
    }
}

/// URI names of a certificate, in their order.
pub(crate) fn uris(leaf: &X509Certificate<'_>) -> Result<Vec<String>, Distrust> {
    let names = leaf.subject_alternative_name().map_err(|_| Distrust::Unreadable)?;
    let names = names.map(|extension| extension.value.general_names.as_slice()).unwrap_or_default();
    let uri = |name: &GeneralName<'_>| match name {
        GeneralName::URI(uri) => Some((*uri).to_owned()),
        _ => None,
    };
    Ok(names.iter().filter_map(uri).collect())
}

fn is_authority(leaf: &X509Certificate<'_>) -> Result<bool, Distrust> {
    let constraints = leaf.basic_constraints().map_err(|_| Distrust::Unreadable)?;
    let usage = leaf.key_usage().map_err(|_| Distrust::Unreadable)?;
    Ok(constraints.is_some_and(|it| it.value.ca)
        || usage.is_some_and(|it| it.value.key_cert_sign() || it.value.crl_sign()))
}

/// Trust domain of `spiffe://DOMAIN/…`.
fn domain(uri: &str) -> Option<&str> {
    let (domain, _) = uri.strip_prefix("spiffe://")?.split_once('/')?;
    (!domain.is_empty()).then_some(domain)
}

/// Expiry of the first certificate of a chain in PEM, in seconds since 1970; `None`: it cannot be read.
pub(crate) fn end_of(chain: &str) -> Option<i64> {
    let (_, leaf) = certificates(chain).ok()?.into_iter().next()?;
    let (_, leaf) = X509Certificate::from_der(&leaf).ok()?;
    Some(leaf.validity().not_after.timestamp())
}
