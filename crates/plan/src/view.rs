//! View of one proxy on a snapshot, and its reads.

use std::sync::Arc;

use model::kind::Scope;
use model::topology::{Dataplane, Mesh, MeshGateway};
use model::{Kind, Labels, Profile, ProxyKey, Resource, ResourceId, Spec, Tags};

use crate::features::ProxyFeatures;
use crate::reader::{Destinations, Reader};
use crate::reads::Reads;
use crate::snapshot::{Context, Snapshot};

/// View of one proxy on a snapshot. It records the reads through it, so that a control plane knows when the proxy's
/// plan may have changed; it gives no access to the snapshot itself.
#[derive(Debug)]
pub struct View<'a> {
    reader: Reader<'a>,
    proxy: ProxyKey,
    resource: &'a Resource,
    dataplane: &'a Dataplane,
    gateway: Option<(&'a Resource, &'a MeshGateway)>,
}

impl Snapshot {
    /// Returns the view of a proxy; `None`: it has no Dataplane.
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
    /// Proxy that the view is of.
    pub fn proxy(&self) -> &ProxyKey {
        &self.proxy
    }

    /// Reader of the snapshot, of any mesh.
    pub(crate) fn reader(&self) -> &Reader<'a> {
        &self.reader
    }

    /// Inputs of plans besides resources.
    pub fn context(&self) -> &'a Context {
        self.reader.context()
    }

    /// Kuma version whose rules apply.
    pub fn profile(&self) -> Profile {
        self.reader.profile()
    }

    /// Features that the proxy announced.
    pub fn features(&self) -> ProxyFeatures {
        self.context().features(&self.proxy.clone().into())
    }

    /// Name of the proxy's mesh.
    pub fn mesh_name(&self) -> &'a str {
        self.resource.meta().mesh.as_str()
    }

    /// Mesh of the proxy with its metadata; absent: it has no resource.
    pub(crate) fn mesh_resource(&self) -> Option<&'a Resource> {
        self.reader.named(Kind::Mesh, "", self.mesh_name())
    }

    /// Settings of the proxy's mesh; absent: it has no resource.
    pub fn mesh(&self) -> Option<&'a Mesh> {
        match self.mesh_resource()?.spec() {
            Spec::Mesh(mesh) => Some(mesh),
            _ => None,
        }
    }

    /// Dataplane of the proxy with its metadata.
    pub fn resource(&self) -> &'a Resource {
        self.resource
    }

    /// Dataplane of the proxy.
    pub fn dataplane(&self) -> &'a Dataplane {
        self.dataplane
    }

    /// MeshGateway that the proxy serves, if it is a builtin gateway (spec 03 §2.3).
    pub fn gateway(&self) -> Option<(&'a Resource, &'a MeshGateway)> {
        self.gateway
    }

    /// Returns the resources of a kind in the proxy's mesh (or of a kind of global scope), in store order.
    pub fn of_kind(&self, kind: Kind) -> &'a [Arc<Resource>] {
        match kind.scope() {
            Scope::Mesh => self.reader.in_mesh(kind, self.mesh_name()),
            Scope::Global => self.reader.of_kind(kind),
        }
    }

    /// Returns the resource with this identifier, whatever its section and mesh.
    pub fn by_id(&self, id: &ResourceId) -> Option<&'a Resource> {
        self.reader.by_id(id)
    }

    /// Returns the resources of a kind in the proxy's mesh that have all these labels, in store order.
    pub fn by_labels(&self, kind: Kind, labels: &Labels) -> impl Iterator<Item = &'a Resource> + use<'a> {
        self.reader.by_labels(kind, self.mesh_name(), labels)
    }

    /// Returns the Dataplanes of the proxy's mesh with an inbound that has all these tags, in store order.
    pub fn dataplanes_with_tags(
        &self,
        tags: &Tags,
    ) -> impl Iterator<Item = (&'a Resource, &'a Dataplane)> + use<'a> {
        self.reader.dataplanes_with_tags(self.mesh_name(), tags)
    }

    /// Returns the destinations that items of policies can refer to in the proxy's mesh.
    pub(crate) fn destinations(&self) -> Destinations<'a> {
        self.reader.destinations(self.mesh_name())
    }

    /// Returns the reads through this view so far. A change that does not touch them cannot change what was
    /// computed.
    pub fn reads(&self) -> Reads {
        self.reader.reads()
    }

    /// Selects the MeshGateway with the most matching tags among those whose selectors match the gateway tags of
    /// the Dataplane; of several the newest, and then the first by name.
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

    /// Returns `true` if the MeshGateway is of global origin, without origin, or of this zone (spec 03 §2.3).
    fn serves_gateways_of(&self, gateway: &Resource) -> bool {
        !self.profile().filters_gateways_by_zone()
            || gateway.meta().origin() != model::Origin::Zone
            || gateway.meta().zone().is_empty()
            || gateway.meta().zone() == self.resource.meta().zone()
    }
}

/// Returns the number of tags of the best matching selector; `None`: none matches.
fn best_selector(selectors: &[Tags], tags: &Tags) -> Option<usize> {
    selectors.iter().filter(|selector| selector.matches(tags)).map(Tags::len).max()
}
