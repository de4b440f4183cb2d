//! Reads authorities where they are.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use super::READ_AGAIN;
use crate::identity::authority::{Wish, make};
use crate::identity::issue::{Authority, AuthorityId, Material, SELF_SIGNED, Signs};
use crate::identity::sources::{Data, Place, Source};

/// Reads authorities where they are, each again only if it changed.
#[derive(Default)]
pub(super) struct Reader {
    sources: BTreeMap<AuthorityId, Source>,
    /// Of which meshes the CA is made here: the backend, and its wish.
    lacking: BTreeMap<String, (String, Wish)>,
    /// The CAs that were made here, by mesh and backend.
    made: BTreeMap<(String, String), Place>,
    read: BTreeMap<AuthorityId, Read>,
    is_new: bool,
    read_at: Option<Instant>,
}

/// What was read of an authority.
struct Read {
    certificate: Vec<u8>,
    key: Vec<u8>,
    authority: Result<Arc<Authority>, String>,
}

impl Reader {
    pub(super) fn follow(
        &mut self,
        sources: BTreeMap<AuthorityId, Source>,
        lacking: BTreeMap<String, (String, Wish)>,
    ) {
        (self.sources, self.lacking, self.is_new) = (sources, lacking, true);
    }

    /// When to look again though no resource changed; `None`: never.
    pub(super) fn due(&self) -> Option<Instant> {
        let elsewhere = |source: &Source| {
            source.place.as_ref().is_ok_and(|place| {
                [&place.certificate, &place.key].iter().any(|data| !matches!(data, Data::Bytes(_)))
            })
        };
        let at = self.read_at.filter(|_| self.sources.values().any(elsewhere))?;
        Some(at + READ_AGAIN)
    }

    /// All authorities as they are now; `None`: as they were.
    pub(super) fn read(&mut self, now: Timestamp) -> Option<BTreeMap<AuthorityId, Material>> {
        if !self.is_new && self.due().is_none_or(|at| at > Instant::now()) {
            return None;
        }
        self.read_at = Some(Instant::now());
        let mut differs = std::mem::take(&mut self.is_new);
        self.read.retain(|id, _| self.sources.contains_key(id));
        let mut materials = BTreeMap::new();
        for (id, source) in &self.sources {
            let place = match (&source.place, id) {
                (Err(_), AuthorityId::Mesh(mesh)) if self.lacking.contains_key(mesh) => {
                    made_here(&mut self.made, &self.lacking, mesh, now)
                }
                (place, _) => place.clone(),
            };
            let bytes = place.and_then(|place| Ok((place.certificate.read()?, place.key.read()?)));
            let authority = match bytes {
                Err(why) => {
                    let before = self.read.remove(id);
                    differs |= before.is_some();
                    Err(why)
                }
                Ok((certificate, key)) => {
                    let known = self.read.get(id).filter(|it| it.certificate == certificate && it.key == key);
                    match known {
                        Some(read) => read.authority.clone(),
                        None => {
                            differs = true;
                            let authority = Authority::read(&certificate, &key).map(Arc::new);
                            let read = Read { certificate, key, authority: authority.clone() };
                            self.read.insert(id.clone(), read);
                            authority
                        }
                    }
                }
            };
            let allowed = authority.and_then(|authority| {
                let is_allowed = source.may_sign_itself || !authority.signed_itself();
                if is_allowed { Ok(authority) } else { Err(SELF_SIGNED.to_owned()) }
            });
            let signs = allowed.map(|authority| Signs {
                authority,
                lifetime: source.lifetime,
                keys: source.keys,
                configured: Arc::clone(&source.configured),
            });
            materials.insert(id.clone(), Material { signs, former: source.former.clone() });
        }
        differs.then_some(materials)
    }
}

/// The CA of a mesh that nobody stores: made once, and kept as long as this process lives.
fn made_here(
    made: &mut BTreeMap<(String, String), Place>,
    lacking: &BTreeMap<String, (String, Wish)>,
    mesh: &str,
    now: Timestamp,
) -> Result<Place, String> {
    let (backend, wish) = lacking.get(mesh).ok_or("nobody asks for it")?;
    let key = (mesh.to_owned(), backend.clone());
    if let Some(place) = made.get(&key) {
        return Ok(place.clone());
    }
    let new = make(mesh, *wish, now)?;
    tracing::warn!(
        mesh,
        backend,
        "the CA of the mesh is made here, and lives as long as this process: no Secret has one"
    );
    let place = Place {
        certificate: Data::Bytes(new.certificate.into_bytes()),
        key: Data::Bytes(new.key.into_bytes()),
    };
    made.insert(key, place.clone());
    Ok(place)
}
