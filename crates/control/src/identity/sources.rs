//! Sources of certificate authorities, as resources define them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use change::Ledger;
use jiff::Timestamp;
use model::policy::parse_duration;
use model::topology::{IdentityProvider, MeshIdentity};
use model::{Kind, Resource, ResourceKey, Spec};
use plan::trust_domain;
use serde_json::Value;

use super::authority::{CaParameters, lifetime};
use super::issue::{AuthorityId, Former, LeafKeys};
use super::mesh_secrets::{certificate_key, former_key, private_key};
use super::secret;

/// Default limit on the time that reading an authority takes.
const PATIENCE: Duration = Duration::from_secs(10);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Source of an authority, with its configuration.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// Place of the authority; `Err`: the reason why it has none, in words.
    pub(super) place: Result<Place, String>,
    /// Limit on the time that reading it takes.
    pub(super) patience: Duration,
    /// Lifetime of its certificates.
    pub(super) lifetime: Duration,
    /// Sort of the keys of its certificates; `None`: that of its own key.
    pub(super) keys: Option<LeafKeys>,
    /// Whole configuration, as text.
    pub(super) configured: Arc<str>,
    /// `true`: it may be self-signed.
    pub(super) may_sign_itself: bool,
    /// Replacements that other control planes know of.
    pub(super) former: Former,
    /// Trust domain that it vouches for if there is no MeshTrust: that of a MeshIdentity which asks for one.
    pub(super) domain: Option<String>,
}

/// Place of an authority.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) certificate: Data,
    pub(super) key: Data,
}

/// Source of bytes. `Debug` shows nothing of them.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Data {
    Bytes(Vec<u8>),
    File(PathBuf),
    Variable(String),
}

impl std::fmt::Debug for Place {
    /// Never writes the content.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Place")
    }
}

impl Data {
    /// Returns the bytes as they are now.
    ///
    /// # Errors
    /// In words: they cannot be read.
    pub(crate) fn read(&self) -> Result<Vec<u8>, String> {
        match self {
            Data::Bytes(bytes) => Ok(bytes.clone()),
            Data::File(path) => {
                crate::plain_file::read(path).map_err(|error| format!("{}: {error}", path.display()))
            }
            Data::Variable(name) => std::env::var_os(name)
                .map(std::ffi::OsString::into_encoded_bytes)
                .ok_or_else(|| format!("there is no environment variable {name}")),
        }
    }
}

/// Returns the authorities of all meshes and MeshIdentities that issue certificates. `keys`: sort of the keys of
/// certificates of a mesh's CA.
pub(super) fn of(ledger: &Ledger, keys: LeafKeys, zone: Option<&str>) -> BTreeMap<AuthorityId, Source> {
    let sources = ledger.entries().filter_map(|(_, entry)| {
        let document = entry.document.value();
        match entry.resource.spec() {
            Spec::Mesh(mesh) => {
                let name = entry.resource.meta().name.as_str();
                let body = if document["apiVersion"].is_string() { &document["spec"] } else { document };
                let backends = body["mtls"]["backends"].as_array();
                let enabled = mesh.mtls()?.name.as_str();
                let backend = backends?.iter().find(|it| it["name"] == enabled)?;
                Some((AuthorityId::Mesh(name.to_owned()), of_mesh(ledger, name, backend, keys)))
            }
            Spec::MeshIdentity(identity) => {
                let bundled = &document["spec"]["provider"];
                let is_bundled = bundled["type"] == "Bundled";
                let id = AuthorityId::Identity(entry.resource.id());
                let creates_trust =
                    matches!(identity.provider, Some(IdentityProvider::Bundled { creates_trust: true }));
                let domain = trust_domain(&entry.resource, identity, zone).ok().filter(|_| creates_trust);
                is_bundled.then(|| (id, Source { domain, ..of_identity(ledger, &entry.resource, document) }))
            }
            _ => None,
        }
    });
    sources.collect()
}

fn of_mesh(ledger: &Ledger, mesh: &str, backend: &Value, keys: LeafKeys) -> Source {
    let name = backend["name"].as_str().unwrap_or_default();
    let place = match backend["type"].as_str() {
        Some("builtin") => from_secret(ledger, &certificate_key(mesh, name)).and_then(|certificate| {
            Ok(Place { certificate, key: from_secret(ledger, &private_key(mesh, name))? })
        }),
        Some("provided") => {
            let part = |part: &str| {
                let secret = |name: &str| from_secret(ledger, &ResourceKey::new(Kind::Secret, mesh, name));
                provided(&backend["conf"][part], &format!("conf.{part}"), secret)
            };
            part("cert").and_then(|certificate| Ok(Place { certificate, key: part("key")? }))
        }
        other => Err(format!("backends of type `{}` are not known here", other.unwrap_or_default())),
    };
    let wished = backend["dpCert"]["rotation"]["expiration"].as_str().and_then(lifetime);
    let patience = backend["rootChain"]["requestTimeout"].as_str().and_then(parse_duration);
    Source {
        place,
        patience: patience.filter(|it| !it.is_zero()).unwrap_or(PATIENCE),
        lifetime: wished.filter(|it| !it.is_zero()).unwrap_or(DAY),
        keys: Some(keys),
        configured: backend.to_string().into(),
        may_sign_itself: true,
        former: former(ledger, &former_key(mesh, name)),
        domain: None,
    }
}

/// Resolves a data source that has no type; `place`: its place in the document. `secret` looks up a secret of the mesh.
///
/// # Errors
/// In words: it names nothing, or nothing that exists.
pub(crate) fn provided(
    source: &Value,
    place: &str,
    secret: impl Fn(&str) -> Result<Data, String>,
) -> Result<Data, String> {
    if let Some(name) = source["secret"].as_str() {
        return secret(name);
    }
    if let Some(path) = source["file"].as_str() {
        return Ok(Data::File(path.into()));
    }
    if let Some(text) = source["inlineString"].as_str() {
        return Ok(Data::Bytes(text.as_bytes().to_vec()));
    }
    let text: Option<String> = source["inline"].as_str().map(|it| it.split_whitespace().collect());
    let text = text.ok_or_else(|| format!("its `{place}` names no secret, file or text"))?;
    let bytes = STANDARD.decode(text).map_err(|_| format!("its `{place}.inline` is no base64"))?;
    Ok(Data::Bytes(bytes))
}

fn of_identity(ledger: &Ledger, resource: &Resource, document: &Value) -> Source {
    let mesh = resource.meta().mesh.as_str();
    let bundled = &document["spec"]["provider"]["bundled"];
    let place = if bundled["ca"].is_object() {
        let part = |part: &str| typed(ledger, mesh, &bundled["ca"][part]);
        part("certificate").and_then(|certificate| Ok(Place { certificate, key: part("privateKey")? }))
    } else {
        let [certificate, key] = generated_keys(resource);
        from_secret(ledger, &certificate)
            .and_then(|certificate| Ok(Place { certificate, key: from_secret(ledger, &key)? }))
    };
    let wished = bundled["certificateParameters"]["expiry"].as_str().and_then(lifetime);
    Source {
        place,
        patience: PATIENCE,
        lifetime: wished.filter(|it| !it.is_zero()).unwrap_or(DAY),
        keys: None,
        configured: document["spec"].to_string().into(),
        may_sign_itself: bundled["insecureAllowSelfSigned"] == true,
        former: Former::new(),
        domain: None,
    }
}

/// Keys of the secrets of the authority that is made for a MeshIdentity: its certificate and its key.
pub(super) fn generated_keys(resource: &Resource) -> [ResourceKey; 2] {
    let meta = resource.meta();
    ["root-ca", "private-key"].map(|part| {
        let name = format!("{}-{part}", meta.display_name());
        ResourceKey::new(Kind::Secret, meta.mesh.as_str(), name)
    })
}

/// Resolves a data source with a type.
pub(super) fn typed(ledger: &Ledger, mesh: &str, source: &Value) -> Result<Data, String> {
    let named = |value: &Value| value.as_str().map(str::to_owned).ok_or("a data source names nothing");
    Ok(match source["type"].as_str() {
        Some("Secret") => {
            let name = named(&source["secretRef"]["name"])?;
            from_secret(ledger, &ResourceKey::new(Kind::Secret, mesh, name))?
        }
        Some("File") => Data::File(named(&source["file"]["path"])?.into()),
        Some("EnvVar") => Data::Variable(named(&source["envVar"]["name"])?),
        Some("InsecureInline") => Data::Bytes(named(&source["insecureInline"]["value"])?.into_bytes()),
        _ => return Err("a data source is of no known type".into()),
    })
}

pub(super) fn from_secret(ledger: &Ledger, key: &ResourceKey) -> Result<Data, String> {
    let entry = ledger.get(key).ok_or_else(|| format!("there is no Secret `{}`", key.name))?;
    let bytes = secret::bytes(entry.document.value());
    bytes.map(Data::Bytes).ok_or_else(|| format!("the Secret `{}` is no base64", key.name))
}

/// Reads the replacements of an authority: certificates in PEM, each behind a line with the end of its trust.
fn former(ledger: &Ledger, key: &ResourceKey) -> Former {
    let bytes = ledger.get(key).and_then(|entry| secret::bytes(entry.document.value())).unwrap_or_default();
    read_former(&String::from_utf8_lossy(&bytes))
}

const UNTIL: &str = "believed until ";

fn read_former(text: &str) -> Former {
    let parts = text.split(UNTIL).skip(1);
    let read = parts.filter_map(|part| {
        let (until, pem) = part.split_once('\n')?;
        Some((pem.into(), until.trim().parse::<Timestamp>().ok()?))
    });
    read.collect()
}

/// Renders replacements as [`former`] reads them.
pub(super) fn written_former(former: &Former) -> String {
    let of_one = |(pem, until): (&Arc<str>, &Timestamp)| format!("{UNTIL}{until}\n{}\n", pem.trim_end());
    former.iter().map(of_one).collect()
}

/// Missing authority that is to be made.
#[derive(Clone, Debug)]
pub(super) struct Lack {
    /// Name of the backend; empty for a MeshIdentity: each has an authority of its own.
    pub(super) backend: String,
    /// Name of the authority: the mesh, or the trust domain.
    pub(super) name: String,
    pub(super) wish: CaParameters,
}

/// Returns the parameters of an authority that resources ask for and do not have; `None`: they have it, or name its
/// source.
pub(super) fn lacking(ledger: &Ledger, id: &AuthorityId, zone: Option<&str>) -> Option<Lack> {
    match id {
        AuthorityId::Mesh(mesh) => lacking_of_mesh(ledger, mesh),
        AuthorityId::Identity(id) => {
            let entry =
                ledger.get(&ResourceKey::new(Kind::MeshIdentity, id.mesh.as_str(), id.name.as_str()))?;
            let Spec::MeshIdentity(identity) = entry.resource.spec() else { return None };
            let has_none = generated_keys(&entry.resource).iter().all(|key| ledger.get(key).is_none());
            let asks = wants_authority(identity, entry.document.value()) && has_none;
            let name = trust_domain(&entry.resource, identity, zone).ok().filter(|_| asks)?;
            Some(Lack { backend: String::new(), name, wish: CaParameters::default() })
        }
    }
}

/// Returns `true` if a MeshIdentity asks for an authority of its own.
pub(super) fn wants_authority(identity: &MeshIdentity, document: &Value) -> bool {
    let bundled = &document["spec"]["provider"]["bundled"];
    matches!(identity.provider, Some(IdentityProvider::Bundled { .. }))
        && bundled["autogenerate"]["enabled"] == true
        && !bundled["ca"].is_object()
}

fn lacking_of_mesh(ledger: &Ledger, mesh: &str) -> Option<Lack> {
    let entry = ledger.get(&ResourceKey::global(Kind::Mesh, mesh))?;
    let document = entry.document.value();
    let body = if document["apiVersion"].is_string() { &document["spec"] } else { document };
    let enabled = body["mtls"]["enabledBackend"].as_str()?;
    let backend = body["mtls"]["backends"].as_array()?.iter().find(|it| it["name"] == enabled)?;
    let has_none = [certificate_key(mesh, enabled), private_key(mesh, enabled)]
        .iter()
        .all(|key| ledger.get(key).is_none());
    let is_builtin = backend["type"] == "builtin";
    let wish = CaParameters::read(backend).ok().filter(|_| is_builtin && has_none)?;
    Some(Lack { backend: enabled.to_owned(), name: mesh.to_owned(), wish })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::issue::IN_FORCE;

    #[test]
    fn what_was_replaced_is_read_as_it_was_written() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let former = Former::from([("one\n".into(), at(5)), ("two\n".into(), IN_FORCE)]);
        assert_eq!(read_former(&written_former(&former)), former);
        assert_eq!(read_former("no such thing"), Former::new());
    }
}
