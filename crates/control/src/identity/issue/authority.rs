//! Signing certificate authority: its certificates and its key.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use rcgen::{
    Issuer, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_RSA_SHA256,
    SignatureAlgorithm,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer;

const NO_CA: &str = "basic constraint 'CA' must be set to 'true' (see X509-SVID: 4.1. Basic Constraints)";
const NO_SIGNING: &str = "key usage extension 'keyCertSign' must be set (see X509-SVID: 4.3. Key Usage)";
const KEY_AGREEMENT: &str = "key usage extension 'keyAgreement' must NOT be set (see X509-SVID: Appendix A. X.509 Field \
    Reference)";

/// Signing certificate authority.
pub(crate) struct Authority {
    pub(super) issuer: Issuer<'static, KeyPair>,
    /// Certificates, the signing one first, each in PEM.
    chain: Vec<Arc<str>>,
    /// End of the signing certificate's validity.
    ends: Timestamp,
    signed_itself: bool,
    /// `true`: its certificate has a subject key identifier, which tells several keys of one name apart.
    pub(super) names_its_key: bool,
}

/// Flaw of a certificate authority that somebody provides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    /// Index of the certificate, from 0; `None`: the signing certificate does not match the key.
    pub(crate) certificate: Option<usize>,
    /// Description of the flaw.
    pub(crate) message: String,
}

impl Authority {
    /// Reads certificates and a key in PEM: PKCS #8, PKCS #1 or SEC 1. The first certificate signs.
    ///
    /// # Errors
    /// In words, without a byte of the key: the part that cannot be read, or does not match.
    pub(crate) fn read(certificates: &[u8], key: &[u8]) -> Result<Self, String> {
        let (ders, key) = pair(certificates, key)?;
        let first = ders.first().ok_or("there is no certificate in PEM")?;
        let read = parsed(first, 0)?;
        let ends = end_of(&read);
        let names_its_key = read
            .iter_extensions()
            .any(|it| matches!(it.parsed_extension(), ParsedExtension::SubjectKeyIdentifier(_)));
        let signed_itself = read.subject().as_raw() == read.issuer().as_raw();
        let issuer = Issuer::from_ca_cert_der(first, key)
            .map_err(|error| format!("the certificate cannot be read: {error}"))?;
        let chain = ders.iter().map(|der| trust::pem("CERTIFICATE", der).into()).collect();
        Ok(Self { issuer, chain, ends, signed_itself, names_its_key })
    }

    /// Certificates, each in PEM.
    pub(crate) fn chain(&self) -> &[Arc<str>] {
        &self.chain
    }

    /// End of its validity.
    pub(crate) fn ends(&self) -> Timestamp {
        self.ends
    }

    /// Returns `true` if it is self-signed.
    pub(crate) fn signed_itself(&self) -> bool {
        self.signed_itself
    }

    /// Algorithm of its key.
    pub(super) fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.issuer.key().algorithm()
    }
}

impl fmt::Debug for Authority {
    /// Never writes the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("ends", &self.ends).finish_non_exhaustive()
    }
}

/// Reads certificates, and the key of the first: PKCS #8, PKCS #1 or SEC 1, all in PEM.
///
/// # Errors
/// In words, without a byte of the key: the part that cannot be read, or does not match.
pub(crate) fn pair(
    certificates: &[u8],
    key: &[u8],
) -> Result<(Vec<CertificateDer<'static>>, KeyPair), String> {
    let ders = ders(certificates)?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| "there is no private key in PEM".to_owned())?;
    let key = KeyPair::try_from(&key).map_err(|_| "the private key cannot be read".to_owned())?;
    let first = ders.first().ok_or("there is no certificate in PEM")?;
    if *parsed(first, 0)?.public_key().subject_public_key.data != *key.public_key_raw() {
        return Err("the private key is not that of the certificate".into());
    }
    Ok((ders, key))
}

/// Returns the end of a certificate's validity.
pub(crate) fn end_of(certificate: &X509Certificate<'_>) -> Timestamp {
    Timestamp::from_second(certificate.validity().not_after.timestamp()).unwrap_or(Timestamp::MAX)
}

/// Returns the flaws of a certificate authority that somebody provides, in the order of its certificates (spec 07
/// §2.2).
pub(crate) fn flaws(certificates: &[u8], key: &[u8]) -> Vec<Flaw> {
    let pair = Authority::read(certificates, key)
        .err()
        .map(|why| Flaw { certificate: None, message: format!("not a valid TLS key pair: {why}") });
    let each = ders(certificates).unwrap_or_default();
    let each = each.iter().enumerate().flat_map(|(index, der)| {
        let messages = parsed(der, index).map(|it| flaws_of(&it)).unwrap_or_else(|why| vec![why]);
        messages.into_iter().map(move |message| Flaw { certificate: Some(index), message })
    });
    pair.into_iter().chain(each).collect()
}

fn flaws_of(certificate: &X509Certificate<'_>) -> Vec<String> {
    let usage = certificate.key_usage().ok().flatten().map(|usage| usage.value);
    let signs = usage.is_some_and(|usage| usage.key_cert_sign());
    let agrees = usage.is_some_and(|usage| usage.key_agreement());
    let flaws = [(!certificate.is_ca(), NO_CA), (!signs, NO_SIGNING), (agrees, KEY_AGREEMENT)];
    flaws.into_iter().filter(|(is_one, _)| *is_one).map(|(_, message)| message.to_owned()).collect()
}

/// Reads the certificates of a text in PEM, at least one.
///
/// # Errors
/// In words: there is none, or one cannot be read.
pub(crate) fn ders(certificates: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates).collect();
    let read = read.map_err(|error| format!("the certificates are no PEM: {error}"))?;
    if read.is_empty() { Err("there is no certificate in PEM".into()) } else { Ok(read) }
}

/// Parses a certificate; `index`: its position in the text, for the error.
///
/// # Errors
/// In words: it cannot be parsed.
pub(crate) fn parsed<'a>(der: &'a CertificateDer<'_>, index: usize) -> Result<X509Certificate<'a>, String> {
    let read = X509Certificate::from_der(der);
    read.map(|(_, it)| it).map_err(|_| format!("certificate {index} cannot be read"))
}

/// Returns `true` for an elliptic curve algorithm, whose keys sign leaves with keys of the same sort.
pub(super) fn is_elliptic(algorithm: &'static SignatureAlgorithm) -> bool {
    [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ECDSA_P521_SHA512].contains(&algorithm)
}

/// Returns `true` for an RSA algorithm.
pub(super) fn is_rsa(algorithm: &'static SignatureAlgorithm) -> bool {
    algorithm == &PKCS_RSA_SHA256
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::authority::{CaParameters, make};

    fn key(name: &str) -> String {
        std::fs::read_to_string(format!("{}/tests/keys/{name}.pem", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    #[test]
    fn an_authority_is_read_in_every_form_of_key() {
        for form in ["rsa-pkcs1", "rsa-pkcs8", "ec-sec1", "ec-pkcs8"] {
            let sort = form.split('-').next().unwrap();
            let authority = Authority::read(key(&format!("{sort}-ca")).as_bytes(), key(form).as_bytes());
            let authority = authority.unwrap_or_else(|why| panic!("{form}: {why}"));
            assert_eq!(is_rsa(authority.algorithm()), sort == "rsa", "{form}");
            assert_eq!(is_elliptic(authority.algorithm()), sort == "ec", "{form}");
            assert!(!format!("{authority:?}").contains("PRIVATE"), "{authority:?}");
        }
    }

    #[test]
    fn what_cannot_sign_is_told_with_the_place() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let made = make("shop", CaParameters::default(), now).unwrap();
        let of = |certificates: &str, key: &str| flaws(certificates.as_bytes(), key.as_bytes());
        assert_eq!(of(&made.certificate, &made.key), []);
        let other = of(&made.certificate, &key("ec-sec1"));
        assert_eq!(
            (other.len(), other[0].certificate, other[0].message.as_str()),
            (1, None, "not a valid TLS key pair: the private key is not that of the certificate")
        );
        let leaf = of(&key("leaf"), &key("leaf-key"));
        let told: Vec<_> = leaf.iter().map(|it| (it.certificate, it.message.as_str())).collect();
        assert_eq!(told, [(Some(0), NO_CA), (Some(0), NO_SIGNING), (Some(0), KEY_AGREEMENT)]);
        assert!(of("", "")[0].message.contains("no certificate"));
    }
}
