//! Secrets for services outside the mesh: their places in resources, and their content.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use change::Ledger;
use dialect::{OutsideSecret, PrivateKey};
use jiff::Timestamp;
use plan::{ExternalPart, ExternalSecret, ExternalTls};
use serde_json::Value;
use xds::{Family, ResourceSet};

use super::issue::{ders, end_of, pair, parsed};
use super::sources::{Data, from_secret, provided, typed};
use model::{Kind, ResourceKey, Spec};

/// Place of a secret: its parts in their order; `Err`: the reason why it has none, in words.
pub(super) type Place = Result<Vec<Data>, String>;

/// Secret that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Loaded {
    pub(super) secret: OutsideSecret,
    /// End of the first of its certificates to expire.
    pub(super) ends: Timestamp,
}

/// Secrets for services outside the mesh, as of the last read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutsideSecrets {
    secrets: BTreeMap<ExternalSecret, Result<Loaded, String>>,
    unloaded: BTreeMap<(String, String), String>,
}

impl OutsideSecrets {
    pub(super) fn new(secrets: BTreeMap<ExternalSecret, Result<Loaded, String>>) -> Self {
        let why = |(named, read): (&ExternalSecret, &Result<Loaded, String>)| {
            let why = read.as_ref().err()?.clone();
            Some(((named.mesh.clone(), named.service.clone()), why))
        };
        let unloaded = secrets.iter().filter_map(why).collect();
        Self { secrets, unloaded }
    }

    /// Returns the secrets that a proxy needs, in its dialect. One that cannot be loaded is left out.
    pub fn said(&self, needed: &BTreeSet<ExternalSecret>, family: Family) -> ResourceSet {
        let mut set = ResourceSet::default();
        for named in needed {
            if let Some(Ok(loaded)) = self.secrets.get(named) {
                loaded.secret.said(named, family, &mut set);
            }
        }
        set
    }

    /// Returns the services with a secret that cannot be loaded, by mesh and the service's name in the secrets, with
    /// the reason in words.
    pub fn unloaded(&self) -> &BTreeMap<(String, String), String> {
        &self.unloaded
    }

    pub(super) fn secrets(&self) -> impl Iterator<Item = (&ExternalSecret, &Result<Loaded, String>)> {
        self.secrets.iter()
    }
}

/// Returns the places of the secrets of all MeshExternalServices and ExternalServices.
pub(super) fn places(ledger: &Ledger) -> BTreeMap<ExternalSecret, Place> {
    let services = ledger.entries().filter_map(|(_, entry)| {
        let (tls, document) = (ExternalTls::of(&entry.resource)?, entry.document.value());
        let by_tags = matches!(entry.resource.spec(), Spec::ExternalService(_));
        let written = match (by_tags, document["apiVersion"].is_string()) {
            (true, true) => &document["spec"]["networking"]["tls"],
            (true, false) => &document["networking"]["tls"],
            (false, _) => &document["spec"]["tls"]["verification"],
        };
        Some((tls, written))
    });
    let of_service = |(tls, written): (ExternalTls, &Value)| {
        let named: Vec<ExternalSecret> = tls.secrets().cloned().collect();
        let places: Vec<_> =
            named.into_iter().map(|named| (named.clone(), place(ledger, &named, written))).collect();
        places
    };
    services.flat_map(of_service).collect()
}

fn place(ledger: &Ledger, named: &ExternalSecret, written: &Value) -> Place {
    let parts: &[&str] = match named.part {
        ExternalPart::Authority => &["caCert"],
        ExternalPart::Client => &["clientCert", "clientKey"],
    };
    let secret = |name: &str| from_secret(ledger, &ResourceKey::new(Kind::Secret, named.mesh.as_str(), name));
    let part = |part: &&str| match &written[*part] {
        source if source["type"].is_string() => typed(ledger, &named.mesh, source),
        source => provided(source, &format!("tls.{part}"), secret),
    };
    parts.iter().map(part).collect()
}

/// Parses the parts of a secret.
///
/// # Errors
/// In words, without a byte of a key: the part that cannot be read, or does not match.
pub(super) fn load(part: ExternalPart, bytes: &[Vec<u8>]) -> Result<Loaded, String> {
    let of = |index: usize| bytes.get(index).map(Vec::as_slice).unwrap_or_default();
    let ders = match part {
        ExternalPart::Authority => ders(of(0))?,
        ExternalPart::Client => pair(of(0), of(1))?.0,
    };
    let ends = ders.iter().enumerate().map(|(index, der)| Ok(end_of(&parsed(der, index)?)));
    let ends = ends.collect::<Result<Vec<_>, String>>()?.into_iter().min().unwrap_or_default();
    // text between the certificates is left out
    let chain: Arc<str> = ders.iter().map(|der| trust::pem("CERTIFICATE", der)).collect::<String>().into();
    let secret = match part {
        ExternalPart::Authority => OutsideSecret::Authority(chain),
        ExternalPart::Client => {
            let key =
                String::from_utf8(of(1).to_vec()).map_err(|_| "the private key is no text".to_owned())?;
            OutsideSecret::Client { chain, key: PrivateKey::new(key) }
        }
    };
    Ok(Loaded { secret, ends })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(name: &str) -> Vec<u8> {
        std::fs::read(format!("{}/tests/keys/{name}.pem", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    #[test]
    fn what_is_read_is_certificates_and_their_key_and_nothing_else() {
        let both = [b"# of the database\n".to_vec(), bytes("leaf-key"), bytes("leaf")].concat();
        let authority = load(ExternalPart::Authority, &[both]).unwrap();
        let OutsideSecret::Authority(pem) = &authority.secret else { panic!("{authority:?}") };
        assert!(pem.starts_with("-----BEGIN CERTIFICATE-----") && !pem.contains("KEY"), "{pem}");
        let client = load(ExternalPart::Client, &[bytes("leaf"), bytes("leaf-key")]).unwrap();
        assert_eq!(client.ends, authority.ends);
        let shown = format!("{client:?}");
        assert!(!shown.contains("PRIVATE KEY"), "{shown}");
    }

    #[test]
    fn secrets_of_both_kinds_of_services_are_found_where_they_say() {
        let text = "type: ExternalService\nmesh: default\nname: old\ntags: { kuma.io/service: old, kuma.io/protocol: tcp }\n\
            networking:\n  address: 192.0.2.1:443\n  tls:\n    enabled: true\n    caCert: { secret: ca }\n    \
            clientCert: { secret: cert }\n    clientKey: { inlineString: key }\n---\n\
            type: MeshExternalService\nmesh: default\nname: new\nspec:\n  match: { type: HostnameGenerator, port: 443, protocol: tcp }\n  \
            endpoints: [{ address: 192.0.2.2, port: 443 }]\n  \
            tls: { enabled: true, verification: { caCert: { secret: ca } } }\n---\n\
            type: Secret\nmesh: default\nname: ca\ndata: Y2E=\n";
        let content = change::Content::read("mesh.yaml", text.as_bytes(), &change::Options::default());
        assert!(!content.problems.has_errors(), "{:?}", content.problems);
        let ledger: Ledger = content.entries.into_iter().collect();
        let found: Vec<_> =
            places(&ledger).into_iter().map(|(named, place)| (named.to_string(), place.is_ok())).collect();
        let wanted = [
            ("external_ca:secret:default:externalservice/old", true),
            ("external_ca:secret:default:new", true),
            // a Secret `cert` does not exist
            ("external_cert:secret:default:externalservice/old", false),
        ];
        let wanted: BTreeSet<_> = wanted.map(|(named, is_there)| (named.to_owned(), is_there)).into();
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), wanted);
    }

    #[test]
    fn what_cannot_be_read_is_told_without_it() {
        for (part, bytes, why) in [
            (ExternalPart::Authority, vec![b"secret".to_vec()], "there is no certificate in PEM"),
            (ExternalPart::Client, vec![bytes("leaf"), bytes("rsa-pkcs8")], "not that of the certificate"),
            (ExternalPart::Client, vec![bytes("leaf"), b"secret".to_vec()], "there is no private key in PEM"),
        ] {
            let told = load(part, &bytes).unwrap_err();
            assert!(told.contains(why) && !told.contains("secret"), "{told}");
        }
    }
}
