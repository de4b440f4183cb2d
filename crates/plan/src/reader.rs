//! Recorded reads of a snapshot: every lookup of planning is recorded as a question.

use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::Arc;

use model::topology::{Dataplane, Mesh};
use model::{Kind, Labels, Profile, Resource, ResourceId, Spec, Tags};

use crate::hosts::ResolvedHost;
use crate::memo::Memo;
use crate::pool::Pools;
use crate::reads::{self, Reads};
use crate::snapshot::{Context, Snapshot};

/// Reader of a snapshot. It gives no other access to the snapshot: what was not recorded was not read, so a change
/// that touches no recorded question changes nothing that was computed.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    snapshot: &'a Snapshot,
    asked: RefCell<Vec<u64>>,
}

impl<'a> Reader<'a> {
    /// A reader that has read nothing yet.
    pub(crate) fn of(snapshot: &'a Snapshot) -> Self {
        Self { snapshot, asked: RefCell::default() }
    }

    /// Inputs of plans besides resources.
    pub(crate) fn context(&self) -> &'a Context {
        self.snapshot.context()
    }

    /// Kuma version whose rules apply.
    pub(crate) fn profile(&self) -> Profile {
        self.snapshot.profile()
    }

    /// Memo of results computed for other proxies.
    pub(crate) fn memo(&self) -> &'a Memo {
        &self.snapshot.memo
    }

    /// Pools of equal parts of plans.
    pub(crate) fn pools(&self) -> &'a Pools {
        &self.snapshot.pools
    }

    /// Returns the resource with this stored name; for kinds of global scope the mesh is empty.
    pub(crate) fn named(&self, kind: Kind, mesh: &str, name: &str) -> Option<&'a Resource> {
        self.ask(reads::named(kind, mesh, name));
        self.snapshot.named(kind, mesh, name)
    }

    /// Returns the resource with this identifier, whatever its section.
    pub(crate) fn by_id(&self, id: &ResourceId) -> Option<&'a Resource> {
        self.ask(reads::by_id(id));
        self.snapshot.by_id(id)
    }

    /// Returns the resources of a kind in a mesh, in store order.
    pub(crate) fn in_mesh(&self, kind: Kind, mesh: &str) -> &'a [Arc<Resource>] {
        self.ask(reads::in_mesh(kind, mesh));
        self.snapshot.in_mesh(kind, mesh)
    }

    /// Returns the resources of a kind, of all meshes, in store order.
    pub(crate) fn of_kind(&self, kind: Kind) -> &'a [Arc<Resource>] {
        self.ask(reads::everywhere(kind));
        self.snapshot.of_kind(kind)
    }

    /// Returns the resources of a kind in a mesh that have all these labels, in store order.
    pub(crate) fn by_labels(
        &self,
        kind: Kind,
        mesh: &str,
        labels: &Labels,
    ) -> impl Iterator<Item = &'a Resource> + use<'a> {
        self.ask(reads::with_labels(kind, mesh, labels));
        self.snapshot.by_labels(kind, mesh, labels)
    }

    /// Returns the Dataplanes of a mesh, in store order.
    pub(crate) fn dataplanes(
        &self,
        mesh: &str,
    ) -> impl Iterator<Item = (&'a Resource, &'a Dataplane)> + use<'a> {
        self.in_mesh(Kind::Dataplane, mesh).iter().filter_map(|resource| as_dataplane(resource))
    }

    /// Returns the Dataplanes of a mesh with an inbound that has all these tags, in store order.
    pub(crate) fn dataplanes_with_tags(
        &self,
        mesh: &str,
        tags: &Tags,
    ) -> impl Iterator<Item = (&'a Resource, &'a Dataplane)> + use<'a> {
        self.ask(reads::with_tags(mesh, tags));
        self.snapshot.dataplanes_with_tags(mesh, tags)
    }

    /// Returns the Dataplanes of a mesh that have all these labels, in store order.
    pub(crate) fn dataplanes_with_labels(
        &self,
        mesh: &str,
        labels: &Labels,
    ) -> impl Iterator<Item = (&'a Resource, &'a Dataplane)> + use<'a> {
        self.by_labels(Kind::Dataplane, mesh, labels).filter_map(as_dataplane)
    }

    /// Returns the Dataplanes of a mesh that have listeners of a zone proxy, in store order.
    pub(crate) fn zone_proxies(
        &self,
        mesh: &str,
    ) -> impl Iterator<Item = (&'a Resource, &'a Dataplane)> + use<'a> {
        self.ask(reads::zone_proxies(mesh));
        let dataplanes = self.snapshot.in_mesh(Kind::Dataplane, mesh).iter();
        dataplanes
            .filter_map(|resource| as_dataplane(resource))
            .filter(|(_, dataplane)| !dataplane.listeners.is_empty())
    }

    /// Returns `true` if some Dataplane of a mesh offers a service by tag.
    pub(crate) fn is_offered(&self, mesh: &str, service: &str) -> bool {
        self.ask(reads::offered(mesh, service));
        self.snapshot.is_offered(mesh, service)
    }

    /// Returns the tag-based services of a mesh that have a virtual IP, by name.
    pub(crate) fn tag_addresses(&self, mesh: &str) -> impl Iterator<Item = (&'a str, IpAddr)> + use<'a> {
        self.ask(reads::tag_addresses(mesh));
        let (first, mesh) = ((mesh.to_owned(), String::new()), mesh.to_owned());
        let given = self.snapshot.context().tag_addresses.range(first..);
        let of_mesh = given.take_while(move |((other, _), _)| *other == mesh);
        of_mesh.map(|((_, service), address)| (service.as_str(), *address))
    }

    /// Returns the address to dial: for a host name the address that it resolves to, if known, or else the name.
    pub(crate) fn dialled_at(&self, address: &str) -> String {
        if address.parse::<IpAddr>().is_err() {
            self.ask(reads::host(address));
            if let Some(found) = self.snapshot.context().hosts.get(address).and_then(ResolvedHost::address) {
                return found.to_string();
            }
        }
        address.to_owned()
    }

    /// Returns the policies of a kind in a mesh that were indexed under a condition on proxies, each with its place
    /// in store order.
    pub(crate) fn policies_with(
        &self,
        kind: Kind,
        mesh: &str,
        key: &str,
        value: &str,
    ) -> impl Iterator<Item = (u32, &'a Resource)> + use<'a> {
        self.ask(reads::policies(kind, mesh, key, value));
        self.snapshot.policies_with(kind, mesh, key, value)
    }

    /// Returns the real destinations of a mesh and its routes, all of them read at once: rules about destinations
    /// ask for so many that recording each one would not pay.
    pub(crate) fn destinations(&self, mesh: &'a str) -> Destinations<'a> {
        self.ask(reads::named(Kind::Mesh, "", mesh));
        for kind in Destinations::KINDS {
            self.ask(reads::in_mesh(kind, mesh));
        }
        self.snapshot.destinations(mesh)
    }

    /// Returns the result of `work`, and what it reads; those reads are not recorded here.
    pub(crate) fn apart<T>(&self, work: impl FnOnce() -> T) -> (T, Arc<[u64]>) {
        let before = self.asked.take();
        let found = work();
        (found, self.asked.replace(before).into())
    }

    /// Records the reads of work that was done apart.
    pub(crate) fn reads_as(&self, questions: &[u64]) {
        self.asked.borrow_mut().extend_from_slice(questions);
    }

    /// Returns the reads so far.
    pub(crate) fn reads(&self) -> Reads {
        Reads::new(self.asked.borrow().clone())
    }

    fn ask(&self, question: u64) {
        self.asked.borrow_mut().push(question);
    }
}

fn as_dataplane(resource: &Resource) -> Option<(&Resource, &Dataplane)> {
    match resource.spec() {
        Spec::Dataplane(dataplane) => Some((resource, dataplane)),
        _ => None,
    }
}

/// Destinations that items of policies can refer to in a mesh: the mesh itself, its services, and its HTTP routes.
#[derive(Clone, Copy, Debug)]
pub struct Destinations<'a> {
    snapshot: &'a Snapshot,
    mesh: &'a str,
}

impl Snapshot {
    /// Returns the destinations that items of policies can refer to in a mesh.
    pub fn destinations<'a>(&'a self, mesh: &'a str) -> Destinations<'a> {
        Destinations { snapshot: self, mesh }
    }
}

impl<'a> Destinations<'a> {
    const KINDS: [Kind; 4] =
        [Kind::MeshService, Kind::MeshMultiZoneService, Kind::MeshExternalService, Kind::MeshHTTPRoute];

    /// Kuma version whose rules apply.
    pub(crate) fn profile(self) -> Profile {
        self.snapshot.profile()
    }

    /// Name of the mesh.
    pub(crate) fn mesh_name(self) -> &'a str {
        self.mesh
    }

    /// Settings of the mesh; absent: it has no resource.
    pub(crate) fn mesh(self) -> Option<&'a Mesh> {
        self.snapshot.mesh(self.mesh)
    }

    /// Returns the resource with this identifier; none of other kinds and meshes.
    pub(crate) fn by_id(self, id: &ResourceId) -> Option<&'a Resource> {
        let is_here = Self::KINDS.contains(&id.kind) && id.mesh == self.mesh;
        is_here.then(|| self.snapshot.by_id(id)).flatten()
    }

    /// Returns the resources of a kind that have all these labels, in store order; none of other kinds.
    pub(crate) fn by_labels(
        self,
        kind: Kind,
        labels: &Labels,
    ) -> impl Iterator<Item = &'a Resource> + use<'a> {
        let found = Self::KINDS.contains(&kind).then(|| self.snapshot.by_labels(kind, self.mesh, labels));
        found.into_iter().flatten()
    }

    /// Returns the MeshHTTPRoutes, in store order.
    pub(crate) fn http_routes(self) -> &'a [Arc<Resource>] {
        self.snapshot.in_mesh(Kind::MeshHTTPRoute, self.mesh)
    }
}
