//! References and identifiers: targets of policies, backends, and the names of resources.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::kind::Kind;

/// Tag that names a service in the tag-based model.
pub const SERVICE_TAG: &str = "kuma.io/service";
/// Tag with the protocol of an inbound.
pub const PROTOCOL_TAG: &str = "kuma.io/protocol";
/// Tag, and label, that names a zone.
pub const ZONE_TAG: &str = "kuma.io/zone";
/// Tag, and label, that names a mesh.
pub const MESH_TAG: &str = "kuma.io/mesh";

macro_rules! text_map {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(BTreeMap<String, String>);

        impl $name {
            /// Returns the value of a key.
            pub fn get(&self, key: &str) -> Option<&str> {
                self.0.get(key).map(String::as_str)
            }

            /// Adds or replaces a pair.
            pub fn insert(&mut self, key: impl Into<String>, value: impl Into<String>) {
                self.0.insert(key.into(), value.into());
            }

            /// Removes a pair.
            pub fn remove(&mut self, key: &str) -> Option<String> {
                self.0.remove(key)
            }

            /// Pairs, sorted by key.
            pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
                self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
            }

            /// Number of pairs.
            pub fn len(&self) -> usize {
                self.0.len()
            }

            /// Returns `true` if there are no pairs.
            pub fn is_empty(&self) -> bool {
                self.0.is_empty()
            }
        }

        impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for $name {
            fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
                Self(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
            }
        }

        impl fmt::Display for $name {
            /// Writes `key=value,key=value`, sorted by key.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                for (at, (key, value)) in self.0.iter().enumerate() {
                    write!(f, "{}{key}={value}", if at == 0 { "" } else { "," })?;
                }
                Ok(())
            }
        }
    };
}

text_map! {
    /// Tags of an inbound, an outbound, a gateway or a subset.
    Tags
}
text_map! {
    /// Labels of a resource, or a selector over them.
    Labels
}

impl Tags {
    /// Value of `kuma.io/service`.
    pub fn service(&self) -> Option<&str> {
        self.get(SERVICE_TAG)
    }

    /// Returns `true` if this, as a selector, matches `tags`: each key is present with that value, or with any
    /// value for `*` (spec 03 §1). The empty selector matches everything.
    pub fn matches(&self, tags: &Tags) -> bool {
        self.iter().all(|(key, want)| tags.get(key).is_some_and(|have| want == "*" || want == have))
    }

    /// Returns these tags merged with those of `over`, which wins if both have a key.
    pub fn merged(&self, over: &Tags) -> Tags {
        let mut merged = self.clone();
        merged.0.extend(over.0.clone());
        merged
    }
}

impl Labels {
    /// Returns `true` if this, as a selector, matches `labels`: each key is present with exactly that value (spec
    /// 03 §1).
    pub fn matches(&self, labels: &Labels) -> bool {
        self.iter().all(|(key, want)| labels.get(key) == Some(want))
    }
}

/// Kind that a reference may name (spec 01 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[allow(missing_docs)] // the names are the field's own
pub enum RefKind {
    Mesh,
    Dataplane,
    MeshSubset,
    MeshGateway,
    MeshService,
    MeshExternalService,
    MeshMultiZoneService,
    MeshServiceSubset,
    MeshHTTPRoute,
}

crate::words! {
    /// Name of the kind.
    RefKind {
        Mesh: "Mesh",
        Dataplane: "Dataplane",
        MeshSubset: "MeshSubset",
        MeshGateway: "MeshGateway",
        MeshService: "MeshService",
        MeshExternalService: "MeshExternalService",
        MeshMultiZoneService: "MeshMultiZoneService",
        MeshServiceSubset: "MeshServiceSubset",
        MeshHTTPRoute: "MeshHTTPRoute",
    }
}

impl RefKind {
    /// Parses a kind; case-sensitive.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Kind of resource that a reference of this kind names; absent: none.
    pub const fn resource_kind(self) -> Option<Kind> {
        match self {
            RefKind::Mesh => Some(Kind::Mesh),
            RefKind::Dataplane => Some(Kind::Dataplane),
            RefKind::MeshGateway => Some(Kind::MeshGateway),
            RefKind::MeshService => Some(Kind::MeshService),
            RefKind::MeshExternalService => Some(Kind::MeshExternalService),
            RefKind::MeshMultiZoneService => Some(Kind::MeshMultiZoneService),
            RefKind::MeshHTTPRoute => Some(Kind::MeshHTTPRoute),
            RefKind::MeshSubset | RefKind::MeshServiceSubset => None,
        }
    }
}

impl fmt::Display for RefKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Sort of proxy that a `proxyTypes` entry selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum ProxyType {
    /// Proxy next to an application.
    Sidecar,
    /// Proxy with `networking.gateway`: builtin or delegated.
    Gateway,
}

/// Target of a policy: the proxies it is for (`spec.targetRef`), or the destinations it is about
/// (`spec.to[].targetRef`). Spec 01 §2.2.
///
/// The valid combinations of fields are checked by kind and profile in `draft`; empty text is the same as absent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TargetRef {
    /// Kind of the target.
    pub kind: RefKind,
    /// Display name of the target.
    pub name: Option<String>,
    /// Namespace of the target (2.8+).
    pub namespace: Option<String>,
    /// Label selector (2.8+). Present but empty is not the same as absent (spec 01 §2.2).
    pub labels: Option<Labels>,
    /// Tag selector (subset kinds, gateways); empty if absent.
    pub tags: Tags,
    /// Port of the target (2.8+).
    pub section_name: Option<String>,
    /// Sorts of proxies that it is restricted to (2.6+); absent: all.
    pub proxy_types: Option<Vec<ProxyType>>,
}

impl TargetRef {
    /// A reference with nothing but its kind.
    pub fn of_kind(kind: RefKind) -> Self {
        Self {
            kind,
            name: None,
            namespace: None,
            labels: None,
            tags: Tags::default(),
            section_name: None,
            proxy_types: None,
        }
    }

    /// A reference by kind and name.
    pub fn named(kind: RefKind, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..Self::of_kind(kind) }
    }
}

impl fmt::Display for TargetRef {
    /// Writes `MeshService ledger`, `MeshServiceSubset redis version=v2`, `MeshService labels(app=ledger) section
    /// pg`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name, namespace, labels, tags, section_name, proxy_types } = self;
        write!(f, "{kind}")?;
        if let Some(name) = name {
            write!(f, " {name}")?;
        }
        if let Some(namespace) = namespace {
            write!(f, " in {namespace}")?;
        }
        if !tags.is_empty() {
            write!(f, " {tags}")?;
        }
        if let Some(labels) = labels {
            write!(f, " labels({labels})")?;
        }
        if let Some(section) = section_name {
            write!(f, " section {section}")?;
        }
        for proxy_type in proxy_types.iter().flatten() {
            write!(f, " {proxy_type:?}")?;
        }
        Ok(())
    }
}

/// Backend of a route, and its weight. Spec 01 §2.1.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BackendRef {
    /// Destination.
    pub target: TargetRef,
    /// Weight, as written; absent: 1. May exceed 32 bits before profile 3 (spec 04 §7.2).
    pub weight: Option<u64>,
    /// Port of a real service (2.7+); any 32-bit number is accepted.
    pub port: Option<u32>,
}

impl fmt::Display for BackendRef {
    /// Writes the target and its port, without the weight.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.target)?;
        self.port.map_or(Ok(()), |port| write!(f, " port {port}"))
    }
}

/// Identifier of one resource, or of one section (port) of it: the KRI tuple (spec 01 §1.4).
///
/// Any part may be empty. The mesh itself has kind `Mesh`, its name in `name` and an empty `mesh`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId {
    /// Kind of the resource.
    pub kind: Kind,
    /// Mesh of the resource.
    pub mesh: String,
    /// Zone that owns it (label `kuma.io/zone`).
    pub zone: String,
    /// Namespace (label `k8s.kuma.io/namespace`).
    pub namespace: String,
    /// Display name.
    pub name: String,
    /// Section: a port's name or number, or a part of a policy.
    pub section: String,
}

impl ResourceId {
    /// Returns the identifier with another section; `""` for the whole resource.
    pub fn with_section(&self, section: impl Into<String>) -> Self {
        Self { section: section.into(), ..self.clone() }
    }

    /// Returns `true` if both are of the same resource, whatever the section.
    pub fn same_resource(&self, other: &Self) -> bool {
        (self.kind, &self.mesh, &self.zone, &self.namespace, &self.name)
            == (other.kind, &other.mesh, &other.zone, &other.namespace, &other.name)
    }

    /// Parses the text form; `None`: it does not have 7 parts, or has an unknown short name.
    pub fn from_kri(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('_').collect();
        let ["kri", short, mesh, zone, namespace, name, section] = parts[..] else { return None };
        let kind = Kind::from_short_name(short)?;
        let own = str::to_owned;
        Some(Self {
            kind,
            mesh: own(mesh),
            zone: own(zone),
            namespace: own(namespace),
            name: own(name),
            section: own(section),
        })
    }
}

impl fmt::Display for ResourceId {
    /// Writes the KRI: `kri_<short>_<mesh>_<zone>_<namespace>_<name>_<section>`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, mesh, zone, namespace, name, section } = self;
        let short = kind.short_name().unwrap_or_else(|| kind.as_str());
        write!(f, "kri_{short}_{mesh}_{zone}_{namespace}_{name}_{section}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_matches_by_value_or_wildcard() {
        let tags: Tags = [("kuma.io/service", "web"), ("version", "v1")].into_iter().collect();
        let selector = |pairs: &[(&str, &str)]| pairs.iter().copied().collect::<Tags>();
        assert!(selector(&[]).matches(&tags));
        assert!(selector(&[("version", "*")]).matches(&tags));
        assert!(!selector(&[("region", "*")]).matches(&tags));
        assert!(!selector(&[("version", "v2")]).matches(&tags));
    }

    #[test]
    fn a_kri_reads_back() {
        let text = "kri_msvc_default_east__ledger_pg";
        assert_eq!(ResourceId::from_kri(text).unwrap().to_string(), text);
        assert_eq!(ResourceId::from_kri("kri_msvc_default_ledger"), None);
    }
}
