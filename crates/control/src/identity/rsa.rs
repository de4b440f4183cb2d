//! RSA keys.

use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use x509_parser::asn1_rs::{FromDer, OctetString, Sequence};

/// Generates an RSA key. `None`: the system has no randomness.
pub(super) fn rsa(size: RsaKeySize) -> Option<KeyPair> {
    KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, size).ok()
}

/// Encodes an RSA key in PKCS #1 and PEM, as Kuma writes it. `None`: it is no RSA key.
pub(super) fn pkcs1(key: &KeyPair) -> Option<String> {
    // PKCS #8 holds it behind a version and the algorithm
    let (_, outer) = Sequence::from_der(key.serialized_der()).ok()?;
    let (rest, _) = u8::from_der(&outer.content).ok()?;
    let (rest, _) = Sequence::from_der(rest).ok()?;
    let (_, inner) = OctetString::from_der(rest).ok()?;
    (key.algorithm() == &PKCS_RSA_SHA256).then(|| trust::pem("RSA PRIVATE KEY", inner.as_ref()))
}
