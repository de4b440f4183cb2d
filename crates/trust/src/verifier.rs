//! Verifier of server certificates for rustls.

use std::collections::BTreeSet;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::CertificateFacts;

/// Trusted certificates: they themselves, and those that they signed. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Trust(Arc<Verifier>);

/// Reason why a text has no trusted certificates.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// There is no certificate in it.
    #[error("there is no certificate in it")]
    Nothing,
    /// It is not PEM.
    #[error("{0}")]
    Pem(rustls::pki_types::pem::Error),
    /// Its certificates cannot be used.
    #[error("{0}")]
    Unusable(String),
}

impl Trust {
    /// Parses certificates in PEM.
    ///
    /// # Errors
    /// If there is none, or one is damaged.
    pub fn from_pem(pem: &[u8]) -> Result<Self, TrustError> {
        let certificates = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        let certificates = certificates.map_err(TrustError::Pem)?;
        if certificates.is_empty() {
            return Err(TrustError::Nothing);
        }
        let mut roots = RootCertStore::empty();
        // an outdated certificate of a system is skipped, and does not affect the others
        if roots.add_parsable_certificates(certificates.iter().cloned()).0 == 0 {
            return Err(TrustError::Unusable("no certificate in it can be read".to_owned()));
        }
        let provider = Arc::new(ring::default_provider());
        let signed = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let signed = signed.build().map_err(|error| TrustError::Unusable(error.to_string()))?;
        let themselves = certificates.iter().map(|it| it.to_vec()).collect();
        Ok(Self(Arc::new(Verifier { themselves, signed, provider })))
    }

    /// Client configuration that trusts them, without a client certificate. `protocols`: offered by ALPN; empty: none.
    ///
    /// # Errors
    /// If TLS is not available at all.
    pub fn client(&self, protocols: &[&str]) -> Result<ClientConfig, Error> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.0.provider));
        let builder = builder.with_safe_default_protocol_versions()?;
        let verifier = Arc::clone(&self.0) as Arc<dyn ServerCertVerifier>;
        let mut config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
        Ok(config)
    }
}

#[derive(Debug)]
struct Verifier {
    /// Certificates that are trusted themselves, in DER.
    themselves: BTreeSet<Vec<u8>>,
    /// Verifier of all others.
    signed: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        stapled: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if !self.themselves.contains(shown.as_ref()) {
            return self.signed.verify_server_cert(shown, chain, name, stapled, now);
        }
        verify_server_name(&ParsedCertificate::try_from(shown)?, name)?;
        let CertificateFacts { valid, .. } =
            CertificateFacts::read(shown).ok_or(CertificateError::BadEncoding)?;
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        if now < *valid.start() {
            return Err(CertificateError::NotValidYet.into());
        }
        if now > *valid.end() {
            return Err(CertificateError::Expired.into());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{
        BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd,
    };

    use super::*;

    fn params(signs: bool) -> CertificateParams {
        let mut params = CertificateParams::new(["cp.example".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2027, 1, 1);
        params.is_ca = match signs {
            true => IsCa::Ca(BasicConstraints::Unconstrained),
            false => IsCa::NoCa,
        };
        params
    }

    fn self_signed(signs: bool) -> Certificate {
        params(signs).self_signed(&KeyPair::generate().unwrap()).unwrap()
    }

    fn verdict(trusted: &Certificate, shown: &Certificate, name: &str, at: &str) -> Result<(), String> {
        let trust = Trust::from_pem(trusted.pem().as_bytes()).unwrap();
        let at: jiff::Timestamp = at.parse().unwrap();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(at.as_second() as u64));
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let verified = trust.0.verify_server_cert(shown.der(), &[], &name, &[], now);
        verified.map(|_| ()).map_err(|error| format!("{error:?}"))
    }

    const NOW: &str = "2026-11-29T00:00:00Z";

    #[test]
    fn what_stands_among_the_trusted_is_trusted_whatever_it_may_sign() {
        for signs in [true, false] {
            let shown = self_signed(signs);
            for name in ["cp.example", "127.0.0.1"] {
                assert_eq!(verdict(&shown, &shown, name, NOW), Ok(()), "{signs} {name}");
            }
        }
    }

    #[test]
    fn its_name_and_its_dates_are_looked_at() {
        let shown = self_signed(true);
        for (name, at, why) in [
            ("other.example", NOW, "NotValidForName"),
            ("127.0.0.2", NOW, "NotValidForName"),
            ("cp.example", "2027-01-01T00:00:01Z", "Expired"),
            ("cp.example", "2025-12-31T23:59:59Z", "NotValidYet"),
        ] {
            let error = verdict(&shown, &shown, name, at).unwrap_err();
            assert!(error.contains(why), "{name} {at}: {error}");
        }
    }

    #[test]
    fn any_other_is_looked_at_as_before() {
        let (key, mut authority) = (KeyPair::generate().unwrap(), params(true));
        authority.distinguished_name.push(DnType::CommonName, "an authority");
        let authority_certificate = authority.self_signed(&key).unwrap();
        let issuer = Issuer::new(authority, key);
        let signed = params(false).signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
        assert_eq!(verdict(&authority_certificate, &signed, "cp.example", NOW), Ok(()));
        for (stranger, why) in
            [(self_signed(false), "UnknownIssuer"), (self_signed(true), "CaUsedAsEndEntity")]
        {
            let error = verdict(&authority_certificate, &stranger, "cp.example", NOW).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_text_without_certificates_trusts_nobody() {
        assert!(matches!(Trust::from_pem(b"nothing"), Err(TrustError::Nothing)));
        let key = KeyPair::generate().unwrap().serialize_pem();
        assert!(matches!(Trust::from_pem(key.as_bytes()), Err(TrustError::Nothing)));
    }
}
