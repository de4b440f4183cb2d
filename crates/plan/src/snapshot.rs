//! Snapshot: an immutable, indexed set of resources, and all that a plan may depend on.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use model::topology::{Dataplane, Mesh};
use model::{AddressRange, Kind, Labels, Profile, ProxyKey, Resource, ResourceId, Spec, Tags};

use crate::dialled::{Dialled, TagAddresses};
use crate::features::ProxyFeatures;
use crate::hosts::Hosts;
use crate::matching::index_target;
use crate::memo::Memo;
use crate::pairs::PairIndex;
use crate::plan::ProxyId;
use crate::pool::Pools;

/// Inputs of a plan besides resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// Kuma version whose rules apply.
    pub profile: Profile,
    /// Zone of this control plane. Absent on a control plane without zones, which owns everything.
    pub zone: Option<String>,
    /// Namespace of the control plane on Kubernetes; default `kuma-system`.
    pub system_namespace: String,
    /// Features that each proxy announced when it connected; for others [`Context::unannounced`].
    pub proxies: BTreeMap<ProxyId, ProxyFeatures>,
    /// Features assumed of proxies that announced none; default: none.
    pub unannounced: ProxyFeatures,
    /// Destinations that proxies dial, where they are determined outside of planning; for other proxies those of
    /// their Dataplanes.
    pub dialled: BTreeMap<ProxyKey, Vec<Dialled>>,
    /// Virtual IPs of tag-based services, which no resource has; default: none.
    pub tag_addresses: TagAddresses,
    /// Address range for the virtual IPs of tag-based services; absent, the default: they get no new ones.
    pub tag_range: Option<AddressRange>,
    /// Addresses of host names at which proxies are dialled, as far as they were resolved; default: none.
    pub hosts: Hosts,
    /// Tag-based services whose instances all have a certificate of the mesh's CA, as mesh and service. It matters
    /// where a mesh accepts plaintext too, since the others are dialled in plaintext. Absent: certificates are not
    /// counted, and every instance is assumed to have one.
    pub certified: Option<BTreeSet<(String, String)>>,
    /// Services outside the mesh whose TLS secrets cannot be loaded, by mesh and their name in secrets, with the
    /// reason in words. They are not dialled.
    pub unloaded: BTreeMap<(String, String), String>,
}

impl Context {
    /// Context of a control plane without zones, with proxies that announced nothing.
    pub fn new(profile: Profile) -> Self {
        Self {
            profile,
            zone: None,
            system_namespace: "kuma-system".to_owned(),
            proxies: BTreeMap::new(),
            unannounced: ProxyFeatures::default(),
            dialled: BTreeMap::new(),
            tag_addresses: TagAddresses::default(),
            tag_range: None,
            hosts: Hosts::default(),
            certified: None,
            unloaded: BTreeMap::new(),
        }
    }

    /// Returns the proxies that announce something else in another context; `None`: that one differs in something
    /// else, too. Parts that plans read from a [`Snapshot`] one by one are not compared:
    /// [`Snapshot::touched_since`] does that.
    pub fn announced_otherwise<'a>(&'a self, other: &'a Self) -> Option<BTreeSet<&'a ProxyId>> {
        let Self {
            profile,
            zone,
            system_namespace,
            proxies,
            unannounced,
            dialled,
            tag_addresses: _,
            tag_range: _,
            hosts: _,
            certified,
            unloaded,
        } = self;
        let alike = (profile, zone, system_namespace, unannounced, dialled, certified, unloaded)
            == (
                &other.profile,
                &other.zone,
                &other.system_namespace,
                &other.unannounced,
                &other.dialled,
                &other.certified,
                &other.unloaded,
            );
        let otherwise = |proxy: &&ProxyId| proxies.get(*proxy) != other.proxies.get(*proxy);
        alike.then(|| proxies.keys().chain(other.proxies.keys()).filter(otherwise).collect())
    }

    /// Features of a proxy.
    pub fn features(&self, proxy: &ProxyId) -> ProxyFeatures {
        self.proxies.get(proxy).unwrap_or(&self.unannounced).clone()
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::new(Profile::default())
    }
}

/// Immutable set of resources with indexes. The order in which resources arrived never matters: they are in store
/// order, which is kind, mesh and name, ascending.
#[derive(Debug)]
pub struct Snapshot {
    context: Context,
    resources: Vec<Arc<Resource>>,
    ids: Vec<(ResourceId, u32)>,
    labels: PairIndex,
    tags: PairIndex,
    targets: PairIndex,
    pub(crate) memo: Memo,
    pub(crate) pools: Arc<Pools>,
}

impl Snapshot {
    /// Sorts resources and indexes them. Of several with the same kind, mesh and name one is kept.
    ///
    /// Takes `Resource`s or `Arc<Resource>`s: a store that shares them pays only for the indexes.
    pub fn new<R: Into<Arc<Resource>>>(resources: impl IntoIterator<Item = R>, context: Context) -> Self {
        let mut resources: Vec<Arc<Resource>> = resources.into_iter().map(Into::into).collect();
        resources.sort_by(|a, b| store_key(a).cmp(&store_key(b)).then_with(|| arrival_free_order(a, b)));
        resources.dedup_by(|a, b| store_key(a) == store_key(b));

        let mut ids = Vec::with_capacity(resources.len());
        let (mut labels, mut tags, mut targets) = <(PairIndex, PairIndex, PairIndex)>::default();
        for (at, resource) in (0u32..).zip(&resources) {
            let kind = resource.kind();
            ids.push((resource.id(), at));
            index_target(&mut targets, resource, at, context.profile);
            for (key, value) in resource.meta().labels.iter() {
                labels.add(kind, key, value, at);
            }
            if let Spec::Dataplane(dataplane) = resource.spec() {
                for (key, value) in dataplane.inbound.iter().flat_map(|inbound| inbound.tags.iter()) {
                    tags.add(kind, key, value, at);
                }
            }
        }
        ids.sort();
        labels.finish();
        tags.finish();
        targets.finish();
        let (memo, pools) = (Memo::default(), Arc::default());
        Self { context, resources, ids, labels, tags, targets, memo, pools }
    }

    /// As [`Snapshot::new`]; its plans share their equal parts with those of an earlier snapshot.
    pub fn following<R: Into<Arc<Resource>>>(
        before: &Snapshot,
        resources: impl IntoIterator<Item = R>,
        context: Context,
    ) -> Self {
        Self { pools: Arc::clone(&before.pools), ..Self::new(resources, context) }
    }

    /// Drops cached results of planning, and parts that no plan uses any more: for callers that have planned many
    /// proxies and keep the snapshot.
    pub fn settle(&self) {
        self.memo.clear();
        self.pools.tidy();
    }

    /// Inputs of the plans besides resources.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Kuma version whose rules apply.
    pub fn profile(&self) -> Profile {
        self.context.profile
    }

    /// All resources, in store order.
    pub fn resources(&self) -> &[Arc<Resource>] {
        &self.resources
    }

    /// Returns the resources of a kind, of all meshes, in store order.
    pub fn of_kind(&self, kind: Kind) -> &[Arc<Resource>] {
        self.range(|resource| resource.kind().cmp(&kind))
    }

    /// Returns the resources of a kind in a mesh, in store order.
    pub fn in_mesh(&self, kind: Kind, mesh: &str) -> &[Arc<Resource>] {
        self.range(|resource| {
            resource.kind().cmp(&kind).then_with(|| resource.meta().mesh.as_str().cmp(mesh))
        })
    }

    /// Returns the resource with this stored name; for kinds of global scope the mesh is empty.
    pub fn named(&self, kind: Kind, mesh: &str, name: &str) -> Option<&Resource> {
        let found = self.range(|resource| store_key(resource).cmp(&(kind, mesh, name)));
        found.first().map(Arc::as_ref)
    }

    /// Returns the resource with this identifier, whatever its section; the first in store order if several share
    /// it.
    pub fn by_id(&self, id: &ResourceId) -> Option<&Resource> {
        let whole;
        let wanted = if id.section.is_empty() {
            id
        } else {
            whole = id.with_section("");
            &whole
        };
        let at = self.ids.partition_point(|(found, _)| found < wanted);
        let (found, index) = self.ids.get(at)?;
        (found == wanted).then(|| self.resources[*index as usize].as_ref())
    }

    /// Returns the resources of a kind in a mesh that have all these labels, in store order. Without labels: all of
    /// them.
    pub fn by_labels<'a>(
        &'a self,
        kind: Kind,
        mesh: &str,
        labels: &Labels,
    ) -> impl Iterator<Item = &'a Resource> + use<'a> {
        let candidates = match self.labels.shortest(kind, labels.iter()) {
            Some(indexes) => self.at(indexes),
            None => self.in_mesh(kind, mesh).iter().map(Arc::as_ref).collect(),
        };
        let (mesh, labels) = (mesh.to_owned(), labels.clone());
        candidates.into_iter().filter(move |resource| {
            resource.meta().mesh == mesh.as_str() && labels.matches(&resource.meta().labels)
        })
    }

    /// Returns the Dataplanes of a mesh with an inbound that has all these tags (a `*` stands for any value), in
    /// store order.
    pub fn dataplanes_with_tags<'a>(
        &'a self,
        mesh: &str,
        tags: &Tags,
    ) -> impl Iterator<Item = (&'a Resource, &'a Dataplane)> + use<'a> {
        let exact = tags.iter().filter(|(_, value)| *value != "*");
        let candidates = match self.tags.shortest(Kind::Dataplane, exact) {
            Some(indexes) => self.at(indexes),
            None => self.in_mesh(Kind::Dataplane, mesh).iter().map(Arc::as_ref).collect(),
        };
        let (mesh, tags) = (mesh.to_owned(), tags.clone());
        candidates.into_iter().filter(move |resource| resource.meta().mesh == mesh.as_str()).filter_map(
            move |resource| {
                let Spec::Dataplane(dataplane) = resource.spec() else { return None };
                dataplane.inbound.iter().any(|i| tags.matches(&i.tags)).then_some((resource, dataplane))
            },
        )
    }

    /// Returns the Dataplanes of a mesh, in store order.
    pub fn dataplanes(&self, mesh: &str) -> impl Iterator<Item = (&Resource, &Dataplane)> {
        self.in_mesh(Kind::Dataplane, mesh).iter().filter_map(|resource| match resource.spec() {
            Spec::Dataplane(dataplane) => Some((resource.as_ref(), dataplane)),
            _ => None,
        })
    }

    /// Settings of a mesh; absent: it has no resource.
    pub fn mesh(&self, name: &str) -> Option<&Mesh> {
        match self.named(Kind::Mesh, "", name)?.spec() {
            Spec::Mesh(mesh) => Some(mesh),
            _ => None,
        }
    }

    /// Returns every proxy, by mesh and name.
    pub fn proxies(&self) -> impl Iterator<Item = ProxyKey> {
        self.of_kind(Kind::Dataplane).iter().map(|resource| ProxyKey {
            mesh: resource.meta().mesh.clone(),
            name: resource.meta().name.clone(),
        })
    }

    /// Returns the zone proxies of this zone that serve all meshes: its ingresses, and then its egresses, each by
    /// name. On a control plane without zones these are all; profiles without such resources have none.
    pub fn zone_proxies(&self) -> impl Iterator<Item = ProxyId> {
        let exist = self.profile().has_zone_proxy_resources();
        let resources = [Kind::ZoneIngress, Kind::ZoneEgress].into_iter().flat_map(|kind| self.of_kind(kind));
        resources.filter(move |_| exist).filter_map(|resource| {
            let name = resource.meta().name.clone();
            let (id, zone) = match resource.spec() {
                Spec::ZoneIngress(ingress) => (ProxyId::ZoneIngress(name), &ingress.zone),
                Spec::ZoneEgress(egress) => (ProxyId::ZoneEgress(name), &egress.zone),
                _ => return None,
            };
            let zone = if zone.is_empty() { resource.meta().zone() } else { zone };
            let own = self.context.zone.as_deref();
            own.is_none_or(|own| zone.is_empty() || zone == own).then_some(id)
        })
    }

    /// Returns the policies of a kind in a mesh that were indexed under a condition on proxies, with their
    /// positions, ascending.
    pub(crate) fn policies_with<'a>(
        &'a self,
        kind: Kind,
        mesh: &str,
        key: &str,
        value: &str,
    ) -> impl Iterator<Item = (u32, &'a Resource)> + use<'a> {
        let in_mesh =
            self.positions(|resource| (resource.kind(), resource.meta().mesh.as_str()).cmp(&(kind, mesh)));
        let found = self.targets.shortest(kind, std::iter::once((key, value))).unwrap_or_default();
        let found = found.iter().filter(move |(_, at)| in_mesh.contains(&(*at as usize)));
        found.map(|(_, at)| (*at, self.resources[*at as usize].as_ref()))
    }

    fn at(&self, indexes: &[(u64, u32)]) -> Vec<&Resource> {
        indexes.iter().map(|(_, at)| self.resources[*at as usize].as_ref()).collect()
    }

    fn range(&self, order: impl Fn(&Resource) -> Ordering) -> &[Arc<Resource>] {
        &self.resources[self.positions(order)]
    }

    fn positions(&self, order: impl Fn(&Resource) -> Ordering) -> Range<usize> {
        let start = self.resources.partition_point(|resource| order(resource).is_lt());
        let length = self.resources[start..].partition_point(|resource| order(resource).is_eq());
        start..start + length
    }
}

fn store_key(resource: &Resource) -> (Kind, &str, &str) {
    (resource.kind(), resource.meta().mesh.as_str(), resource.meta().name.as_str())
}

/// Orders two resources with the same name by their content, so that the one that is kept does not depend on the
/// order of arrival.
fn arrival_free_order(a: &Resource, b: &Resource) -> Ordering {
    let key = |resource: &Resource| (Arc::clone(&resource.meta().source), format!("{resource:?}"));
    key(a).cmp(&key(b))
}
