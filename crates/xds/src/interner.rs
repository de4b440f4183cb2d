//! Content shared by the resource sets of many proxies, held once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::{TypeUrl, Version};

/// Names and bodies shared by several resource sets: proxies that dial the same service are mostly told the same about
/// it.
#[derive(Debug, Default)]
pub struct Interner {
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    types: BTreeSet<TypeUrl>,
    names: BTreeSet<Arc<str>>,
    /// Bodies by content hash. Two bodies do not share a hash of 128 bits; if they did, each would keep its own.
    bodies: BTreeMap<Version, Arc<[u8]>>,
}

impl Interner {
    /// Replaces names and bodies by equal ones that are already held, and holds the rest.
    pub(crate) fn share<'a>(
        &self,
        resources: impl Iterator<Item = (&'a mut Arc<str>, Version, &'a mut Arc<[u8]>)>,
    ) {
        let mut held = self.lock();
        for (name, version, body) in resources {
            match held.names.get(name) {
                Some(found) => *name = Arc::clone(found),
                None => drop(held.names.insert(Arc::clone(name))),
            }
            let found = held.bodies.entry(version).or_insert_with(|| Arc::clone(body));
            if found == body {
                *body = Arc::clone(found);
            }
        }
    }

    /// Returns the held type URL equal to `type_url`, which is held from now on if there was none.
    pub(crate) fn type_url(&self, type_url: TypeUrl) -> TypeUrl {
        let mut held = self.lock();
        if let Some(found) = held.types.get(&type_url) {
            return found.clone();
        }
        held.types.insert(type_url.clone());
        type_url
    }

    /// Drops names and bodies that no resource set uses any more.
    pub fn tidy(&self) {
        let mut held = self.lock();
        held.names.retain(|name| Arc::strong_count(name) > 1);
        held.bodies.retain(|_, body| Arc::strong_count(body) > 1);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Held> {
        // A panic cannot leave partial state behind.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
