//! A plan in Envoy's words: listeners, clusters and load assignments as protobuf JSON.
//!
//! | the plan says | Envoy is told |
//! |---|---|
//! | inbound, outbound, gateway listener | a `Listener` with a `tcp_proxy` |
//! | split | `weightedClusters` of the listener, or localities of one cluster: see [`SplitLayout`] |
//! | cluster | a `Cluster`, discovered by EDS unless its endpoints are outside the mesh |
//! | endpoints | a `ClusterLoadAssignment` |
//!
//! Nothing is decided here about where connections go; what cannot be said in the layout that was asked for is said in
//! the other, with a note.

mod access_log;
mod cluster;
mod endpoint;
mod gateway;
mod inbound;
mod ingress;
mod listener;
mod split;
mod tcp_proxy;
mod tls;
mod words;

use std::collections::BTreeMap;

use plan::{Outbound, Plan};
use serde_json::Value;
use xds::ResourceSet;

use crate::encode::{EncodeError, encode};
pub use ingress::lower_ingress;
use split::Splits;

/// How a split is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SplitLayout {
    /// The reference's layout: one cluster a backend, weights in the listener. Envoy drains a listener whose weights
    /// change, which closes its connections when the drain time ends.
    Clusters,
    /// One cluster an outbound, its backends as localities with weights: a change of weights is an endpoint update, and
    /// connections live on. Outbounds that cannot be said this way are said in the other, with a note.
    #[default]
    Endpoints,
}

/// Which part of a plan is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Everything that the proxy must do.
    #[default]
    Proxy,
    /// Only what the reference produces for TCP routes, as if there were no other policy: for comparing with it.
    TcpRoutes,
}

/// The type of the keys behind the certificates of gateways, which is part of the names of their secrets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CertificateKey {
    /// RSA.
    #[default]
    Rsa,
    /// ECDSA.
    Ecdsa,
}

/// What to say, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EnvoyOptions {
    /// How splits are said.
    pub split: SplitLayout,
    /// Which part of the plan is said.
    pub scope: Scope,
    /// The type of the keys of gateway certificates.
    pub certificate_key: CertificateKey,
}

/// What Envoy is told, by resource name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EnvoyResources {
    /// `envoy.config.listener.v3.Listener`.
    pub listeners: BTreeMap<String, Value>,
    /// `envoy.config.cluster.v3.Cluster`.
    pub clusters: BTreeMap<String, Value>,
    /// `envoy.config.endpoint.v3.ClusterLoadAssignment`: one for each cluster that is discovered by EDS.
    pub endpoints: BTreeMap<String, Value>,
    /// What could not be said as asked, by the name of the listener, in words.
    pub notes: Vec<Note>,
}

/// What could not be said as asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// The listener.
    pub listener: String,
    /// What happened instead, and why.
    pub text: String,
}

/// Says a plan in Envoy's words.
pub fn lower(plan: &Plan, options: &EnvoyOptions) -> EnvoyResources {
    let Plan {
        // Who the proxy is stands in the names of secrets and in log lines, its trust in transport sockets.
        proxy: _,
        service: _,
        zone: _,
        address: _,
        mtls: _,
        // In `inbound::add`.
        inbounds: _,
        outbounds,
        gateway_listeners,
        // In `Splits::finish`, as far as a split needs them.
        clusters: _,
        // What became of policies, and what the operator should know: for people.
        routes: _,
        warnings: _,
    } = plan;
    let mut resources = EnvoyResources::default();
    let mut splits = Splits::new(plan, options.split, options.scope);
    for outbound in outbounds.iter().filter(|outbound| is_said(outbound, options.scope)) {
        let forward = splits.forward(
            &outbound.name,
            &format!("split:{}", outbound.name),
            &outbound.split,
            &outbound.split_settings,
            &outbound.connections,
        );
        let listener = listener::outbound(plan, outbound, &forward, options.scope, &mut resources.notes);
        resources.listeners.insert(outbound.name.clone(), listener);
    }
    for listener in gateway_listeners {
        let tree = gateway::listener(plan, listener, &mut splits, options, &mut resources.notes);
        resources.listeners.insert(listener.name.clone(), tree);
    }
    splits.finish(&mut resources);
    if options.scope == Scope::Proxy {
        inbound::add(plan, &mut resources);
    }
    resources.notes.sort();
    resources
}

/// Whether an outbound is in the scope; the reference's TCP routes leave some listeners to others (spec 04 §4).
fn is_said(outbound: &Outbound, scope: Scope) -> bool {
    scope == Scope::Proxy || outbound.belongs_to_tcp_routes()
}

impl EnvoyResources {
    /// The resources as bytes, ready for discovery.
    ///
    /// # Errors
    ///
    /// A tree that does not fit its message: a mistake in this crate, named by resource and path.
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
