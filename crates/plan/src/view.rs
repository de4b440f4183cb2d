//! What one proxy sees, and what it read.

use std::sync::Arc;

use model::kind::Scope;
use model::topology::{Dataplane, Mesh, MeshGateway};
use model::{Kind, Labels, Profile, ProxyKey, Resource, ResourceId, Spec, Tags};

use crate::features::ProxyFeatures;
use crate::reader::{Destinations, Reader};
use crate::reads::Reads;
use crate::snapshot::{Context, Snapshot};

/// What one proxy sees of a snapshot. It records what was asked through it, so that a control plane knows when the proxy's
/// plan may have changed; the snapshot itself cannot be had from it.
#[derive(Debug)]
pub struct View<'a> {
    reader: Reader<'a>,
    proxy: ProxyKey,
    resource: &'a Resource,
    dataplane: &'a Dataplane,
    gateway: Option<(&'a Resource, &'a MeshGateway)>,
}

impl Snapshot {
    /// What a proxy sees; `None` when it has no Dataplane.
    pub fn seen_by(&self, proxy: &ProxyKey) -> Option<View<'_>> {
        let reader = Reader::of(self);
        let resource = reader.named(Kind::Dataplane, proxy.mesh.as_str(), proxy.name.as_str())?;
        let Spec::Dataplane(dataplane) = resource.spec() else { return None };
        let mut view = View { reader, proxy: proxy.clone(), resource, dataplane, gateway: None };
        view.gateway = view.select_gateway();
        Some(view)
    }
}

impl<'a> View<'a> {
    /// Whose view it is.
    pub fn proxy(&self) -> &ProxyKey {
        &self.proxy
    }

    /// What is read of the snapshot, of any mesh.
    pub(crate) fn reader(&self) -> &Reader<'a> {
        &self.reader
    }

    /// What plans depend on besides resources.
    pub fn context(&self) -> &'a Context {
        self.reader.context()
    }

    /// Which Kuma version's rules apply.
    pub fn profile(&self) -> Profile {
        self.reader.profile()
    }

    /// What the proxy announced.
    pub fn features(&self) -> ProxyFeatures {
        self.context().features(&self.proxy.clone().into())
    }

    /// The name of the proxy's mesh.
    pub fn mesh_name(&self) -> &'a str {
        self.resource.meta().mesh.as_str()
    }

    /// The proxy's mesh with its metadata; absent when nobody wrote it down.
    pub(crate) fn mesh_resource(&self) -> Option<&'a Resource> {
        self.reader.named(Kind::Mesh, "", self.mesh_name())
    }

    /// The settings of the proxy's mesh; absent when nobody wrote it down.
    pub fn mesh(&self) -> Option<&'a Mesh> {
        match self.mesh_resource()?.spec() {
            Spec::Mesh(mesh) => Some(mesh),
            _ => None,
        }
    }

    /// The proxy's Dataplane with its metadata.
    pub fn resource(&self) -> &'a Resource {
        self.resource
    }

    /// The proxy's Dataplane.
    pub fn dataplane(&self) -> &'a Dataplane {
        self.dataplane
    }

    /// The MeshGateway that is served by the proxy, if it is a builtin gateway (spec 03 §2.3).
    pub fn gateway(&self) -> Option<(&'a Resource, &'a MeshGateway)> {
        self.gateway
    }

    /// The resources of a kind in the proxy's mesh (or of a kind of global scope), in store order.
    pub fn of_kind(&self, kind: Kind) -> &'a [Arc<Resource>] {
        match kind.scope() {
            Scope::Mesh => self.reader.in_mesh(kind, self.mesh_name()),
            Scope::Global => self.reader.of_kind(kind),
        }
    }

    /// The resource with this identifier, whatever its section and mesh.
    pub fn by_id(&self, id: &ResourceId) -> Option<&'a Resource> {
        self.reader.by_id(id)
    }

    /// The resources of a kind in the proxy's mesh that have all these labels, in store order.
    pub fn by_labels(&self, kind: Kind, labels: &Labels) -> impl Iterator<Item = &'a Resource> + use<'a> {
        self.reader.by_labels(kind, self.mesh_name(), labels)
    }

    /// The Dataplanes of the proxy's mesh with an inbound that has all these tags, in store order.
    pub fn dataplanes_with_tags(
        &self,
        tags: &Tags,
    ) -> impl Iterator<Item = (&'a Resource, &'a Dataplane)> + use<'a> {
        self.reader.dataplanes_with_tags(self.mesh_name(), tags)
    }

    /// What items of policies can mean in the proxy's mesh.
    pub(crate) fn destinations(&self) -> Destinations<'a> {
        self.reader.destinations(self.mesh_name())
    }

    /// What was read through this view so far. A change that does not touch it cannot change what was computed.
    pub fn reads(&self) -> Reads {
        self.reader.reads()
    }

    /// The MeshGateway with the most matching tags among those whose selectors match the gateway tags of the Dataplane;
    /// the newest of several, and the first by name if that says nothing.
    fn select_gateway(&self) -> Option<(&'a Resource, &'a MeshGateway)> {
        let tags = &self.dataplane.builtin_gateway()?.tags;
        if !self.profile().has_builtin_gateways() {
            return None;
        }
        let gateways = self.of_kind(Kind::MeshGateway).iter().filter_map(|resource| match resource.spec() {
            Spec::MeshGateway(gateway) => Some((resource.as_ref(), gateway)),
            _ => None,
        });
        gateways
            .filter(|(resource, _)| self.serves_gateways_of(resource))
            .filter_map(|found| Some((best_selector(&found.1.selectors, tags)?, found)))
            .rev()
            .max_by_key(|(matching, (resource, _))| (*matching, resource.meta().created))
            .map(|(_, found)| found)
    }

    /// Whether the MeshGateway is of global origin, without origin, or not of another zone (spec 03 §2.3).
    fn serves_gateways_of(&self, gateway: &Resource) -> bool {
        !self.profile().filters_gateways_by_zone()
            || gateway.meta().origin() != model::Origin::Zone
            || gateway.meta().zone().is_empty()
            || gateway.meta().zone() == self.resource.meta().zone()
    }
}

/// How many tags the best matching selector has; `None` when none matches.
fn best_selector(selectors: &[Tags], tags: &Tags) -> Option<usize> {
    selectors.iter().filter(|selector| selector.matches(tags)).map(Tags::len).max()
}
