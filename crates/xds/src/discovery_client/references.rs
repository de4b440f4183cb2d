//! References between L4 messages.

use prost::Message;

use super::{Id, Resources};
use crate::TypeUrl;
use crate::order::{L4_CLUSTER, L4_ENDPOINTS, L4_LISTENER, L4_NAMES, L4_ROUTE, L4_SECRET};
use crate::proto::l4::{Cluster, Endpoints, Listener, Names, Route, Secret};

/// Checks that a body is a message of its type with its name; the error is the reason in words.
pub(super) fn check(type_url: &TypeUrl, name: &str, body: &[u8]) -> Result<(), String> {
    let own_name = match type_url.as_str() {
        L4_CLUSTER => Cluster::decode(body).map(|cluster| cluster.name),
        L4_ENDPOINTS => Endpoints::decode(body).map(|endpoints| endpoints.cluster),
        L4_ROUTE => Route::decode(body).map(|route| route.name),
        L4_LISTENER => Listener::decode(body).map(|listener| listener.name),
        L4_NAMES => Names::decode(body).map(|_| Names::ONLY.to_owned()),
        L4_SECRET => Secret::decode(body).map(|secret| secret.name),
        _ => return Err("this proxy has no use for the type".to_owned()),
    };
    match own_name {
        Ok(own_name) if own_name == name => Ok(()),
        Ok(own_name) => Err(format!("the message inside is called `{own_name}`")),
        Err(error) => Err(format!("not a message of its type: {error}")),
    }
}

/// Returns `true` if no needed resource is missing.
pub(super) fn are_complete(resources: &Resources) -> bool {
    gaps(resources).next().is_none()
}

/// Resource, and a missing one that it needs.
pub(super) struct Gap {
    pub(super) of: Id,
    pub(super) missing: Id,
}

/// Resources that are needed and missing.
pub(super) fn gaps(resources: &Resources) -> impl Iterator<Item = Gap> {
    let is_there =
        |(type_url, name): &Id| resources.get(type_url).is_some_and(|resources| resources.contains_key(name));
    resources.iter().flat_map(move |(type_url, resources)| {
        resources.iter().flat_map(move |(name, received)| {
            let needs = needs(type_url, name, &received.body).into_iter();
            let needs = needs.map(|(type_url, name)| (TypeUrl::new(type_url), name));
            needs
                .filter(move |needed| !is_there(needed))
                .map(|missing| Gap { of: (type_url.clone(), name.clone()), missing })
        })
    })
}

/// Types and names that a message needs. A body that does not decode was refused on arrival.
fn needs(type_url: &TypeUrl, name: &str, body: &[u8]) -> Vec<(&'static str, String)> {
    let mut needs = match type_url.as_str() {
        L4_CLUSTER => vec![(L4_ENDPOINTS, name.to_owned())],
        L4_ROUTE => {
            let backends = Route::decode(body).unwrap_or_default().backends;
            backends.into_iter().map(|backend| (L4_CLUSTER, backend.cluster)).collect()
        }
        L4_LISTENER => {
            let Listener { route, server_names, matches, mirror, .. } =
                Listener::decode(body).unwrap_or_default();
            let by_name = server_names.into_iter().map(|entry| entry.route);
            let mirror = mirror.map(|mirror| (L4_CLUSTER, mirror.cluster));
            let by_match = matches.into_iter().map(|entry| entry.route);
            by_name.chain(by_match).chain([route]).map(|route| (L4_ROUTE, route)).chain(mirror).collect()
        }
        _ => Vec::new(),
    };
    needs.retain(|(_, name)| !name.is_empty());
    needs
}
