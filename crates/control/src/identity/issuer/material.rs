//! Reader of authorities at their sources.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use super::READ_AGAIN;
use super::files::Files;
use crate::identity::authority::make;
use crate::identity::issue::{Authority, AuthorityId, Material, SELF_SIGNED, SigningSettings};
use crate::identity::sources::{Data, Lack, Place, Source};

/// Reader of authorities at their sources; each is parsed again only if it changed.
#[derive(Default)]
pub(super) struct Reader {
    sources: BTreeMap<AuthorityId, Source>,
    /// Authorities that are made here.
    lacking: BTreeMap<AuthorityId, Lack>,
    /// Places of those that were made, by backend and name.
    made: BTreeMap<(AuthorityId, String, String), Place>,
    read: BTreeMap<AuthorityId, Read>,
    files: Files,
    is_new: bool,
    read_at: Option<Instant>,
}

/// Authority as it was read.
struct Read {
    certificate: Vec<u8>,
    key: Vec<u8>,
    authority: Result<Arc<Authority>, String>,
}

impl Reader {
    pub(super) fn follow(
        &mut self,
        sources: BTreeMap<AuthorityId, Source>,
        lacking: BTreeMap<AuthorityId, Lack>,
    ) {
        (self.sources, self.lacking, self.is_new) = (sources, lacking, true);
    }

    /// Returns the time of the next look without a changed resource; `None`: never.
    pub(super) fn due(&self) -> Option<Instant> {
        let elsewhere = |source: &Source| {
            source.place.as_ref().is_ok_and(|place| {
                [&place.certificate, &place.key].iter().any(|data| !matches!(data, Data::Bytes(_)))
            })
        };
        let at = self.read_at.filter(|_| self.sources.values().any(elsewhere))?;
        Some(at + READ_AGAIN)
    }

    /// Reads the current state of all authorities; `None`: it is unchanged.
    pub(super) fn read(&mut self, now: Timestamp) -> Option<BTreeMap<AuthorityId, Material>> {
        if !self.is_new && self.due().is_none_or(|at| at > Instant::now()) {
            return None;
        }
        self.read_at = Some(Instant::now());
        let mut differs = std::mem::take(&mut self.is_new);
        self.read.retain(|id, _| self.sources.contains_key(id));
        let places = self.sources.values().filter_map(|source| source.place.as_ref().ok());
        self.files.keep(places.flat_map(|place| [&place.certificate, &place.key]));
        let mut materials = BTreeMap::new();
        for (id, source) in &self.sources {
            let place = match (&source.place, self.lacking.get(id)) {
                (Err(_), Some(lack)) => made_here(&mut self.made, id, lack, now),
                (place, _) => place.clone(),
            };
            let bytes = place.and_then(|place| {
                let mut read = |data| self.files.read(data, source.patience);
                Ok((read(&place.certificate)?, read(&place.key)?))
            });
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
            let signs = allowed.map(|authority| SigningSettings {
                authority,
                lifetime: source.lifetime,
                keys: source.keys,
                configured: Arc::clone(&source.configured),
            });
            materials.insert(
                id.clone(),
                Material { signs, former: source.former.clone(), domain: source.domain.clone() },
            );
        }
        differs.then_some(materials)
    }
}

/// Returns an authority that nobody stores: made once, and kept as long as this process lives.
fn made_here(
    made: &mut BTreeMap<(AuthorityId, String, String), Place>,
    id: &AuthorityId,
    Lack { backend, name, wish }: &Lack,
    now: Timestamp,
) -> Result<Place, String> {
    let key = (id.clone(), backend.clone(), name.clone());
    if let Some(place) = made.get(&key) {
        return Ok(place.clone());
    }
    let new = make(name, *wish, now)?;
    tracing::warn!("{id} is made here, and lives as long as this process: no Secret has one");
    let place = Place {
        certificate: Data::Bytes(new.certificate.into_bytes()),
        key: Data::Bytes(new.key.into_bytes()),
    };
    made.insert(key, place.clone());
    Ok(place)
}
