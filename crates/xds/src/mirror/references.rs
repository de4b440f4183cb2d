//! What L4 messages need of each other.

use std::collections::BTreeMap;

use prost::Message;

use super::{Received, Resources};
use crate::TypeUrl;
use crate::order::{L4_CLUSTER, L4_ENDPOINTS, L4_LISTENER, L4_ROUTE};
use crate::proto::l4::{Cluster, Endpoints, Listener, Route};

/// Says why a body is not a message of its type, under its name.
pub(super) fn check(type_url: &TypeUrl, name: &str, body: &[u8]) -> Result<(), String> {
    let own_name = match type_url.as_str() {
        L4_CLUSTER => Cluster::decode(body).map(|cluster| cluster.name),
        L4_ENDPOINTS => Endpoints::decode(body).map(|endpoints| endpoints.cluster),
        L4_ROUTE => Route::decode(body).map(|route| route.name),
        L4_LISTENER => Listener::decode(body).map(|listener| listener.name),
        _ => return Err("this proxy has no use for the type".to_owned()),
    };
    match own_name {
        Ok(own_name) if own_name == name => Ok(()),
        Ok(own_name) => Err(format!("the message inside is called `{own_name}`")),
        Err(error) => Err(format!("not a message of its type: {error}")),
    }
}

/// Whether everything that is named is there.
pub(super) fn are_complete(resources: &Resources) -> bool {
    let none = BTreeMap::new();
    let of = |type_url: &str| resources.get(&TypeUrl::new(type_url)).unwrap_or(&none);
    let (clusters, endpoints, routes) = (of(L4_CLUSTER), of(L4_ENDPOINTS), of(L4_ROUTE));
    let listeners_have_routes = decoded::<Listener>(of(L4_LISTENER)).all(|listener| {
        let by_name = listener.server_names.iter().map(|entry| entry.route.as_str());
        by_name.chain([listener.route.as_str()]).all(|route| route.is_empty() || routes.contains_key(route))
    });
    let routes_have_clusters = || {
        decoded::<Route>(routes).all(|route| {
            let mut names = route.backends.iter().map(|backend| backend.cluster.as_str());
            names.all(|cluster| cluster.is_empty() || clusters.contains_key(cluster))
        })
    };
    listeners_have_routes
        && routes_have_clusters()
        && clusters.keys().all(|name| endpoints.contains_key(name))
}

fn decoded<M: Message + Default>(resources: &BTreeMap<String, Received>) -> impl Iterator<Item = M> {
    // What does not decode was refused when it arrived.
    resources.values().filter_map(|received| M::decode(&received.body[..]).ok())
}
