//! Facts about the proxy and its mesh that routing needs.

use std::net::Ipv6Addr;
use std::sync::Arc;

use model::reference::ZONE_TAG;
use model::topology::{Dataplane, Mesh, MeshServicesMode};
use model::{Kind, Labels, Origin, Profile, Resource, Spec, Tags};

use super::identity;
use crate::features::Redirection;
use crate::plan::Mtls;
use crate::reader::Reader;
use crate::view::View;

/// Mesh and zone of the proxy, with defaults for what is not configured.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) profile: Profile,
    pub(super) mesh_name: &'a str,
    /// Zone of the control plane, or else of the proxy; absent: there are no zones.
    pub(super) zone: Option<String>,
    pub(super) mtls: Option<Arc<Mtls>>,
    /// `true`: the mesh has a CA of its own, whatever issues the certificate of the proxy; without it tag-based
    /// services of other zones are not dialled.
    pub(super) mesh_ca: bool,
    /// `true`: connections to tag-based services leave the zone through its egress.
    pub(super) zone_egress: bool,
    pub(super) locality_aware: bool,
    pub(super) mesh_services: MeshServicesMode,
    /// `true`: real destinations are named by their KRIs.
    pub(super) unified: bool,
    /// Redirection of connections to the proxy by the kernel; absent: none.
    pub(super) redirection: Option<Redirection>,
    /// `true`: the proxy asks to bind the ports of its outbounds, whatever is redirected to it.
    pub(super) binds_outbounds: bool,
    /// `true`: the proxy has an address of a family that is redirected.
    pub(super) is_redirected_to: bool,
    pub(super) system_namespace: &'a str,
}

impl<'a> Facts<'a> {
    pub(super) fn of(view: &View<'a>) -> Self {
        let (profile, features, context) = (view.profile(), view.features(), view.context());
        let nobody_wrote_it = Mesh::default();
        let mesh = view.mesh().unwrap_or(&nobody_wrote_it);
        let mesh_services = if profile.always_exclusive_mesh_services() {
            MeshServicesMode::Exclusive
        } else {
            mesh.mesh_services
        };
        let asks_for_unified = profile.has_unified_naming()
            && features.unified_naming
            && mesh_services == MeshServicesMode::Exclusive;
        let redirection = features.transparent.or_else(|| redirection(view.dataplane()));
        let own_zone = Some(view.resource().meta().zone()).filter(|zone| !zone.is_empty());
        let zone = context.zone.as_deref().or(own_zone);
        let unified = profile.always_unified_naming() || asks_for_unified;
        let mtls = identity::of_proxy(view, mesh, zone, unified).map(Arc::new);
        let mesh_ca = profile.has_mesh_mtls() && mesh.mtls().is_some();
        Self {
            profile,
            mesh_name: view.mesh_name(),
            zone: zone.map(str::to_owned),
            mesh_ca,
            zone_egress: mesh.zone_egress && mesh_ca,
            mtls,
            locality_aware: mesh.locality_aware,
            mesh_services,
            unified,
            redirection,
            binds_outbounds: profile.knows_bound_outbounds() && features.bind_outbounds,
            is_redirected_to: redirection.is_some_and(|redirection| {
                redirection.ipv6 || view.dataplane().address.parse::<Ipv6Addr>().is_err()
            }),
            system_namespace: &context.system_namespace,
        }
    }

    /// Returns the facts about a mesh for a zone proxy; `unified`: it asks for names by KRI.
    pub(super) fn of_zone(reader: &Reader<'a>, mesh_name: &'a str, zone: &str, unified: bool) -> Self {
        let nobody_wrote_it = Mesh::default();
        let mesh = match reader.named(Kind::Mesh, "", mesh_name).map(Resource::spec) {
            Some(Spec::Mesh(mesh)) => mesh,
            _ => &nobody_wrote_it,
        };
        let mesh_ca = reader.profile().has_mesh_mtls() && mesh.mtls().is_some();
        Self {
            profile: reader.profile(),
            mesh_name,
            zone: Some(zone.to_owned()).filter(|zone| !zone.is_empty()),
            mtls: None,
            mesh_ca,
            zone_egress: mesh.zone_egress && mesh_ca,
            locality_aware: mesh.locality_aware,
            mesh_services: mesh.mesh_services,
            unified,
            redirection: None,
            binds_outbounds: true,
            is_redirected_to: false,
            system_namespace: &reader.context().system_namespace,
        }
    }

    /// Returns `true` if a real service belongs to this zone, by its label; one without the label does.
    pub(super) fn is_own(&self, service: &Resource) -> bool {
        match (&self.zone, service.meta().zone()) {
            (_, "") => true,
            (Some(own), zone) => own == zone,
            // without zones only copies are foreign
            (None, _) => service.meta().origin() != Origin::Global,
        }
    }

    /// Returns `true` if the kernel redirects connections to the proxy. One with an address of IPv6 has none where
    /// only those of IPv4 are redirected.
    pub(super) fn transparent(&self) -> bool {
        self.redirection.is_some() && self.is_redirected_to
    }

    /// Returns `true` if the proxy binds the ports of its outbounds.
    pub(super) fn binds(&self) -> bool {
        !self.transparent() || self.binds_outbounds
    }

    /// Returns `true` if connections for inbounds are redirected to the proxy by the kernel, while the application
    /// has their ports.
    pub(super) fn captures_inbounds(&self) -> bool {
        self.redirection.is_some_and(|redirection| redirection.inbound != 0) && !self.binds()
    }

    /// Returns `true` if a zone is not the proxy's own; `false` for what belongs to no zone.
    pub(super) fn is_remote(&self, zone: &str) -> bool {
        !zone.is_empty() && self.zone.as_deref() != Some(zone)
    }

    /// Returns the zone of endpoints with these tags, and their priority (spec 04 §11).
    pub(super) fn locality(&self, tags: &Tags, labels: Option<&Labels>) -> (Option<String>, u32) {
        let zone = tags.get(ZONE_TAG).or_else(|| labels.and_then(|labels| labels.get(ZONE_TAG)));
        let other_zone = zone.is_some_and(|zone| self.is_remote(zone));
        (zone.map(str::to_owned), u32::from(self.locality_aware && other_zone))
    }
}

/// Returns the redirection that a Dataplane declares for its proxy; `None`: none.
fn redirection(dataplane: &Dataplane) -> Option<Redirection> {
    let written = dataplane.transparent_proxying.as_ref().filter(|_| dataplane.is_transparent())?;
    Some(Redirection {
        inbound: written.redirect_port_inbound,
        outbound: written.redirect_port_outbound,
        ipv6: !written.ipv4_only,
    })
}
