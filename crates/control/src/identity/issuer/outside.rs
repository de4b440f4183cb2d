//! Reader of secrets for services outside the mesh at their sources.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use plan::ExternalSecret;

use super::READ_AGAIN;
use crate::identity::outside::{Loaded, OutsideSecrets, Place, load};
use crate::identity::sources::Data;

/// Content of a secret, part by part, and the parsed secret.
type Read = (Vec<Vec<u8>>, Result<Loaded, String>);

/// Reader of secrets for services outside the mesh; each is parsed again only if it changed.
#[derive(Default)]
pub(super) struct OutsideReader {
    places: BTreeMap<ExternalSecret, Place>,
    read: BTreeMap<ExternalSecret, Read>,
    told: Arc<OutsideSecrets>,
    is_new: bool,
    read_at: Option<Instant>,
}

impl OutsideReader {
    pub(super) fn follow(&mut self, places: BTreeMap<ExternalSecret, Place>) {
        (self.places, self.is_new) = (places, true);
    }

    /// Returns the time of the next look without a changed resource; `None`: never.
    pub(super) fn due(&self) -> Option<Instant> {
        let mut data = self.places.values().flatten().flatten();
        let at = self.read_at.filter(|_| data.any(|data| !matches!(data, Data::Bytes(_))))?;
        Some(at + READ_AGAIN)
    }

    /// Reads the current state of all secrets; `None`: it is unchanged.
    pub(super) fn read(&mut self) -> Option<Arc<OutsideSecrets>> {
        if !self.is_new && self.due().is_none_or(|at| at > Instant::now()) {
            return None;
        }
        (self.read_at, self.is_new) = (Some(Instant::now()), false);
        self.read.retain(|named, _| self.places.contains_key(named));
        let mut secrets = BTreeMap::new();
        for (named, place) in &self.places {
            let bytes = place.as_ref().map_err(Clone::clone);
            let bytes = bytes.and_then(|data| data.iter().map(Data::read).collect::<Result<Vec<_>, _>>());
            let loaded = bytes.and_then(|bytes| match self.read.get(named) {
                Some((known, loaded)) if *known == bytes => loaded.clone(),
                Some(_) | None => {
                    let loaded = load(named.part, &bytes);
                    self.read.insert(named.clone(), (bytes, loaded.clone()));
                    loaded
                }
            });
            secrets.insert(named.clone(), loaded);
        }
        let now = OutsideSecrets::new(secrets);
        if now == *self.told {
            return None;
        }
        for ((mesh, service), why) in now.unloaded() {
            if self.told.unloaded().get(&(mesh.clone(), service.clone())) != Some(why) {
                tracing::warn!(
                    mesh,
                    service,
                    why,
                    "a MeshExternalService is not dialled: its TLS secrets cannot be loaded"
                );
            }
        }
        self.told = Arc::new(now);
        Some(Arc::clone(&self.told))
    }
}
