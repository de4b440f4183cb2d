//! TLS to a cluster: the server name to send and the peers to expect (spec 07 §7).

use std::collections::{BTreeMap, BTreeSet};

use model::topology::{Identity, MeshService, MtlsMode};
use model::{Kind, Resource, Spec, Tags};

use super::{Facts, Offer, Service, View, port_id};
use crate::plan::{Endpoint, Hop, Mtls, PeerNames, ProxyTls, TlsParams, Trust, Unusable};
use crate::routing::endpoints::{egresses, is_local, matched};
use crate::routing::{service_identity, sni};

/// Service name of zone egresses in certificates of the mesh CA.
const EGRESS: &str = "zone-egress";

/// Client that dials a cluster.
#[derive(Clone, Copy)]
pub(super) struct Client<'v, 'a> {
    pub(super) view: &'v View<'a>,
    pub(super) facts: &'v Facts<'a>,
    /// `true`: every service is assumed to have certificates, as builtin gateways do.
    pub(super) always_ready: bool,
}

impl Client<'_, '_> {
    /// TLS to those endpoints of a tag-based service that are dialled; `None`: plaintext.
    pub(super) fn to_tags(
        self,
        service: &str,
        subset: &Tags,
        mesh: Option<&str>,
        (offer, dialled): (&Offer, &[Endpoint]),
    ) -> Result<Option<ProxyTls>, Unusable> {
        let Some(mtls) = self.facts.mtls.as_deref() else { return Ok(None) };
        let by_egress = match &offer.outside {
            Some(outside) if !outside.by_egress => return Ok(None),
            outside => outside.is_some(),
        };
        let mesh = mesh.unwrap_or(self.facts.mesh_name);
        let permissive = if mesh == mtls.mesh { Some(mtls.permissive) } else { self.mode_of(mesh) };
        let Some(permissive) = permissive else { return Ok(None) };
        // zone proxies accept TLS only: a service with endpoints behind them alone is ready
        let is_elsewhere = !dialled.is_empty() && dialled.iter().all(|it| it.via != Hop::Direct);
        let is_ready = self.always_ready || by_egress || is_elsewhere || self.is_certified(mesh, service);
        if permissive && !is_ready {
            return Ok(None);
        }
        let sni = sni::of_dialled_tags(service, subset, mesh).map_err(Unusable::NoServerName)?;
        let service = if by_egress { EGRESS } else { service };
        let peers = match &mtls.trust {
            Trust::Domains { .. } if mesh == mtls.mesh && !mtls.has_workload_identity() => PeerNames::Any,
            Trust::Domains { .. } | Trust::MeshCa | Trust::Spire => {
                PeerNames::Exact(vec![format!("spiffe://{mesh}/{service}")])
            }
        };
        Ok(Some(ProxyTls { mesh: mesh.to_owned(), ..tls(mtls, sni, peers) }))
    }

    /// Returns the TLS to a real service; `None`: plaintext.
    pub(super) fn to_service(
        self,
        service: &Service<'_>,
        offer: &Offer,
    ) -> Result<Option<ProxyTls>, Unusable> {
        let Some(mtls) = self.facts.mtls.as_deref() else { return Ok(None) };
        let ids = match service.resource.spec() {
            Spec::MeshService(spec) => {
                let asks = mtls.permissive || !self.facts.profile.has_mesh_mtls();
                if asks && !self.always_ready && !self.is_ready(service.resource, spec) {
                    return Ok(None);
                }
                self.ids(mtls, [service.resource].into_iter(), false)
            }
            Spec::MeshMultiZoneService(spec) => {
                self.ids(mtls, matched(self.view.reader(), service.resource, spec).into_iter(), true)
            }
            _ if offer.outside.as_ref().is_some_and(|outside| !outside.by_egress) => return Ok(None),
            _ if self.dials_egresses_by_id(mtls) => {
                match self.egresses() {
                    ids if !ids.is_empty() => ids,
                    // a service without endpoints is not dialled
                    _ if offer.endpoints.is_empty() => return Ok(None),
                    _ => return self.without_egress(),
                }
            }
            _ => vec![format!("spiffe://{}/{EGRESS}", self.facts.mesh_name)],
        };
        let peers = match (&mtls.trust, mtls.has_workload_identity()) {
            (Trust::Domains { .. }, false) => PeerNames::Any,
            (_, true) if ids.is_empty() => PeerNames::Any,
            (_, false) if ids.is_empty() => PeerNames::Prefix(format!("spiffe://{}/", mtls.mesh)),
            (_, true | false) => PeerNames::Exact(ids),
        };
        let (sni, sni_of_zones) = self.server_names(mtls, service, offer)?;
        Ok(Some(ProxyTls { sni_of_zones, ..tls(mtls, sni, peers) }))
    }

    /// Returns `true` if another mesh accepts plaintext too; `None`: it has no TLS.
    fn mode_of(self, mesh: &str) -> Option<bool> {
        let Spec::Mesh(mesh) = self.view.reader().named(Kind::Mesh, "", mesh)?.spec() else { return None };
        mesh.mtls().map(|backend| backend.mode == MtlsMode::Permissive)
    }

    fn is_certified(self, mesh: &str, service: &str) -> bool {
        let certified = self.view.context().certified.as_ref();
        certified.is_none_or(|certified| certified.contains(&(mesh.to_owned(), service.to_owned())))
    }

    /// Returns `true` if all instances of a MeshService terminate TLS (spec 07 §8.1).
    fn is_ready(self, resource: &Resource, spec: &MeshService) -> bool {
        // only control planes count certificates, while identities are visible to everybody
        let everybody = self.view.context().certified.is_none();
        let (reader, zone) = (self.view.reader(), self.facts.zone.as_deref());
        let found_out = || service_identity::is_ready(reader, resource, spec, zone, |_| everybody);
        !is_local(resource) || spec.tls_ready.unwrap_or_else(found_out)
    }

    /// Returns the URIs that instances of services may present, sorted.
    fn ids<'r>(
        self,
        mtls: &Mtls,
        services: impl Iterator<Item = &'r Resource>,
        together: bool,
    ) -> Vec<String> {
        let profile = self.facts.profile;
        let by_id = mtls.has_workload_identity();
        let uri = |id: Identity| match id {
            // a MeshMultiZoneService has bare values in the reference, which no instance can present
            Identity::ServiceTag(service) if together && by_id && profile.has_mesh_mtls() => Some(service),
            Identity::ServiceTag(service) => {
                profile.has_mesh_mtls().then(|| format!("spiffe://{}/{service}", self.facts.mesh_name))
            }
            Identity::SpiffeId(id) => (by_id || profile.mesh_ca_joins_domains()).then_some(id),
        };
        let mut ids = BTreeSet::new();
        for resource in services {
            let Spec::MeshService(spec) = resource.spec() else { continue };
            let said = match spec.identities.is_empty() && is_local(resource) {
                true => service_identity::of_service(
                    self.view.reader(),
                    resource,
                    spec,
                    self.facts.zone.as_deref(),
                ),
                false => spec.identities.clone(),
            };
            ids.extend(said.into_iter().filter_map(uri));
        }
        ids.into_iter().collect()
    }

    /// Returns `true` if egresses are listeners of Dataplanes, which have identities of their own.
    fn dials_egresses_by_id(self, mtls: &Mtls) -> bool {
        mtls.has_workload_identity() && self.facts.profile.has_zone_proxy_listeners()
    }

    /// Returns the identities of the zone's egresses, sorted.
    fn egresses(self) -> Vec<String> {
        let (reader, facts) = (self.view.reader(), self.facts);
        let egresses = egresses::listeners(reader, facts).into_iter();
        let ids: BTreeSet<String> = egresses
            .filter_map(|(resource, ..)| {
                service_identity::of_dataplane(reader, resource, facts.zone.as_deref())
            })
            .collect();
        ids.into_iter().collect()
    }

    /// Returns the TLS to egresses if none of them has an identity.
    fn without_egress(self) -> Result<Option<ProxyTls>, Unusable> {
        if !self.facts.profile.has_mesh_mtls() {
            return Ok(None);
        }
        let missing = "no zone egress of the mesh has an identity";
        Err(Unusable::NeedsMesh { missing: missing.into() })
    }

    /// Returns the server name, and those for zones whose ingress routes by another one (spec 07 §7.5).
    fn server_names(
        self,
        mtls: &Mtls,
        service: &Service<'_>,
        offer: &Offer,
    ) -> Result<(String, BTreeMap<String, String>), Unusable> {
        let facts = self.facts;
        if facts.profile.has_first_destination_names()
            && matches!(service.resource.spec(), Spec::MeshExternalService(_))
        {
            let name = service.resource.meta().display_name();
            let sni = sni::of_dialled_tags(name, &Tags::default(), facts.mesh_name);
            return Ok((sni.map_err(Unusable::NoServerName)?, BTreeMap::new()));
        }
        let hashed = || sni::hashed_sni(service.resource, service.port, facts.system_namespace);
        if !mtls.has_workload_identity() || !facts.profile.has_zone_proxy_listeners() {
            return Ok((hashed(), BTreeMap::new()));
        }
        let old =
            if facts.profile.has_mesh_mtls() { self.old_zones(service, offer) } else { BTreeSet::new() };
        let is_old = |zone: &Option<String>| zone.as_ref().is_some_and(|zone| old.contains(zone));
        if !old.is_empty() && offer.endpoints.iter().all(|endpoint| is_old(&endpoint.zone)) {
            return Ok((hashed(), BTreeMap::new()));
        }
        let sni = sni::readable_sni(&self.named(service)).map_err(Unusable::NoServerName)?;
        Ok((sni, old.into_iter().map(|zone| (zone, hashed())).collect()))
    }

    /// Returns the zones behind a service that have only an ingress of the older kind, which routes by hashed
    /// names.
    fn old_zones(self, service: &Service<'_>, offer: &Offer) -> BTreeSet<String> {
        let zones: BTreeSet<&str> = match service.resource.spec() {
            Spec::MeshService(_) if !is_local(service.resource) => {
                [service.resource.meta().zone()].into_iter().filter(|zone| !zone.is_empty()).collect()
            }
            Spec::MeshMultiZoneService(_) => {
                let zones = offer.endpoints.iter().filter_map(|endpoint| endpoint.zone.as_deref());
                zones.filter(|zone| self.facts.is_remote(zone)).collect()
            }
            _ => BTreeSet::new(),
        };
        let addresses = self.view.of_kind(Kind::MeshZoneAddress);
        let is_new = |zone: &&str| addresses.iter().any(|resource| resource.meta().zone() == *zone);
        zones.into_iter().filter(|zone| !is_new(zone)).map(str::to_owned).collect()
    }

    /// Returns the id of the service in readable names: with the name of its port, which ingresses listen for.
    /// Where no ingress is on the way, 2.14 writes the port as the reference to it does.
    fn named(self, service: &Service<'_>) -> model::ResourceId {
        let by_reference = self.facts.profile.has_mesh_mtls()
            && matches!(service.resource.spec(), Spec::MeshService(_))
            && is_local(service.resource)
            && !service.id.section.is_empty();
        if by_reference {
            return service.id.clone();
        }
        let id = port_id(service);
        if id.section.is_empty() { id.with_section(service.port.to_string()) } else { id }
    }
}

fn tls(mtls: &Mtls, sni: String, peers: PeerNames) -> ProxyTls {
    ProxyTls {
        sni,
        sni_of_zones: BTreeMap::new(),
        peers,
        mesh: mtls.mesh.clone(),
        optional: mtls.permissive,
        // set once all clusters are made
        params: TlsParams::default(),
    }
}
