//! Last good set of resources, on disk.
//!
//! The file is one delta response as it is sent: the version of the set, and every resource with its name and its
//! version. All versions are hashes of the content, so that a damaged file is detected, and one that was truncated or
//! emptied.

use std::fmt;
use std::path::PathBuf;

use control::whole;
use prost::Message as _;
use xds::proto::discovery::{Any, DeltaDiscoveryResponse, Resource};
use xds::{ResourceSet, TypeUrl, Version};

/// File with the last good set.
#[derive(Debug)]
pub(super) struct State {
    path: PathBuf,
}

impl State {
    pub(super) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Set in the file; `None`: there is no file.
    ///
    /// # Errors
    /// Reason in words: it cannot be read, or is damaged.
    pub(super) fn load(&self) -> Result<Option<ResourceSet>, String> {
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("{self} cannot be read: {error}")),
        };
        parse(&bytes).map(Some).ok_or_else(|| format!("{self} is damaged, or no state of a proxy"))
    }

    /// Replaces the content of the file atomically.
    ///
    /// # Errors
    /// Reason in words: it cannot be written.
    pub(super) fn save(&self, set: &ResourceSet) -> Result<(), String> {
        whole::replace(&self.path, &bytes(set)).map_err(|error| format!("{self} cannot be written: {error}"))
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

fn bytes(set: &ResourceSet) -> Vec<u8> {
    let resources = set.type_urls().flat_map(|type_url| {
        set.of_type(type_url).map(|(name, found)| Resource {
            name: name.to_owned(),
            version: found.version.to_string(),
            resource: Some(Any { type_url: type_url.to_string(), value: found.body.to_vec().into() }),
        })
    });
    DeltaDiscoveryResponse {
        system_version_info: set.version().to_string(),
        resources: resources.collect(),
        ..DeltaDiscoveryResponse::default()
    }
    .encode_to_vec()
}

fn parse(bytes: &[u8]) -> Option<ResourceSet> {
    let mut set = ResourceSet::default();
    let saved = DeltaDiscoveryResponse::decode(bytes).ok()?;
    for resource in saved.resources {
        let body = resource.resource?;
        if Version::parse(&resource.version)? != Version::of(&body.value) {
            return None;
        }
        set.insert(TypeUrl::new(body.type_url), resource.name, body.value.to_vec());
    }
    let whole = match saved.system_version_info.as_str() {
        // earlier releases stored no version of the set: it only must not be empty
        "" => set.type_urls().next().is_some(),
        version => Version::parse(version) == Some(set.version()),
    };
    whole.then_some(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_is_loaded_and_damage_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::at(folder.path().join("state"));
        assert_eq!(state.load(), Ok(None));
        let mut set = ResourceSet::default();
        set.insert(TypeUrl::new("type.googleapis.com/x.Y"), "one", *b"first");
        set.insert(TypeUrl::new("type.googleapis.com/x.Z"), "two", *b"");
        state.save(&set).unwrap();
        assert_eq!(state.load(), Ok(Some(set)));
        let mut bytes = std::fs::read(&state.path).unwrap();
        let at = bytes.windows(5).position(|window| window == b"first").unwrap();
        bytes[at] = b'F';
        std::fs::write(&state.path, bytes).unwrap();
        assert!(state.load().unwrap_err().contains("damaged"));
    }

    #[test]
    fn what_was_cut_or_emptied_is_no_state() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::at(folder.path().join("state"));
        let mut set = ResourceSet::default();
        for name in ["one", "two", "three"] {
            set.insert(TypeUrl::new("type.googleapis.com/x.Y"), name, name.as_bytes());
        }
        state.save(&set).unwrap();
        let bytes = std::fs::read(&state.path).unwrap();
        for end in 0..bytes.len() {
            std::fs::write(&state.path, &bytes[..end]).unwrap();
            assert!(state.load().unwrap_err().contains("damaged"), "{end} of {} bytes", bytes.len());
        }
        state.save(&ResourceSet::default()).unwrap();
        assert_eq!(state.load(), Ok(Some(ResourceSet::default())), "nothing, said on purpose");
    }

    #[test]
    fn what_an_earlier_release_saved_is_loaded() {
        let mut set = ResourceSet::default();
        set.insert(TypeUrl::new("type.googleapis.com/x.Y"), "one", *b"first");
        let mut saved = DeltaDiscoveryResponse::decode(&bytes(&set)[..]).unwrap();
        saved.system_version_info.clear();
        assert_eq!(parse(&saved.encode_to_vec()), Some(set));
    }
}
