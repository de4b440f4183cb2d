//! Certificate of a proxy (spec 07 §4, §12.5).

use std::sync::Arc;
use std::time::Duration;

use dialect::PrivateKey;
use jiff::Timestamp;
use rcgen::string::Ia5String;
use rcgen::{
    CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, RsaKeySize, SanType, SerialNumber,
};
use ring::rand::{SecureRandom, SystemRandom};

use super::authority::{Authority, is_elliptic, is_rsa};
use super::{BACKDATED, after, before, lives};
use crate::identity::rsa::rsa;

const NO_RANDOMNESS: &str = "the system gives no random numbers";

/// Sort of keys of certificates that the CA of a mesh signs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeafKeys {
    /// ECDSA on P-256, whatever the CA has: a handshake costs both sides half of that with RSA.
    #[default]
    P256,
    /// RSA of 2,048 bits, as in Kuma.
    Rsa,
}

/// Parameters of a certificate to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// URI names, in their order.
    pub(crate) uris: Vec<String>,
    /// Lifetime.
    pub(crate) lifetime: Duration,
    /// Sort of its key; `None`: that of the authority's key.
    pub(crate) keys: Option<LeafKeys>,
}

/// Certificate that was made, and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leaf {
    /// Chain in PEM.
    pub(crate) chain: Arc<str>,
    pub(crate) key: PrivateKey,
    /// Serial number, in hexadecimal digits.
    pub(crate) serial: String,
    /// Time of making.
    pub(crate) made: Timestamp,
    /// End of its validity.
    pub(crate) ends: Timestamp,
}

impl Authority {
    /// Makes a certificate with a new key.
    ///
    /// # Errors
    /// In words: its key is of an unsupported sort, a name is invalid in a certificate, or there is no randomness.
    pub(crate) fn issue(&self, wanted: &Wanted, now: Timestamp) -> Result<Leaf, String> {
        let Wanted { uris, lifetime, keys } = wanted;
        let key = self.new_key(*keys)?;
        let mut serial = [0; 16];
        SystemRandom::new().fill(&mut serial).map_err(|_| NO_RANDOMNESS)?;
        // not 0, and no leading bytes that DER would leave out
        serial[0] = serial[0] & 0x7f | 0x40;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let uri = |uri: &String| match Ia5String::try_from(uri.as_str()) {
            Ok(uri) => Ok(SanType::URI(uri)),
            Err(_) => Err(format!("`{uri}` can be in no certificate")),
        };
        params.subject_alt_names = uris.iter().map(uri).collect::<Result<_, _>>()?;
        let ends = after(now, *lifetime);
        lives(&mut params, before(now, BACKDATED), ends);
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
            KeyUsagePurpose::KeyAgreement,
        ];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.is_ca = IsCa::ExplicitNoCa;
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.use_authority_key_identifier_extension = self.names_its_key;
        let signed =
            params.signed_by(&key, &self.issuer).map_err(|error| format!("no signature: {error}"))?;
        Ok(Leaf {
            chain: signed.pem().into(),
            key: PrivateKey::new(key.serialize_pem()),
            serial: serial.iter().map(|byte| format!("{byte:02x}")).collect(),
            made: now,
            ends,
        })
    }

    fn new_key(&self, keys: Option<LeafKeys>) -> Result<KeyPair, String> {
        let own = self.algorithm();
        match keys {
            Some(LeafKeys::P256) => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).ok(),
            Some(LeafKeys::Rsa) => rsa(RsaKeySize::_2048),
            None if is_rsa(own) => rsa(RsaKeySize::_2048),
            None if is_elliptic(own) => KeyPair::generate_for(own).ok(),
            None => return Err("its authority has a key that is neither RSA nor ECDSA".into()),
        }
        .ok_or_else(|| NO_RANDOMNESS.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    use x509_parser::extensions::{GeneralName, ParsedExtension};
    use x509_parser::prelude::{FromDer, X509Certificate};

    use super::*;
    use crate::identity::authority::{CaParameters, make};

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    #[test]
    fn a_certificate_says_what_the_reference_lets_it_say_and_whose_key_signed_it() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let made = make("default", CaParameters::default(), now).unwrap();
        let authority = Authority::read(made.certificate.as_bytes(), made.key.as_bytes()).unwrap();
        let uris = vec!["spiffe://default/web".to_owned(), "kuma://kuma.io/service/web".to_owned()];
        for (keys, bits) in [(Some(LeafKeys::Rsa), 2_048), (None, 2_048), (Some(LeafKeys::P256), 256)] {
            let wanted = Wanted { uris: uris.clone(), lifetime: DAY, keys };
            let leaf = authority.issue(&wanted, now).unwrap();
            let der = CertificateDer::from_pem_slice(leaf.chain.as_bytes()).unwrap();
            let (_, read) = X509Certificate::from_der(&der).unwrap();
            assert_eq!(read.subject().iter().count(), 0);
            assert_eq!(read.validity().not_before.timestamp(), 1_700_000_000 - 10);
            assert_eq!(read.validity().not_after.timestamp(), 1_700_000_000 + 86_400);
            assert_eq!(read.raw_serial().len(), 16);
            let usage = read.key_usage().unwrap().unwrap();
            assert!(usage.critical, "{usage:?}");
            assert_eq!(usage.value.flags, 0b1_0101, "{usage:?}");
            let extended = read.extended_key_usage().unwrap().unwrap().value;
            assert!(extended.server_auth && extended.client_auth && !extended.any);
            let basic = read.basic_constraints().unwrap().unwrap();
            assert!(basic.critical && !basic.value.ca);
            let names = read
                .iter_extensions()
                .find(|it| matches!(it.parsed_extension(), ParsedExtension::SubjectAlternativeName(_)));
            let names = names.unwrap();
            let ParsedExtension::SubjectAlternativeName(all) = names.parsed_extension() else { panic!() };
            let said = all.general_names.iter().map(|name| match name {
                GeneralName::URI(uri) => *uri,
                _ => "?",
            });
            let said: Vec<&str> = said.collect();
            assert!(names.critical && said == uris, "{said:?}");
            let size = read.public_key().parsed().unwrap().key_size();
            assert_eq!(size, bits, "{keys:?}");
        }
        let authority_key = |leaf: &Leaf| {
            let der = CertificateDer::from_pem_slice(leaf.chain.as_bytes()).unwrap();
            let (_, read) = X509Certificate::from_der(&der).unwrap();
            read.iter_extensions().find_map(|it| match it.parsed_extension() {
                ParsedExtension::AuthorityKeyIdentifier(it) => {
                    it.key_identifier.as_ref().map(|id| id.0.to_vec())
                }
                _ => None,
            })
        };
        let other = make("default", CaParameters::default(), now).unwrap();
        let other = Authority::read(other.certificate.as_bytes(), other.key.as_bytes()).unwrap();
        let wanted = Wanted { uris: uris.clone(), lifetime: DAY, keys: Some(LeafKeys::P256) };
        let [one, two] = [&authority, &other].map(|it| authority_key(&it.issue(&wanted, now).unwrap()));
        assert!(
            one.is_some() && two.is_some() && one != two,
            "which of two of one name signed is told by its key"
        );
        let odd = Wanted { uris: vec!["spiffe://m\u{f6}sh/web".into()], lifetime: DAY, keys: None };
        assert!(authority.issue(&odd, now).unwrap_err().contains("no certificate"));
    }
}
