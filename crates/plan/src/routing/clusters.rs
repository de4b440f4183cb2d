//! Clusters: the destinations behind backends, each made once per proxy (spec 04 §7, §8).

mod tls;

use tls::Client;

use std::collections::BTreeMap;

use model::reference::{MESH_TAG, SERVICE_TAG};
use model::topology::Protocol;
use model::{ResourceId, Spec, Tags};

use super::endpoints::{self, Offer, OutsideDestination};
use super::facts::Facts;
use super::service::Service;
use super::settings::{self, SaidOfCluster};
use super::{ProxyRules, locality, names};
use crate::plan::{
    Authority, Cluster, ClusterKind, DirectAccess, Endpoint, ExternalPeer, Hop, Unusable, Warning,
};
use crate::rules::{Merged, Rules};
use crate::view::View;

/// Clusters of one proxy.
pub(super) struct Clusters<'v, 'a> {
    view: &'v View<'a>,
    facts: &'v Facts<'a>,
    rules: &'v ProxyRules,
    offers: BTreeMap<(String, String), Offer>,
    counted: BTreeMap<Tags, usize>,
    made: BTreeMap<String, Cluster>,
}

/// Facts of a cluster that a split needs.
#[derive(Clone, Debug)]
pub(super) struct Made {
    /// Name of the cluster.
    pub(super) name: String,
    /// Protocol of the destination.
    pub(super) protocol: Protocol,
    /// `true`: it has endpoints that could accept a connection.
    pub(super) is_offered: bool,
    /// Reason why it has no such endpoints, where it has none.
    pub(super) lacks: Unusable,
}

impl<'v, 'a> Clusters<'v, 'a> {
    pub(super) fn new(view: &'v View<'a>, facts: &'v Facts<'a>, rules: &'v ProxyRules) -> Self {
        let (offers, counted, made) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { view, facts, rules, offers, counted, made }
    }

    /// Returns the protocol of a tag-based service.
    pub(super) fn protocol_of_tag(&mut self, service: &str, mesh: Option<&str>) -> Protocol {
        let facts = self.facts;
        endpoints::protocol_of(self.offer(service, mesh), facts)
    }

    /// Returns the cluster of a tag set with `kuma.io/service`; `gateway`: the tags of the gateway listener that
    /// dials it.
    pub(super) fn of_tags(
        &mut self,
        tags: &Tags,
        mesh: Option<&str>,
        gateway: Option<&Tags>,
    ) -> Result<Made, Unusable> {
        let service = tags.service().unwrap_or_default().to_owned();
        let offer = self.offer(&service, mesh).clone();
        let protocol = endpoints::protocol_of(&offer, self.facts);
        let name = self.tag_cluster_name(tags, mesh, gateway);
        if !self.made.contains_key(&name) {
            let mut subset = tags.clone();
            subset.remove(SERVICE_TAG);
            subset.remove(MESH_TAG);
            let mut endpoints = endpoints::subset(offer.endpoints.clone(), &subset);
            let tls = self.client(gateway).to_tags(&service, &subset, mesh, (&offer, &endpoints))?;
            let is_plaintext = tls.is_none() && self.facts.mtls.is_some();
            if is_plaintext && endpoints.iter().any(|it| it.via == Hop::Direct) {
                // gates of zones take TLS only
                endpoints.retain(|it| it.via == Hop::Direct);
            }
            let said = self.said(|rules| rules.for_service(&service));
            let cluster = Cluster {
                name: name.clone(),
                service,
                kind: kind(&offer, gateway.is_some()),
                tls,
                connect_timeout: settings::connect_timeout(self.view.reader(), said.timeout),
                settings: settings::of_cluster(self.view.reader(), said, None),
                endpoints,
                direct: direct(&offer, &subset),
                resource: None,
                subset,
            };
            self.made.insert(name.clone(), locality::arranged(self.view, self.facts, cluster));
        }
        Ok(self.made(name, protocol, &offer))
    }

    /// Returns the cluster of one port of a real service.
    pub(super) fn of_service(
        &mut self,
        service: &Service<'_>,
        gateway: Option<&Tags>,
    ) -> Result<Made, Unusable> {
        let first_scheme = self.facts.profile.has_first_destination_names();
        let destination = names::destination(&service.id, service.port, first_scheme);
        let name = match gateway {
            Some(listener) => names::tag_cluster(
                &Tags::from_iter([(SERVICE_TAG, destination.as_str())]),
                None,
                Some(listener),
            ),
            None if self.facts.unified => service.id.to_string(),
            None => destination.clone(),
        };
        let offer = endpoints::of_service(self.view.reader(), self.facts, service);
        if !self.made.contains_key(&name) {
            let id = port_id(service);
            let said = self.said(|rules| rules.for_destination(&id, &destination));
            let cluster = Cluster {
                name: name.clone(),
                service: destination,
                kind: kind(&offer, gateway.is_some()),
                subset: Tags::default(),
                tls: self.client(gateway).to_service(service, &offer)?,
                connect_timeout: settings::connect_timeout(self.view.reader(), said.timeout),
                settings: settings::of_cluster(self.view.reader(), said, Some(service.resource)),
                endpoints: endpoints::subset(offer.endpoints.clone(), &Tags::default()),
                direct: direct(&offer, &Tags::default()),
                resource: Some(service.resource.describe()),
            };
            self.made.insert(name.clone(), locality::arranged(self.view, self.facts, cluster));
        }
        Ok(self.made(name, service.protocol, &offer))
    }

    fn client(&self, gateway: Option<&Tags>) -> Client<'v, 'a> {
        Client { view: self.view, facts: self.facts, always_ready: gateway.is_some() }
    }

    /// Returns a cluster for writing, to set what only the owner of an outbound knows.
    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Cluster> {
        self.made.get_mut(name)
    }

    /// Returns the clusters, by name, with the settings that the Mesh declares where nothing else does.
    pub(super) fn finish(mut self, warnings: &mut Vec<Warning>) -> BTreeMap<String, Cluster> {
        for cluster in self.made.values_mut() {
            settings::of_mesh(self.view, cluster);
            settings::within_zone(cluster, warnings);
            warnings.extend(unverified(cluster).map(Warning::from));
        }
        self.made
    }

    /// Returns the rules of each policy kind about a destination.
    fn said(&self, about: impl Fn(&'v Rules) -> Option<&'v Merged>) -> SaidOfCluster<'v> {
        let ProxyRules {
            tcp_route: _,
            http_route: _,
            timeout,
            retry: _,
            access_log: _,
            load_balancing,
            health_check,
            circuit_breaker,
            mirror: _,
        } = self.rules;
        SaidOfCluster {
            timeout: about(timeout),
            load_balancing: about(load_balancing),
            health_check: about(health_check),
            circuit_breaker: about(circuit_breaker),
        }
    }

    fn made(&self, name: String, protocol: Protocol, offer: &Offer) -> Made {
        let cluster = self.made.get(&name);
        let some = |endpoints: &[Endpoint]| !endpoints.is_empty();
        let is_offered = cluster.is_some_and(|cluster| {
            some(&cluster.endpoints) || cluster.direct.as_ref().is_some_and(|direct| some(&direct.endpoints))
        });
        let lacks = match &offer.outside {
            Some(OutsideDestination { unloaded: Some(why), .. }) => Unusable::Unloaded { why: why.clone() },
            Some(OutsideDestination { by_egress: true, .. }) if offer.endpoints.is_empty() => {
                Unusable::NeedsMesh {
                    missing: "it is reached through a zone egress, and the mesh has none in use".into(),
                }
            }
            Some(_) | None => Unusable::NoEndpoints,
        };
        Made { name, protocol, is_offered, lacks }
    }

    fn offer(&mut self, service: &str, mesh: Option<&str>) -> &Offer {
        let (reader, facts) = (self.view.reader(), self.facts);
        let other = mesh.filter(|mesh| *mesh != facts.mesh_name);
        self.offers.entry((service.to_owned(), other.unwrap_or_default().to_owned())).or_insert_with(|| {
            match other {
                Some(mesh) => endpoints::of_other_mesh(reader, facts, service, mesh),
                None => endpoints::of_tag(reader, facts, service),
            }
        })
    }

    /// Returns the name of the cluster of a tag set: 2.3 and 2.4 count the subsets of a proxy instead of hashing
    /// them (spec 04 §5.1).
    fn tag_cluster_name(&mut self, tags: &Tags, mesh: Option<&str>, gateway: Option<&Tags>) -> String {
        if !self.facts.profile.counts_subset_clusters() || tags.len() < 2 || gateway.is_some() {
            return names::tag_cluster(tags, mesh, gateway);
        }
        let next = self.counted.len();
        let number = *self.counted.entry(tags.clone()).or_insert(next);
        format!("{}-_{number}_", tags.service().unwrap_or_default())
    }
}

/// Returns a warning if nothing, or too little, is verified of a destination outside the mesh that the proxy dials
/// directly.
fn unverified(cluster: &Cluster) -> Option<String> {
    let service = cluster.resource.as_ref().unwrap_or(&cluster.service);
    cluster.to_outside()?.each().find_map(|tls| match &tls.verify {
        ExternalPeer::Anybody => Some(format!(
            "{service} asks for TLS that verifies nothing: whoever answers at its address is taken for it"
        )),
        ExternalPeer::Certified { by, names, .. } if names.is_empty() => {
            let by = match by {
                Authority::Host => "the authorities of the proxy's host",
                Authority::Inline(_) | Authority::Secret(_) => "its authority",
            };
            Some(format!(
                "{service} asks for TLS that verifies no name: whoever has a certificate of {by} is taken for it"
            ))
        }
        ExternalPeer::Certified { .. } => None,
    })
}

/// Returns the id of the service with the name of its port as section, by which rules of policies are looked up.
fn port_id(service: &Service<'_>) -> ResourceId {
    let section = match service.resource.spec() {
        Spec::MeshService(spec) => spec.port(&service.id.section).map(|port| port.effective_name()),
        Spec::MeshMultiZoneService(spec) => spec.port(&service.id.section).map(|port| port.effective_name()),
        _ => None,
    };
    section.map_or_else(|| service.id.clone(), |section| service.id.with_section(section))
}

fn kind(offer: &Offer, gateway: bool) -> ClusterKind {
    match (&offer.outside, gateway) {
        (Some(outside), false) if outside.by_egress => ClusterKind::Egress { protocol: outside.protocol },
        (Some(outside), _) if !outside.by_egress => {
            ClusterKind::External { protocol: outside.protocol, tls: outside.tls.clone() }
        }
        (_, true) => ClusterKind::Gateway,
        (_, false) => ClusterKind::Mesh,
    }
}

fn direct(offer: &Offer, subset: &Tags) -> Option<DirectAccess> {
    let DirectAccess { endpoints, tls } = offer.outside.as_ref()?.direct.clone()?;
    Some(DirectAccess { endpoints: endpoints::subset(endpoints, subset), tls })
}
