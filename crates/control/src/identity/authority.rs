//! The certificate authority of a mesh, made here for a `builtin` backend (spec 07 §3.1). It signs itself, and is not renewed.

use std::time::{Duration, SystemTime};

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyUsagePurpose, PKCS_RSA_SHA256,
    PublicKeyData, SanType, SerialNumber, SignatureAlgorithm, SigningKey, date_time_ymd,
};
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use rustls::pki_types::PrivatePkcs1KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;

use super::rsa;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How far clocks may be behind.
const BACKDATED: Duration = Duration::from_secs(10);
/// The size of a key where the backend does not say.
const BITS: u64 = 2_048;

/// A certificate that signs itself, and its key.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Authority {
    /// In PEM.
    pub(super) certificate: String,
    /// In PKCS #1 and PEM.
    pub(super) key: String,
}

/// What a backend asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    bits: u64,
    lifetime: Duration,
}

impl Wish {
    /// Reads `conf.caCert` of a backend: 2,048 bits and ten years where it does not say.
    ///
    /// # Errors
    /// In words: no such certificate can be made.
    pub(super) fn read(backend: &Value) -> Result<Self, String> {
        let wished = &backend["conf"]["caCert"];
        let bits = match &wished["RSAbits"] {
            Value::Null => BITS,
            Value::String(text) => text.parse().unwrap_or_default(),
            other => other.as_u64().unwrap_or_default(),
        };
        if !matches!(bits, 2_048..=4_096) || bits % 8 != 0 {
            return Err("its `conf.caCert.RSAbits` must be from 2048 to 4096, and a multiple of 8".into());
        }
        let lifetime = match &wished["expiration"] {
            Value::Null => Some(3_650 * DAY),
            Value::String(text) => lifetime(text),
            _ => None,
        };
        let lifetime = lifetime
            .ok_or("its `conf.caCert.expiration` must be one number and one unit, such as 10y or 90d")?;
        Ok(Self { bits, lifetime })
    }
}

/// A number and a unit. A year has 365 days.
fn lifetime(text: &str) -> Option<Duration> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number: u32 = text.strip_suffix(unit)?.parse().ok()?;
    let of_unit = match unit {
        "y" => 365 * DAY,
        "w" => 7 * DAY,
        "d" => DAY,
        "h" => Duration::from_secs(60 * 60),
        "m" => Duration::from_secs(60),
        "s" => Duration::from_secs(1),
        "ms" => Duration::from_millis(1),
        _ => return None,
    };
    // a certificate can say no year after 9999
    of_unit.checked_mul(number).filter(|lifetime| *lifetime <= 365 * 1_000 * DAY)
}

/// Makes the authority of a mesh.
///
/// # Errors
/// In words: there is no randomness, or the name of the mesh stands in no certificate.
pub(super) fn make(mesh: &str, Wish { bits, lifetime }: Wish) -> Result<Authority, String> {
    let key = rsa::generate(bits).ok_or("the system gives no random numbers")?;
    let der = PrivatePkcs1KeyDer::from_pem_slice(key.as_bytes()).map_err(|error| error.to_string())?;
    let signer = Signer(KeyPair::from_der(der.secret_pkcs1_der()).map_err(|error| error.to_string())?);
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, "Kuma");
    subject.push(DnType::OrganizationalUnitName, "Mesh");
    subject.push(DnType::CommonName, mesh);
    let mut wanted = CertificateParams::default();
    wanted.distinguished_name = subject;
    let name = Ia5String::try_from(format!("spiffe://{mesh}")).map_err(|error| error.to_string())?;
    wanted.subject_alt_names = vec![SanType::URI(name)];
    wanted.serial_number = Some(SerialNumber::from(0));
    let epoch = date_time_ymd(1970, 1, 1);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    wanted.not_before = epoch + now.saturating_sub(BACKDATED);
    wanted.not_after = epoch + now + lifetime;
    wanted.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    wanted.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = wanted.self_signed(&signer).map_err(|error| error.to_string())?;
    Ok(Authority { certificate: rsa::pem("CERTIFICATE", certificate.der()), key })
}

/// A key that signs certificates.
struct Signer(KeyPair);

impl PublicKeyData for Signer {
    fn der_bytes(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_RSA_SHA256
    }
}

impl SigningKey for Signer {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let mut signature = vec![0; self.0.public().modulus_len()];
        let signed = self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature);
        signed.map_err(|_| rcgen::Error::RemoteKeyError)?;
        Ok(signature)
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_backend_says_how_large_and_for_how_long() {
        let read = |conf: Value| Wish::read(&json!({ "conf": { "caCert": conf } }));
        assert_eq!(Wish::read(&json!({ "name": "ca" })), Ok(Wish { bits: 2_048, lifetime: 3_650 * DAY }));
        assert_eq!(
            read(json!({ "RSAbits": 4096, "expiration": "1y" })),
            Ok(Wish { bits: 4_096, lifetime: 365 * DAY })
        );
        for conf in [
            json!({ "RSAbits": 1024 }),
            json!({ "RSAbits": 2050 }),
            json!({ "expiration": "1h30m" }),
            json!({ "expiration": "99999y" }),
        ] {
            assert!(read(conf.clone()).is_err(), "{conf}");
        }
    }

    #[test]
    fn an_authority_is_one_for_whoever_checks_it() {
        let wish = Wish::read(&Value::Null).unwrap();
        let Authority { certificate, key } = make("shop", wish).unwrap();
        assert!(key.starts_with("-----BEGIN RSA PRIVATE KEY-----\n"), "{key}");
        let der = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(der.clone()).unwrap();
        let has = |bytes: &[u8]| der.windows(bytes.len()).any(|part| part == bytes);
        assert!(has(b"spiffe://shop") && has(b"Kuma") && has(b"Mesh"));
        assert!(make("m\u{f6}sh", wish).is_err());
    }
}
