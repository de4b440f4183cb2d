//! Parser of the messages of TLS, and of the secrets that they name, into [`ServerTls`] and [`ClientTls`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use xds::ResourceSet;
use xds::proto::l4;

use super::Parser;
use crate::config::{
    Cipher, ClientTls, Identity, NamePattern, ServerTls, TlsLimits, TlsTerms, TlsVersion, Trust,
};

/// Limit on the length of a server name that a client hello can ask for here, in bytes.
pub(super) const LONGEST_SERVER_NAME: usize = 255;

/// Secrets of a proxy, by name.
#[derive(Default)]
pub(super) struct Secrets {
    identities: BTreeMap<String, Arc<Identity>>,
    trusts: BTreeMap<String, Arc<Trust>>,
}

impl Secrets {
    /// Certificate and key of a secret; `None`: there is no such secret.
    pub(super) fn identity(&self, name: &str) -> Option<Arc<Identity>> {
        self.identities.get(name).cloned()
    }

    /// Authorities of a secret; `None`: there is no such secret.
    pub(super) fn trust(&self, name: &str) -> Option<Arc<Trust>> {
        self.trusts.get(name).cloned()
    }
}

impl Parser<'_> {
    /// Collects the secrets. Their content is not verified: an unusable certificate must not hold up everything else.
    pub(super) fn secrets(&mut self, set: &ResourceSet) -> Secrets {
        let mut secrets = Secrets::default();
        for (what, l4::Secret { name, certificate, trust }) in self.decode(set) {
            match (certificate, trust) {
                (Some(l4::Certificate { chain_pem, key_pem }), None) => {
                    let identity = Identity { chain: chain_pem.into(), key: key_pem.into() };
                    secrets.identities.insert(name, Arc::new(identity));
                }
                (None, Some(trust)) => {
                    secrets.trusts.insert(name, Arc::new(trust_of(trust)));
                }
                (Some(_), Some(_)) | (None, None) => {
                    self.problem(&what, "", "needs one of certificate and trust");
                }
            }
        }
        secrets
    }

    pub(super) fn server_tls(&mut self, what: &str, tls: l4::ServerTls, secrets: &Secrets) -> ServerTls {
        let l4::ServerTls { permissive, terms } = tls;
        ServerTls { permissive, terms: self.terms(what, terms, secrets) }
    }

    pub(super) fn client_tls(&mut self, what: &str, tls: l4::ClientTls, secrets: &Secrets) -> ClientTls {
        let l4::ClientTls { server_name, protocols, terms, zones } = tls;
        for server_name in zones.iter().map(|zone| &zone.server_name).chain([&server_name]) {
            self.fits_a_hello(what, "tls.server_name", server_name);
        }
        for (index, protocol) in protocols.iter().enumerate() {
            if !(1..=255).contains(&protocol.len()) {
                self.problem(
                    what,
                    &format!("tls.protocols[{index}]"),
                    format!("{protocol:?} is not of 1 to 255 bytes"),
                );
            }
        }
        ClientTls {
            server_name: (!server_name.is_empty()).then(|| server_name.into()),
            zones: zones
                .into_iter()
                .map(|l4::ServerNameOfZone { zone, server_name }| (zone.into(), server_name.into()))
                .collect(),
            protocols: protocols.into_iter().map(Into::into).collect(),
            terms: self.terms(what, terms, secrets),
        }
    }

    pub(super) fn fits_a_hello(&mut self, what: &str, field: &str, server_name: &str) {
        if server_name.len() > LONGEST_SERVER_NAME || server_name.contains('\0') {
            let message =
                format!("{server_name:?} is longer than {LONGEST_SERVER_NAME} bytes, or has a zero in it");
            self.problem(what, field, message);
        }
    }

    fn terms(&mut self, what: &str, terms: Option<l4::TlsTerms>, secrets: &Secrets) -> TlsTerms {
        let l4::TlsTerms { certificate, trust, names, min_version, max_version, ciphers } =
            terms.unwrap_or_default();
        for (field, name) in [("tls.terms.certificate", &certificate), ("tls.terms.trust", &trust)] {
            if name.is_empty() {
                self.problem(what, field, "names no secret");
            }
        }
        let names = names.into_iter().enumerate();
        let names = names
            .filter_map(|(index, name)| self.name_pattern(what, &format!("tls.terms.names[{index}]"), name))
            .collect();
        let min = self.tls_version(what, "tls.terms.min_version", min_version).unwrap_or(TlsVersion::Tls12);
        let max = self.tls_version(what, "tls.terms.max_version", max_version).unwrap_or(TlsVersion::Tls13);
        if min > max {
            self.problem(what, "tls.terms.min_version", "is newer than max_version");
        }
        TlsTerms {
            identity: secrets.identity(&certificate),
            trust: secrets.trust(&trust),
            names,
            limits: TlsLimits { min, max, ciphers: self.ciphers(what, &ciphers) },
        }
    }

    pub(super) fn name_pattern(
        &mut self,
        what: &str,
        field: &str,
        name: l4::NamePattern,
    ) -> Option<NamePattern> {
        let l4::NamePattern { exact, prefix } = name;
        match (exact.is_empty(), prefix.is_empty()) {
            (false, true) => Some(NamePattern::Exact(exact.into())),
            (true, false) => Some(NamePattern::Prefix(prefix.into())),
            (false, false) | (true, true) => {
                self.problem(what, field, "needs one of exact and prefix");
                None
            }
        }
    }

    pub(super) fn tls_version(&mut self, what: &str, field: &str, number: i32) -> Option<TlsVersion> {
        match l4::TlsVersion::try_from(number) {
            Ok(l4::TlsVersion::Auto) => None,
            Ok(l4::TlsVersion::Tls12) => Some(TlsVersion::Tls12),
            Ok(l4::TlsVersion::Tls13) => Some(TlsVersion::Tls13),
            Err(_) => {
                self.problem(what, field, format!("{number} is no version that this proxy knows"));
                None
            }
        }
    }

    fn ciphers(&mut self, what: &str, names: &[String]) -> BTreeSet<Cipher> {
        let mut ciphers = BTreeSet::new();
        for (index, name) in names.iter().enumerate() {
            match Cipher::named(name) {
                Some(cipher) => {
                    ciphers.insert(cipher);
                }
                None => {
                    let field = format!("tls.terms.ciphers[{index}]");
                    self.problem(what, &field, format!("{name:?} is no suite that this proxy knows"));
                }
            }
        }
        ciphers
    }
}

fn trust_of(l4::Trust { anchors_pem, domains }: l4::Trust) -> Trust {
    if domains.is_empty() && !anchors_pem.is_empty() {
        return Trust::OneBundle(anchors_pem.into());
    }
    let domain = |l4::TrustDomain { domain, anchors_pem }| (domain.into(), anchors_pem.into());
    Trust::ByDomain(domains.into_iter().map(domain).collect())
}
