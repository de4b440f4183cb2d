//! Last good set of resources, on disk.
//!
//! The file is one delta response as it is sent: the version of the set, and every resource with its name and its
//! version. All versions are hashes of the content, so that a damaged file is detected, and one that was truncated or
//! emptied.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use control::{plain_file, whole};
use prost::Message as _;
use xds::proto::discovery::{Any, DeltaDiscoveryResponse, Resource};
use xds::{ResourceSet, TypeUrl, Version};

/// Longest wait for the set that a proxy starts from.
const LOADING: Duration = Duration::from_secs(5);
/// Longest wait of the next configuration until this one is on the disk.
const SAVING: Duration = Duration::from_secs(1);

/// Limit on the size of the file, in bytes.
const LARGEST: u64 = 1 << 30;

/// A file that holds the last good set. A thread of its own reads and writes it: a disk that does not answer holds up neither
/// the next configuration nor the end of the process.
#[derive(Debug)]
pub(super) struct State {
    path: PathBuf,
    newest: Arc<Newest>,
    written: Receiver<Result<(), String>>,
    /// Set while the disk has not answered in time.
    is_stuck: bool,
}

/// The newest set that is to be written; those before it need not be any more.
#[derive(Debug, Default)]
struct Newest {
    set: Mutex<Option<Arc<ResourceSet>>>,
    there_is_one: Condvar,
}

impl State {
    /// # Errors
    /// In words: there is no thread for it.
    pub(super) fn at(path: PathBuf) -> Result<Self, String> {
        let newest = Arc::<Newest>::default();
        let (told, written) = mpsc::channel();
        let (sets, file) = (Arc::clone(&newest), path.clone());
        in_a_thread(move || write(&file, &sets, &told))?;
        Ok(Self { path, newest, written, is_stuck: false })
    }

    /// Set in the file; `None`: there is no file.
    ///
    /// # Errors
    /// In words: it cannot be read, not in time, or is damaged.
    pub(super) fn load(&self) -> Result<Option<ResourceSet>, String> {
        let (told, read) = mpsc::channel();
        let file = self.path.clone();
        in_a_thread(move || {
            // nobody waits any more if it has taken too long
            let _ = told.send(plain_file::read_up_to(&file, LARGEST));
        })?;
        let bytes = match read.recv_timeout(LOADING) {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Ok(Err(error)) => return Err(format!("{self} cannot be read: {error}")),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                return Err(format!("the disk of {self} does not answer"));
            }
        };
        parse(&bytes).map(Some).ok_or_else(|| format!("{self} is damaged, or no state of a proxy"))
    }

    /// Replaces what the file holds, all at once. Where the disk does not answer it is done when it does, with what is the
    /// newest by then.
    ///
    /// # Errors
    /// In words: it cannot be written, or has not been yet. It is told once that the disk does not answer.
    pub(super) fn save(&mut self, set: &Arc<ResourceSet>) -> Result<(), String> {
        self.is_stuck &= self.written.try_iter().last().is_none();
        *self.newest.set.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(set));
        self.newest.there_is_one.notify_one();
        if self.is_stuck {
            return Ok(());
        }
        match self.written.recv_timeout(SAVING) {
            Ok(written) => written,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                self.is_stuck = true;
                Err(format!("the disk of {self} does not answer: it is written when it does"))
            }
        }
    }
}

fn in_a_thread(act: impl FnOnce() + Send + 'static) -> Result<(), String> {
    let thread = std::thread::Builder::new().name("proxy-state".into()).spawn(act);
    thread.map(drop).map_err(|error| format!("no thread for the state of the proxy: {error}"))
}

/// Writes the newest set whenever there is one, until nobody wants to hear of it any more.
fn write(file: &Path, newest: &Newest, told: &Sender<Result<(), String>>) {
    loop {
        let set = newest.set.lock().unwrap_or_else(PoisonError::into_inner);
        let found = newest.there_is_one.wait_while(set, |set| set.is_none());
        let Some(set) = found.unwrap_or_else(PoisonError::into_inner).take() else { continue };
        let written = whole::replace(file, &bytes(&set));
        let written = written.map_err(|error| format!("{} cannot be written: {error}", file.display()));
        if told.send(written).is_err() {
            return;
        }
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
        let mut state = State::at(folder.path().join("state")).unwrap();
        assert_eq!(state.load(), Ok(None));
        let mut set = ResourceSet::default();
        set.insert(TypeUrl::new("type.googleapis.com/x.Y"), "one", *b"first");
        set.insert(TypeUrl::new("type.googleapis.com/x.Z"), "two", *b"");
        state.save(&Arc::new(set.clone())).unwrap();
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
        let mut state = State::at(folder.path().join("state")).unwrap();
        let mut set = ResourceSet::default();
        for name in ["one", "two", "three"] {
            set.insert(TypeUrl::new("type.googleapis.com/x.Y"), name, name.as_bytes());
        }
        state.save(&Arc::new(set.clone())).unwrap();
        let bytes = std::fs::read(&state.path).unwrap();
        for end in 0..bytes.len() {
            std::fs::write(&state.path, &bytes[..end]).unwrap();
            assert!(state.load().unwrap_err().contains("damaged"), "{end} of {} bytes", bytes.len());
        }
        state.save(&Arc::default()).unwrap();
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
