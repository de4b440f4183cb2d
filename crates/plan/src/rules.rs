//! Rules: the merged confs of the policies of one kind about the destinations of one proxy, with origins, and their
//! lookup.

use std::collections::BTreeMap;

use model::policy::{Conf, PolicyConf};
use model::profile::BackendRefOrigin;
use model::{Kind, Profile, ResourceId, Tags};

use crate::plan::PolicyOrigin;

/// Merged rules of the policies of one kind about one proxy.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Kind of policy.
    pub kind: Kind,
    /// Profile whose rules apply to lookups.
    pub profile: Profile,
    /// Mesh of the proxy.
    pub mesh: String,
    /// Rules about destinations by tag; the first that fits wins (spec 03 §4). Empty in profile 3.
    pub tag: Vec<TagRule>,
    /// Rules about real destinations (spec 03 §5). Empty before 2.9.
    pub resources: BTreeMap<ResourceId, ResourceRule>,
    /// Rules by tag for each listener of a builtin gateway that some policy selects (spec 03 §7).
    pub listeners: BTreeMap<ListenerKey, Vec<TagRule>>,
    /// Policies that select the proxy, least important first.
    pub matched: Vec<ResourceId>,
    /// Errors of selecting and merging, in words (spec 03 §2.1, §2.5).
    pub warnings: Vec<String>,
}

/// Key of one listener of a builtin gateway. Ordered by address, port and hostname.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerKey {
    /// Address of the proxy.
    pub address: String,
    /// Port of the listener.
    pub port: u16,
    /// Hostname of the listener; `*`: all hostnames.
    pub hostname: String,
}

impl ListenerKey {
    /// Address and port, without the hostname.
    pub fn inbound(&self) -> InboundKey {
        InboundKey { address: self.address.clone(), port: self.port }
    }
}

/// Key of one inbound of a proxy. Ordered by address and port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InboundKey {
    /// Address that it listens on.
    pub address: String,
    /// Port that it listens on.
    pub port: u16,
}

/// Rule about destinations by tag.
#[derive(Clone, Debug, PartialEq)]
pub struct TagRule {
    /// Destinations that it is about.
    pub subset: Subset,
    /// Merged confs of the rule.
    pub merged: Merged,
}

/// Rule about one real destination, or one port of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceRule {
    /// Destination; its section is a port.
    pub id: ResourceId,
    /// Merged confs of the rule.
    pub merged: Merged,
}

/// Merged confs, and where they come from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Merged {
    /// Confs. One, except for MeshHTTPRoute, which has one for each list of hostnames.
    pub confs: Vec<Conf>,
    /// Policies that were merged, least important first, each once.
    pub origins: Vec<PolicyOrigin>,
    /// Policy that contributed the backendRefs, by the hash of an HTTP rule's matches or by `""` for TCP; for
    /// profiles and kinds that record it (spec 03 §4.5).
    pub backend_ref_origins: BTreeMap<String, PolicyOrigin>,
}

impl Merged {
    /// First conf, as written; `None`: there is none.
    pub fn conf(&self) -> Option<&Conf> {
        self.confs.first()
    }

    /// Values of the first conf; `None`: there is none, or it is of another kind of policy.
    pub fn said<C: PolicyConf>(&self) -> Option<&C> {
        self.conf().and_then(C::of)
    }

    /// Most important of the policies that were merged.
    pub fn last_origin(&self) -> Option<&PolicyOrigin> {
        self.origins.last()
    }
}

/// Destinations by tag: those that have every tag, or lack it where `not` is set. Without any tags: all
/// destinations.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subset(pub Vec<SubsetTag>);

/// One condition of a [`Subset`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubsetTag {
    /// Key of the tag.
    pub key: String,
    /// Value of the tag.
    pub value: String,
    /// `true`: the destination must not have that value.
    pub not: bool,
}

impl Subset {
    /// The destinations with all these tags.
    pub fn of(tags: &Tags) -> Self {
        let tag = |(key, value): (&str, &str)| SubsetTag { key: key.into(), value: value.into(), not: false };
        Self(tags.iter().map(tag).collect())
    }

    /// Returns `true` if a destination with these known tags belongs to the subset: an unknown tag never fits a
    /// condition on its value, and always fits the opposite.
    pub fn contains(&self, tags: &Tags) -> bool {
        self.0.iter().all(|tag| (tags.get(&tag.key) == Some(tag.value.as_str())) != tag.not)
    }

    /// Returns `true` if it contains every destination.
    pub fn is_everything(&self) -> bool {
        self.0.is_empty()
    }
}

impl Rules {
    /// Returns `true` if no policy applies to any destination.
    pub fn is_empty(&self) -> bool {
        self.tag.is_empty() && self.resources.is_empty() && self.listeners.values().all(Vec::is_empty)
    }

    /// Returns the rule about the service with this value of `kuma.io/service` (spec 03 §4.4).
    pub fn for_service(&self, service: &str) -> Option<&Merged> {
        let tags = Tags::from_iter([(model::reference::SERVICE_TAG, service)]);
        self.tag.iter().find(|rule| rule.subset.contains(&tags)).map(|rule| &rule.merged)
    }

    /// Returns the rule about a real destination, by rules about resources only; the section is a port (spec 03
    /// §5.4).
    pub fn for_resource(&self, id: &ResourceId) -> Option<&Merged> {
        let rule = |id: &ResourceId| self.resources.get(id).map(|rule| &rule.merged);
        let falls_back_to_whole = match id.kind {
            Kind::MeshService | Kind::MeshMultiZoneService => true,
            Kind::MeshExternalService => self.profile.external_service_has_section(),
            _ => false,
        };
        let is_service =
            matches!(id.kind, Kind::MeshService | Kind::MeshMultiZoneService | Kind::MeshExternalService);
        rule(id)
            .or_else(|| {
                (falls_back_to_whole && !id.section.is_empty()).then(|| rule(&id.with_section("")))?
            })
            .or_else(|| is_service.then(|| rule(&mesh_id(&id.mesh)))?)
    }

    /// Returns the rule about the outbound of a real destination: by its identifier, or else by its destination
    /// name as if it were a tag (spec 03 §5.5).
    pub fn for_destination(&self, id: &ResourceId, destination_name: &str) -> Option<&Merged> {
        self.for_resource(id).or_else(|| self.for_service(destination_name))
    }

    /// Returns the policy relative to which the backendRefs of a rule are resolved (spec 03 §4.5). `matches_hash`
    /// is `""` for TCP. `None`: the references cannot be resolved, and are dropped.
    pub fn backend_ref_origin<'a>(&self, merged: &'a Merged, matches_hash: &str) -> Option<&'a PolicyOrigin> {
        let recorded = merged.backend_ref_origins.get(matches_hash);
        match self.profile.backend_ref_origin() {
            BackendRefOrigin::LastWithRefs => recorded,
            BackendRefOrigin::Last | BackendRefOrigin::NotNeeded => recorded.or(merged.last_origin()),
        }
    }
}

/// Returns the identifier of a mesh.
pub fn mesh_id(mesh: &str) -> ResourceId {
    ResourceId {
        kind: Kind::Mesh,
        mesh: String::new(),
        zone: String::new(),
        namespace: String::new(),
        name: mesh.to_owned(),
        section: String::new(),
    }
}
