//! Set of named, content-versioned resources by type: the configuration of one proxy.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{Interner, TypeUrl, Version};

/// Bytes of one resource, and their version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    /// Content hash of `body`.
    pub version: Version,
    /// Encoded protobuf message, without its `Any` envelope.
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

    /// Encodes and adds one of our own messages, under its own type.
    pub fn insert_message<M: prost::Name>(&mut self, name: impl Into<Arc<str>>, message: &M) {
        self.insert(TypeUrl::of::<M>(), name, message.encode_to_vec());
    }

    /// Resources of one type, by name; empty for a type that is not in the set.
    pub fn of_type(&self, type_url: &TypeUrl) -> impl Iterator<Item = (&str, &Versioned)> {
        self.types.get(type_url).into_iter().flatten().map(|(name, resource)| (&**name, resource))
    }

    /// Resource of a type and name; `None`: not in the set.
    pub fn get(&self, type_url: &TypeUrl, name: &str) -> Option<&Versioned> {
        self.types.get(type_url)?.get(name)
    }

    /// Names of all resources, of one type after the other.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.all().map(|(_, name, _)| name)
    }

    /// Types with at least one resource, sorted.
    pub fn type_urls(&self) -> impl Iterator<Item = &TypeUrl> {
        self.types.keys()
    }

    /// Version of all resources of one type: a hash over names and versions. Also defined for an empty type.
    pub fn type_version(&self, type_url: &TypeUrl) -> Version {
        Version::of_all(self.of_type(type_url).map(|(name, resource)| (name, resource.version)))
    }

    /// Version of the whole set.
    pub fn version(&self) -> Version {
        Version::of_all(self.types.keys().map(|type_url| (type_url.as_str(), self.type_version(type_url))))
    }

    /// Resources added, changed or removed since `before`, by type and name.
    pub fn differing<'a>(&'a self, before: &'a ResourceSet) -> impl Iterator<Item = (&'a TypeUrl, &'a str)> {
        let gone = before.all().filter(|(type_url, name, _)| self.get(type_url, name).is_none());
        let new = self.all().filter(|(type_url, name, resource)| {
            before.get(type_url, name).is_none_or(|old| old.version != resource.version)
        });
        new.chain(gone).map(|(type_url, name, _)| (type_url, name))
    }

    fn all(&self) -> impl Iterator<Item = (&TypeUrl, &str, &Versioned)> {
        let of_type = |(type_url, resources)| {
            let resources: &BTreeMap<Arc<str>, Versioned> = resources;
            resources.iter().map(move |(name, resource)| (type_url, &**name, resource))
        };
        self.types.iter().flat_map(of_type)
    }

    /// Returns the set with the resources of `other` added.
    #[must_use]
    pub fn beside(&self, other: &ResourceSet) -> Self {
        let mut both = self.clone();
        for (type_url, resources) in &other.types {
            let of_type = both.types.entry(type_url.clone()).or_default();
            of_type.extend(resources.iter().map(|(name, resource)| (Arc::clone(name), resource.clone())));
        }
        both
    }

    /// Returns the set with content shared by other sets held once for all of them.
    pub fn in_common(self, interner: &Interner) -> Self {
        let types = self.types.into_iter().map(|(type_url, resources)| {
            let mut resources: Vec<(Arc<str>, Versioned)> = resources.into_iter().collect();
            let parts =
                resources.iter_mut().map(|(name, Versioned { version, body })| (name, *version, body));
            interner.share(parts);
            (interner.type_url(type_url), resources.into_iter().collect())
        });
        Self { types: types.collect() }
    }

    /// Returns `true` if the set has no resources.
    pub fn is_empty(&self) -> bool {
        self.types.values().all(BTreeMap::is_empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sets_have_in_common_is_held_once() {
        let (url, interner) = (TypeUrl::new("type.googleapis.com/x.Y"), Interner::default());
        let set = |own: &str| {
            let mut set = ResourceSet::default();
            set.insert(url.clone(), "shared", *b"the same");
            set.insert(url.clone(), "own", own.as_bytes());
            (set.clone(), set.in_common(&interner))
        };
        let ((one, one_shared), (_, other)) = (set("1"), set("2"));
        assert_eq!(one, one_shared);
        let body = |set: &ResourceSet, name| Arc::clone(&set.get(&url, name).unwrap().body);
        assert!(Arc::ptr_eq(&body(&one_shared, "shared"), &body(&other, "shared")));
        assert_ne!(body(&one_shared, "own"), body(&other, "own"));
        drop((one, one_shared, other));
        interner.tidy();
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
