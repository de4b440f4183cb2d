//! Last addresses of host names, on disk.
//!
//! Without them a control plane that starts while no resolver is reachable would take away what proxies dial by those
//! names.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use plan::{Hosts, ResolvedHost};

use crate::{plain_file, whole};

/// Addresses by name.
pub(super) type Addresses = BTreeMap<String, IpAddr>;

/// Addresses of host names when the process began, and the file for them.
#[derive(Debug, Default)]
pub(super) struct Last {
    /// File for the addresses; `None`: they are not kept.
    path: Option<PathBuf>,
    addresses: Addresses,
}

impl Last {
    /// Reads a file: JSON, addresses by name. If it cannot be read, that is logged, and there are no addresses.
    pub(super) fn at(path: Option<PathBuf>) -> Self {
        let read = |path: &PathBuf| match plain_file::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Addresses::new()),
            Err(error) => Err(error),
        };
        let addresses = path.as_ref().map(read).transpose().unwrap_or_else(|error| {
            let file = path.as_deref().map(|path| path.display().to_string()).unwrap_or_default();
            tracing::warn!(file, %error, "what host names stood for last cannot be read: they are asked for anew");
            None
        });
        Self { path, addresses: addresses.unwrap_or_default() }
    }

    /// Returns the addresses of all names when the process began.
    pub(super) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Writes the current addresses; without a file it does nothing. An error is logged.
    pub(super) fn keep(&self, now: &Addresses) {
        let Some(path) = &self.path else { return };
        let written = serde_json::to_vec_pretty(now).map_err(io::Error::from);
        if let Err(error) = written.and_then(|bytes| whole::replace(path, &bytes)) {
            let file = path.display().to_string();
            tracing::warn!(file, %error, "what host names stand for is not kept for the next start");
        }
    }
}

/// Returns the names that have an address.
pub(super) fn addresses(hosts: &Hosts) -> Addresses {
    hosts.iter().filter_map(|(name, host)| Some((name.clone(), ResolvedHost::address(host)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_known_to_the_next_one_and_what_is_damaged_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("host-addresses");
        let last = Last::at(Some(path.clone()));
        assert!(last.addresses().is_empty());
        let now = Addresses::from([("gate".to_owned(), "10.0.0.1".parse().unwrap())]);
        last.keep(&now);
        assert_eq!(Last::at(Some(path.clone())).addresses(), &now);
        std::fs::write(&path, "{ \"gate\": \"nowh").unwrap();
        assert!(Last::at(Some(path)).addresses().is_empty());
    }
}
