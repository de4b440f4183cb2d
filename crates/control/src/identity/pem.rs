//! Keys and certificates in PEM.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use x509_parser::asn1_rs::{FromDer, OctetString, Sequence};

/// Encodes bytes in PEM.
pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let mut pem = format!("-----BEGIN {label}-----\n");
    for line in STANDARD.encode(der).as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}

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
    (key.algorithm() == &PKCS_RSA_SHA256).then(|| pem("RSA PRIVATE KEY", inner.as_ref()))
}
