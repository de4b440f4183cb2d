//! What one proxy sees, and what it read.

use std::cell::RefCell;
use std::sync::Arc;

use model::topology::{Dataplane, Mesh, MeshGateway};
use model::{Kind, Labels, Profile, ProxyKey, Resource, ResourceId, Spec, Tags};

use crate::reads::{self, Reads};
use crate::snapshot::{Context, ProxyFeatures, Snapshot};

/// What one proxy sees of a snapshot. It records what was asked through it, so that a control plane knows when the proxy's
/// plan may have changed.
#[derive(Debug)]
pub struct View<'a> {
    snapshot: &'a Snapshot,
    proxy: ProxyKey,
    resource: &'a Resource,
    dataplane: &'a Dataplane,
    gateway: Option<(&'a Resource, &'a MeshGateway)>,
    asked: RefCell<Vec<u64>>,
}

impl Snapshot {
    /// What a proxy sees; `None` when it has no Dataplane.
    pub fn seen_by(&self, proxy: &ProxyKey) -> Option<View<'_>> {
        let resource = self.named(Kind::Dataplane, proxy.mesh.as_str(), proxy.name.as_str())?;
        let Spec::Dataplane(dataplane) = resource.spec() else { return None };
        let mut view = View {
            snapshot: self,
            proxy: proxy.clone(),
            resource,
            dataplane,
            gateway: None,
            asked: RefCell::default(),
        };
        view.ask(reads::named(Kind::Dataplane, proxy.mesh.as_str(), proxy.name.as_str()));
        view.gateway = view.select_gateway();
        Some(view)
    }
}

impl<'a> View<'a> {
    /// Whose view it is.
    pub fn proxy(&self) -> &ProxyKey {
        &self.proxy
    }

    /// The snapshot, unrecorded: who reads resources there answers for telling by one of the `reads_…`.
    pub fn snapshot(&self) -> &'a Snapshot {
        self.snapshot
    }

    /// What plans depend on besides resources.
    pub fn context(&self) -> &'a Context {
        self.snapshot.context()
    }

    /// Which Kuma version's rules apply.
    pub fn profile(&self) -> Profile {
        self.snapshot.profile()
    }

    /// What the proxy announced.
    pub fn features(&self) -> ProxyFeatures {
        self.context().features(&self.proxy)
    }

    /// The name of the proxy's mesh.
    pub fn mesh_name(&self) -> &'a str {
        self.resource.meta().mesh.as_str()
    }

    /// The settings of the proxy's mesh; absent when nobody wrote it down.
    pub fn mesh(&self) -> Option<&'a Mesh> {
        self.reads_mesh();
        self.snapshot.mesh(self.mesh_name())
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
        self.reads_all(kind);
        match kind.scope() {
            model::kind::Scope::Mesh => self.snapshot.in_mesh(kind, self.mesh_name()),
            model::kind::Scope::Global => self.snapshot.of_kind(kind),
        }
    }

    /// The resource with this identifier, whatever its section and mesh.
    pub fn by_id(&self, id: &ResourceId) -> Option<&'a Resource> {
        self.ask(reads::by_id(id));
        self.snapshot.by_id(id)
    }

    /// The resources of a kind in the proxy's mesh that have all these labels, in store order.
    pub fn by_labels(&self, kind: Kind, labels: &Labels) -> impl Iterator<Item = &'a Resource> + use<'a> {
        self.ask(reads::with_labels(kind, self.mesh_name(), labels));
        self.snapshot.by_labels(kind, self.mesh_name(), labels)
    }

    /// The Dataplanes of the proxy's mesh with an inbound that has all these tags, in store order.
    pub fn dataplanes_with_tags(
        &self,
        tags: &Tags,
    ) -> impl Iterator<Item = (&'a Resource, &'a Dataplane)> + use<'a> {
        self.reads_dataplanes(tags);
        self.snapshot.dataplanes_with_tags(self.mesh_name(), tags)
    }

    /// Whether some Dataplane of the proxy's mesh offers a service by tag.
    pub(crate) fn is_offered(&self, service: &str) -> bool {
        self.ask(reads::offered(self.mesh_name(), service));
        self.snapshot.is_offered(self.mesh_name(), service)
    }

    /// Records that all resources of a kind in the proxy's mesh (or of a kind of global scope) were read.
    pub(crate) fn reads_all(&self, kind: Kind) {
        self.ask(match kind.scope() {
            model::kind::Scope::Mesh => reads::in_mesh(kind, self.mesh_name()),
            model::kind::Scope::Global => reads::everywhere(kind),
        });
    }

    /// Records that resources of a kind were read in another mesh than the proxy's.
    pub(crate) fn reads_elsewhere(&self, kind: Kind) {
        self.ask(reads::everywhere(kind));
    }

    /// Records that the settings of the proxy's mesh were read.
    pub(crate) fn reads_mesh(&self) {
        self.ask(reads::named(Kind::Mesh, "", self.mesh_name()));
    }

    /// Records that the Dataplanes with an inbound that has all these tags were read.
    pub(crate) fn reads_dataplanes(&self, tags: &Tags) {
        self.ask(reads::with_tags(self.mesh_name(), tags));
    }

    /// Records that the Dataplanes with all these labels were read.
    pub(crate) fn reads_labelled_dataplanes(&self, labels: &Labels) {
        self.ask(reads::with_labels(Kind::Dataplane, self.mesh_name(), labels));
    }

    /// Records that the policies were read which were indexed under a condition.
    pub(crate) fn reads_policies(&self, kind: Kind, key: &str, value: &str) {
        self.ask(reads::policies(kind, self.mesh_name(), key, value));
    }

    /// Records that the zone proxies among the Dataplanes were read.
    pub(crate) fn reads_zone_proxies(&self) {
        self.ask(reads::zone_proxies(self.mesh_name()));
    }

    fn ask(&self, question: u64) {
        self.asked.borrow_mut().push(question);
    }

    /// What is found out by some work, and what that reads; the view does not count as having read it.
    pub(crate) fn apart<T>(&self, work: impl FnOnce() -> T) -> (T, Arc<[u64]>) {
        let before = self.asked.take();
        let found = work();
        (found, self.asked.replace(before).into())
    }

    /// Records what work apart from the view has read.
    pub(crate) fn reads_as(&self, questions: &[u64]) {
        self.asked.borrow_mut().extend_from_slice(questions);
    }

    /// What was read through this view so far. A change that does not touch it cannot change what was computed.
    pub fn reads(&self) -> Reads {
        Reads::new(self.asked.borrow().clone())
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
