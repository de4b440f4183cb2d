//! Named, content-versioned resources, by type: what one proxy should run.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::Commons;

/// The type of a discovery resource, as `type.googleapis.com/…` (the `type_url` of xDS).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeUrl(Arc<str>);

impl TypeUrl {
    /// Takes a full type URL.
    pub fn new(url: impl Into<Arc<str>>) -> Self {
        Self(url.into())
    }

    /// Names the type URL of a protobuf message.
    pub fn of<M: prost::Name>() -> Self {
        Self(M::type_url().into())
    }

    /// The URL as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TypeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The content hash of a resource: the same bytes have the same version on every replica and after every restart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u128);

impl Version {
    /// Hashes the bytes of a resource (XXH3, 128 bits, unseeded).
    pub fn of(body: &[u8]) -> Self {
        Self(xxhash_rust::xxh3::xxh3_128(body))
    }

    /// Reads a version as it is displayed, 32 hexadecimal digits; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 32).then(|| u128::from_str_radix(text, 16).ok()).flatten().map(Self)
    }

    /// The version of named resources together.
    pub fn of_all<'a>(resources: impl IntoIterator<Item = (&'a str, Version)>) -> Self {
        let mut bytes = Vec::new();
        for (name, version) in resources {
            bytes.extend_from_slice(name.as_bytes());
            bytes.push(0);
            bytes.extend_from_slice(&version.0.to_be_bytes());
        }
        Self::of(&bytes)
    }
}

impl serde::Serialize for TypeUrl {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl serde::Serialize for Version {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Version({self})")
    }
}

/// The bytes of one resource and their version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    /// The content hash of `body`.
    pub version: Version,
    /// The encoded protobuf message, without its `Any` envelope.
    pub body: Arc<[u8]>,
}

/// All resources of one proxy: by type, then by name, both sorted. Equal sets have equal bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceSet {
    types: BTreeMap<TypeUrl, BTreeMap<Arc<str>, Versioned>>,
}

impl ResourceSet {
    /// Adds or replaces one resource; its version is the hash of `body`.
    pub fn insert(&mut self, type_url: TypeUrl, name: impl Into<Arc<str>>, body: impl Into<Arc<[u8]>>) {
        let body = body.into();
        let version = Version::of(&body);
        self.types.entry(type_url).or_default().insert(name.into(), Versioned { version, body });
    }

    /// Encodes and adds a message of our own, under its own type.
    pub fn insert_message<M: prost::Name>(&mut self, name: impl Into<Arc<str>>, message: &M) {
        self.insert(TypeUrl::of::<M>(), name, message.encode_to_vec());
    }

    /// The resources of one type, by name; empty for a type that the set does not have.
    pub fn of_type(&self, type_url: &TypeUrl) -> impl Iterator<Item = (&str, &Versioned)> {
        self.types.get(type_url).into_iter().flatten().map(|(name, resource)| (&**name, resource))
    }

    /// One resource.
    pub fn get(&self, type_url: &TypeUrl, name: &str) -> Option<&Versioned> {
        self.types.get(type_url)?.get(name)
    }

    /// The types that have at least one resource, sorted.
    pub fn type_urls(&self) -> impl Iterator<Item = &TypeUrl> {
        self.types.keys()
    }

    /// The version of everything of one type: a hash over names and versions. Also defined for an empty type.
    pub fn type_version(&self, type_url: &TypeUrl) -> Version {
        Version::of_all(self.of_type(type_url).map(|(name, resource)| (name, resource.version)))
    }

    /// The version of the whole set.
    pub fn version(&self) -> Version {
        let mut bytes = Vec::new();
        for type_url in self.types.keys() {
            bytes.extend_from_slice(type_url.as_str().as_bytes());
            bytes.push(0);
            bytes.extend_from_slice(&self.type_version(type_url).0.to_be_bytes());
        }
        Version::of(&bytes)
    }

    /// The same, with what other sets have too held once for all of them.
    pub fn in_common(self, commons: &Commons) -> Self {
        let types = self.types.into_iter().map(|(type_url, resources)| {
            let mut resources: Vec<(Arc<str>, Versioned)> = resources.into_iter().collect();
            let parts =
                resources.iter_mut().map(|(name, Versioned { version, body })| (name, *version, body));
            commons.share(parts);
            (commons.type_url(type_url), resources.into_iter().collect())
        });
        Self { types: types.collect() }
    }

    /// Whether the set has no resource at all.
    pub fn is_empty(&self) -> bool {
        self.types.values().all(BTreeMap::is_empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sets_have_in_common_is_held_once() {
        let (url, commons) = (TypeUrl::new("type.googleapis.com/x.Y"), Commons::default());
        let set = |own: &str| {
            let mut set = ResourceSet::default();
            set.insert(url.clone(), "shared", *b"the same");
            set.insert(url.clone(), "own", own.as_bytes());
            (set.clone(), set.in_common(&commons))
        };
        let ((one, one_shared), (_, other)) = (set("1"), set("2"));
        assert_eq!(one, one_shared);
        let body = |set: &ResourceSet, name| Arc::clone(&set.get(&url, name).unwrap().body);
        assert!(Arc::ptr_eq(&body(&one_shared, "shared"), &body(&other, "shared")));
        assert_ne!(body(&one_shared, "own"), body(&other, "own"));
        drop((one, one_shared, other));
        commons.tidy();
        assert!(set("3").1.get(&url, "own").is_some());
    }

    #[test]
    fn equal_content_has_equal_versions_whatever_the_order() {
        let url = TypeUrl::new("type.googleapis.com/x.Y");
        let (mut a, mut b) = (ResourceSet::default(), ResourceSet::default());
        a.insert(url.clone(), "one", *b"1");
        a.insert(url.clone(), "two", *b"2");
        b.insert(url.clone(), "two", *b"2");
        b.insert(url.clone(), "one", *b"1");
        assert_eq!((a.version(), &a), (b.version(), &b));
        b.insert(url.clone(), "two", *b"3");
        assert_ne!(a.type_version(&url), b.type_version(&url));
    }
}
