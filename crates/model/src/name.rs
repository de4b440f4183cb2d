//! Typed names. The character rules differ by kind and profile, so `draft` checks them; here a name is only kept
//! apart from other text.

pub mod given;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Wraps text as such a name, unchecked.
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// Name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.as_str() == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.as_str() == *other
            }
        }
    };
}

name! {
    /// Name of a mesh; empty for resources that belong to none (zones, the mesh itself).
    MeshName
}
name! {
    /// Stored name of a resource: on Kubernetes `<name>.<namespace>`, otherwise as the operator wrote it.
    ResourceName
}

/// Key of a proxy: its mesh and the name of its Dataplane.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ProxyKey {
    /// Mesh of the Dataplane.
    pub mesh: MeshName,
    /// Name of the Dataplane.
    pub name: ResourceName,
}

impl ProxyKey {
    /// Returns the key of a mesh and a name.
    pub fn new(mesh: impl Into<MeshName>, name: impl Into<ResourceName>) -> Self {
        Self { mesh: mesh.into(), name: name.into() }
    }

    /// Parses an xDS node id, `<mesh>.<name>`, split at the first dot (the name may contain more).
    pub fn from_node_id(id: &str) -> Option<Self> {
        let (mesh, name) = id.split_once('.')?;
        (!name.is_empty()).then(|| Self::new(mesh, name))
    }

    /// xDS node id, `<mesh>.<name>`.
    pub fn node_id(&self) -> String {
        format!("{}.{}", self.mesh, self.name)
    }
}

impl fmt::Display for ProxyKey {
    /// Writes `<mesh>/<name>`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.mesh, self.name)
    }
}

/// Serializes as `mesh/name`.
impl serde::Serialize for ProxyKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for ProxyKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Reason why text is not a proxy key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidProxyKey {
    /// It is not one name, or not of that shape.
    #[error("`{0}` names no proxy: write NAME or MESH/NAME")]
    Shape(String),
    /// A name in it is not valid.
    #[error(transparent)]
    Name(#[from] given::InvalidName),
}

impl FromStr for ProxyKey {
    type Err = InvalidProxyKey;

    /// Parses `MESH/NAME`, or `NAME` in the mesh `default`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (mesh, name) = text.split_once('/').unwrap_or(("default", text));
        if mesh.is_empty() || name.is_empty() || name.contains('/') {
            return Err(InvalidProxyKey::Shape(text.escape_debug().to_string()));
        }
        Ok(Self::new(given::mesh(mesh)?, given::resource(name)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_key_is_read_as_people_and_as_envoy_write_it() {
        assert_eq!("web-1".parse(), Ok(ProxyKey::new("default", "web-1")));
        assert_eq!("shop/web-1".parse(), Ok(ProxyKey::new("shop", "web-1")));
        for wrong in ["shop/", "a/b/c", "", "My Mesh/web-1", "web 1"] {
            assert!(wrong.parse::<ProxyKey>().is_err(), "{wrong}");
        }
        assert_eq!(ProxyKey::from_node_id("shop.web-1.ns"), Some(ProxyKey::new("shop", "web-1.ns")));
        assert_eq!(ProxyKey::from_node_id("shop"), None);
    }
}
