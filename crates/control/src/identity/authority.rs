//! Certificate authority of a mesh, made here for a `builtin` backend (spec 07 §3.1). It is self-signed and is not
//! renewed.

use std::time::Duration;

use jiff::Timestamp;
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyUsagePurpose, RsaKeySize,
    SanType, SerialNumber,
};
use serde_json::Value;

use super::issue::{BACKDATED, after, before, lives};
use super::rsa::{pkcs1, rsa};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Self-signed certificate with its key.
pub(super) struct Made {
    /// Certificate in PEM.
    pub(super) certificate: String,
    /// Key in PKCS #1 and PEM.
    pub(super) key: String,
}

/// Size and lifetime that a backend asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CaParameters {
    size: RsaKeySize,
    lifetime: Duration,
}

impl Default for CaParameters {
    fn default() -> Self {
        Self { size: RsaKeySize::_2048, lifetime: 3_650 * DAY }
    }
}

impl CaParameters {
    /// Parses `conf.caCert` of a backend; defaults: 2,048 bits, ten years.
    ///
    /// # Errors
    /// In words: no such certificate can be made.
    pub(super) fn read(backend: &Value) -> Result<Self, String> {
        let wished = &backend["conf"]["caCert"];
        let bits = match &wished["RSAbits"] {
            Value::Null => Some(2_048),
            Value::String(text) => text.parse().ok(),
            other => other.as_u64(),
        };
        let size = match bits {
            Some(2_048) => RsaKeySize::_2048,
            Some(3_072) => RsaKeySize::_3072,
            Some(4_096) => RsaKeySize::_4096,
            _ => return Err("its `conf.caCert.RSAbits` must be 2048, 3072 or 4096".into()),
        };
        let lifetime = match &wished["expiration"] {
            Value::Null => Some(Self::default().lifetime),
            Value::String(text) => lifetime(text),
            _ => None,
        };
        // a certificate cannot express a year after 9999
        let lifetime = lifetime
            .filter(|lifetime| *lifetime <= 365 * 1_000 * DAY)
            .ok_or("its `conf.caCert.expiration` must be one number and one unit, such as 10y or 90d")?;
        Ok(Self { size, lifetime })
    }
}

/// Parses a number and a unit. A year has 365 days.
pub(super) fn lifetime(text: &str) -> Option<Duration> {
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
    of_unit.checked_mul(number)
}

/// Makes the certificate authority of a mesh, or of a trust domain.
///
/// # Errors
/// In words: there is no randomness, or the name is invalid in a certificate.
pub(super) fn make(
    name: &str,
    CaParameters { size, lifetime }: CaParameters,
    now: Timestamp,
) -> Result<Made, String> {
    let key = rsa(size).ok_or("the system gives no random numbers")?;
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, "Kuma");
    subject.push(DnType::OrganizationalUnitName, "Mesh");
    subject.push(DnType::CommonName, name);
    let mut wanted = CertificateParams::default();
    wanted.distinguished_name = subject;
    let name = Ia5String::try_from(format!("spiffe://{name}")).map_err(|error| error.to_string())?;
    wanted.subject_alt_names = vec![SanType::URI(name)];
    wanted.serial_number = Some(SerialNumber::from(0));
    lives(&mut wanted, before(now, BACKDATED), after(now, lifetime));
    wanted.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    wanted.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = wanted.self_signed(&key).map_err(|error| error.to_string())?;
    let key = pkcs1(&key).ok_or("the key has no form that can be stored")?;
    Ok(Made { certificate: certificate.pem(), key })
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_backend_says_how_large_and_for_how_long() {
        let read = |conf: Value| CaParameters::read(&json!({ "conf": { "caCert": conf } }));
        assert_eq!(CaParameters::read(&json!({ "name": "ca" })), Ok(CaParameters::default()));
        assert_eq!(
            read(json!({ "RSAbits": 4096, "expiration": "1y" })),
            Ok(CaParameters { size: RsaKeySize::_4096, lifetime: 365 * DAY })
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
        let (wish, now) = (CaParameters::default(), Timestamp::now());
        let Made { certificate, key } = make("shop", wish, now).unwrap();
        assert!(key.starts_with("-----BEGIN RSA PRIVATE KEY-----\n"), "{key}");
        let der = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(der.clone()).unwrap();
        let has = |bytes: &[u8]| der.windows(bytes.len()).any(|part| part == bytes);
        assert!(has(b"spiffe://shop") && has(b"Kuma") && has(b"Mesh"));
        assert!(make("m\u{f6}sh", wish, now).is_err());
    }
}
