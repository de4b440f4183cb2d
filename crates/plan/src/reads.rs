//! Reads of a view, and changes of a snapshot: a proxy is planned again only where they meet.
//!
//! Both are sets of hashes of the questions that can be asked of a snapshot: for a resource by its identifier, for the
//! Dataplanes with a tag, for the policies that may select a proxy with a label, for everything of a kind, … Two
//! questions may share a hash: then a proxy is planned again in vain, never the other way round.

use std::collections::BTreeSet;

use model::reference::SERVICE_TAG;
use model::{Kind, Labels, Profile, Resource, ResourceId, Spec, Tags};
use xxhash_rust::xxh3::Xxh3;

use crate::hosts::{Hosts, ResolvedHost};
use crate::matching::condition_of;
use crate::snapshot::Snapshot;

/// Questions that were read through a view. Eight bytes per question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads(Box<[u64]>);

/// The questions whose answers differ between two snapshots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched(BTreeSet<u64>);

impl Reads {
    pub(crate) fn new(mut questions: Vec<u64>) -> Self {
        questions.sort_unstable();
        questions.dedup();
        Self(questions.into())
    }

    /// Returns `true` if a change may change what was computed from the view.
    pub fn meet(&self, Touched(touched): &Touched) -> bool {
        if touched.len() < self.0.len() {
            touched.iter().any(|question| self.0.binary_search(question).is_ok())
        } else {
            self.0.iter().any(|question| touched.contains(question))
        }
    }
}

impl Touched {
    /// Returns `true` if no answer differs.
    pub fn is_nothing(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a resource that was added, removed, or changed from or to this.
    fn add(&mut self, resource: &Resource, profile: Profile) {
        let kind = resource.kind();
        let (mesh, name) = (resource.meta().mesh.as_str(), resource.meta().name.as_str());
        self.0.extend([everywhere(kind), in_mesh(kind, mesh), named(kind, mesh, name)]);
        self.0.insert(by_id(&resource.id()));
        for pair in resource.meta().labels.iter() {
            self.0.insert(with_label(kind, mesh, pair));
        }
        match resource.spec() {
            Spec::Dataplane(dataplane) => {
                for pair in dataplane.inbound.iter().flat_map(|inbound| inbound.tags.iter()) {
                    self.0.insert(with_tag(mesh, pair));
                }
                if !dataplane.listeners.is_empty() {
                    self.0.insert(zone_proxies(mesh));
                }
            }
            Spec::Policy(policy) => {
                let (key, value) = condition_of(policy.target.as_ref(), profile);
                self.0.insert(policies(policy.kind, mesh, &key, &value));
            }
            _ => {}
        }
    }
}

impl Snapshot {
    /// Returns the questions whose answers differ from those of an earlier snapshot of the same context.
    pub fn touched_since(&self, before: &Snapshot) -> Touched {
        let mut touched = Touched::default();
        let mut services = BTreeSet::new();
        let (mut old, mut new) = (before.resources().iter().peekable(), self.resources().iter().peekable());
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => break,
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some(old), Some(new)) => place(old).cmp(&place(new)),
            };
            let was = if order.is_le() { old.next() } else { None };
            let is = if order.is_ge() { new.next() } else { None };
            // most resources are the same allocation
            if was.zip(is).is_some_and(|(was, is)| std::sync::Arc::ptr_eq(was, is) || was == is) {
                continue;
            }
            for resource in was.into_iter().chain(is) {
                touched.add(resource, self.profile());
                services
                    .extend(services_of(resource).map(|service| (resource.meta().mesh.as_str(), service)));
            }
        }
        // each once: all instances of a large service may have changed
        let came_or_went = services
            .into_iter()
            .filter(|(mesh, service)| before.is_offered(mesh, service) != self.is_offered(mesh, service));
        touched.0.extend(came_or_went.map(|(mesh, service)| offered(mesh, service)));
        let (was, is) = (before.context(), self.context());
        let address = |hosts: &Hosts, name: &String| hosts.get(name).and_then(ResolvedHost::address);
        let hosts = was.hosts.keys().chain(is.hosts.keys());
        let moved = hosts.filter(|name| address(&was.hosts, name) != address(&is.hosts, name));
        touched.0.extend(moved.map(|name| host(name)));
        if was.tag_addresses != is.tag_addresses {
            let services = was.tag_addresses.keys().chain(is.tag_addresses.keys());
            let given = services.filter(|it| was.tag_addresses.get(it) != is.tag_addresses.get(it));
            touched.0.extend(given.map(|(mesh, _)| tag_addresses(mesh)));
        }
        touched
    }

    /// Returns `true` if an inbound of some Dataplane of a mesh has the tag of a service.
    pub(crate) fn is_offered(&self, mesh: &str, service: &str) -> bool {
        self.dataplanes_with_tags(mesh, &Tags::from_iter([(SERVICE_TAG, service)])).next().is_some()
    }
}

/// Returns the services that the inbounds of a Dataplane offer by tag.
fn services_of(resource: &Resource) -> impl Iterator<Item = &str> {
    let dataplane = match resource.spec() {
        Spec::Dataplane(dataplane) => Some(dataplane),
        _ => None,
    };
    dataplane
        .into_iter()
        .flat_map(|dataplane| &dataplane.inbound)
        .filter_map(|inbound| inbound.tags.service())
}

/// Place of a resource in a snapshot.
fn place(resource: &Resource) -> (Kind, &str, &str) {
    (resource.kind(), resource.meta().mesh.as_str(), resource.meta().name.as_str())
}

/// Question for all resources of a kind, whatever their mesh.
pub(crate) fn everywhere(kind: Kind) -> u64 {
    hash("everywhere", kind, &[])
}

/// Question for all resources of a kind in a mesh; of a kind of global scope the mesh is empty.
pub(crate) fn in_mesh(kind: Kind, mesh: &str) -> u64 {
    hash("in mesh", kind, &[mesh])
}

/// Question for the resource with this stored name.
pub(crate) fn named(kind: Kind, mesh: &str, name: &str) -> u64 {
    hash("named", kind, &[mesh, name])
}

/// Question for the resource with this identifier, whatever its section.
pub(crate) fn by_id(ResourceId { kind, mesh, zone, namespace, name, section: _ }: &ResourceId) -> u64 {
    hash("id", *kind, &[mesh, zone, namespace, name])
}

/// Question for the Dataplanes of a mesh with an inbound that has all these tags: one tag is enough to find it by.
pub(crate) fn with_tags(mesh: &str, tags: &Tags) -> u64 {
    let exact = tags.iter().find(|(_, value)| *value != "*");
    exact.map_or_else(|| in_mesh(Kind::Dataplane, mesh), |pair| with_tag(mesh, pair))
}

/// Question for the presence of a Dataplane of a mesh that offers a service by tag: one instance more or
/// less of many leaves the answer as it was.
pub(crate) fn offered(mesh: &str, service: &str) -> u64 {
    hash("offered", Kind::Dataplane, &[mesh, service])
}

/// Question for the resources of a kind in a mesh with all these labels.
pub(crate) fn with_labels(kind: Kind, mesh: &str, labels: &Labels) -> u64 {
    labels.iter().next().map_or_else(|| in_mesh(kind, mesh), |pair| with_label(kind, mesh, pair))
}

/// Question for the policies of a kind in a mesh that may select proxies which fulfil a condition.
pub(crate) fn policies(kind: Kind, mesh: &str, key: &str, value: &str) -> u64 {
    hash("policies", kind, &[mesh, key, value])
}

/// Question for the zone proxies that are listeners of Dataplanes of a mesh.
pub(crate) fn zone_proxies(mesh: &str) -> u64 {
    hash("zone proxies", Kind::Dataplane, &[mesh])
}

/// Question for the virtual IPs of the tag-based services of a mesh.
pub(crate) fn tag_addresses(mesh: &str) -> u64 {
    hash("tag addresses", Kind::Dataplane, &[mesh])
}

/// Question for the address that a host name resolves to.
pub(crate) fn host(name: &str) -> u64 {
    hash("host", Kind::Dataplane, &[name])
}

fn with_tag(mesh: &str, (key, value): (&str, &str)) -> u64 {
    hash("tag", Kind::Dataplane, &[mesh, key, value])
}

fn with_label(kind: Kind, mesh: &str, (key, value): (&str, &str)) -> u64 {
    hash("label", kind, &[mesh, key, value])
}

fn hash(question: &str, kind: Kind, words: &[&str]) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(question.as_bytes());
    hash.update(&[0, kind as u8]);
    for word in words {
        hash.update(word.as_bytes());
        hash.update(&[0]);
    }
    hash.digest()
}
