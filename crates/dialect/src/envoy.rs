//! Envoy dialect of a plan: listeners, clusters and load assignments as protobuf JSON.
//!
//! | plan | Envoy |
//! |---|---|
//! | listener, its routes | a `Listener`, a filter chain with a `tcp_proxy` each |
//! | split | `weightedClusters` of the listener, or localities of one cluster: see [`SplitLayout`] |
//! | cluster | a `Cluster`, discovered by EDS unless its endpoints are outside the mesh |
//! | endpoints | a `ClusterLoadAssignment` |
//!
//! No routing decision is made here; what cannot be expressed in the requested layout is expressed in the other,
//! with a note.

mod access_log;
pub mod bootstrap;
mod cells;
mod chain;
mod cluster;
mod destinations;
mod endpoint;
mod external_tls;
mod inbound;
mod inbound_tls;
mod listener;
mod rbac;
mod redirected;
mod reference;
mod spire;
mod split;
mod tcp_proxy;
mod tls;
mod tls_params;
mod unresolved;
mod words;
mod zone;

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use destinations::Destinations;
use plan::{Direction, Plan};
pub use rbac::filter as permission_filter;
use reference::ReferenceDefaults;
use serde_json::Value;
use split::Splits;
use xds::ResourceSet;

use crate::encode::{EncodeError, encode};

/// Layout of splits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SplitLayout {
    /// The reference's layout: one cluster per backend, weights in the listener. Envoy drains a listener whose
    /// weights change, which closes its connections when the drain time ends.
    Clusters,
    /// One cluster per outbound, its backends as localities with weights: a change of weights is an endpoint
    /// update, and connections live on. Outbounds that cannot be expressed this way use the other layout, with a
    /// note.
    #[default]
    Endpoints,
}

/// Type of the keys of gateway certificates, which is part of the names of their secrets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CertificateKey {
    /// RSA.
    #[default]
    Rsa,
    /// ECDSA.
    Ecdsa,
}

/// Options of the Envoy dialect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EnvoyOptions {
    /// Layout of splits.
    pub split: SplitLayout,
    /// Type of the keys of gateway certificates.
    pub certificate_key: CertificateKey,
}

/// Envoy resources of a plan, by resource name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EnvoyResources {
    /// `envoy.config.listener.v3.Listener`.
    pub listeners: BTreeMap<String, Value>,
    /// `envoy.config.cluster.v3.Cluster`.
    pub clusters: BTreeMap<String, Value>,
    /// `envoy.config.endpoint.v3.ClusterLoadAssignment`: one for each EDS cluster.
    pub endpoints: BTreeMap<String, Value>,
    /// Notes about what could not be expressed as requested, by the name of the listener, in words.
    pub notes: Vec<Note>,
}

/// Note about what could not be expressed as requested.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// Name of the listener.
    pub listener: String,
    /// Replacement, and the reason.
    pub text: String,
}

/// Converts a plan to Envoy resources.
pub fn lower(plan: &Plan, options: &EnvoyOptions) -> EnvoyResources {
    let Plan {
        proxy,
        profile,
        mtls,
        listeners,
        redirected,
        clusters,
        // An Envoy has no DNS server beside it.
        names: _,
        // Outcomes of policies and warnings are for people.
        routes: _,
        warnings: _,
    } = plan;
    let mut resources = EnvoyResources::default();
    let unasked = ReferenceDefaults::of(*profile);
    let clusters = &*unresolved::without(clusters, listeners, &mut resources.notes);
    let destinations = Destinations {
        clusters,
        mtls: mtls.as_deref(),
        mesh: proxy.id.mesh(),
        over_ipv6: proxy.address.parse::<Ipv6Addr>().is_ok(),
        unasked,
    };
    let mut splits = Splits::new(destinations, options.split);
    for listener in listeners {
        let chains = match &listener.direction {
            Direction::Inbound => inbound::chains(listener, proxy, destinations, &mut resources),
            Direction::Outbound(_) | Direction::Gateway => {
                chain::of_listener(listener, proxy, &mut splits, options, &mut resources.notes)
            }
            Direction::Zone if listener.routes.is_empty() && !unasked.empty_ingress_answers => continue,
            Direction::Zone => {
                zone::add_clusters(listener, proxy, destinations, &mut resources);
                zone::chains(listener, proxy, destinations, &mut resources.notes)
            }
        };
        let tree = listener::around(chains, listener);
        resources.listeners.insert(listener.name.clone(), tree);
    }
    if let Some(redirected) = redirected {
        redirected::add(redirected, proxy, unasked, &mut resources);
    }
    splits.finish(&mut resources);
    resources.clusters.extend(mtls.as_deref().and_then(spire::agent));
    resources.notes.sort();
    resources.notes.dedup();
    resources
}

impl EnvoyResources {
    /// Encodes the resources as bytes, ready for discovery.
    ///
    /// # Errors
    ///
    /// A tree that does not fit its message: a bug in this crate, with resource and path.
    pub fn to_resource_set(&self) -> Result<ResourceSet, EncodeError> {
        let Self { listeners, clusters, endpoints, notes: _ } = self;
        let mut set = ResourceSet::default();
        for (name, tree) in listeners.iter().chain(clusters).chain(endpoints) {
            let (type_url, body) = encode(tree)?;
            set.insert(type_url, name.clone(), body);
        }
        Ok(set)
    }
}
