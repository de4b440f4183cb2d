//! Child process for a part of a test: one of the ignored tests of the same program.

use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

const ADDRESSES: &str = "MESHTCP_TEST_CHILD_ADDRESSES";
const FOLDER: &str = "MESHTCP_TEST_CHILD_FOLDER";

/// Running child. It is told to end when this is dropped.
pub struct Child(std::process::Child);

impl Child {
    pub fn start(test: &str, addresses: &[SocketAddr]) -> Self {
        Self::run(Command::new(std::env::current_exe().unwrap()), test, addresses, None)
    }

    /// Starts a child with a folder that both know.
    pub fn in_folder(test: &str, addresses: &[SocketAddr], folder: &Path) -> Self {
        Self::run(Command::new(std::env::current_exe().unwrap()), test, addresses, Some(folder))
    }

    /// Starts a child with a network of its own, in which `prepare` is run by a shell first.
    pub fn in_network(test: &str, prepare: &str, folder: &Path) -> Self {
        let mut command = Command::new("unshare");
        let shell = format!("{prepare} && exec \"$0\" \"$@\"");
        command.args(["--map-root-user", "--net", "--", "sh", "-c", &shell]);
        command.arg(std::env::current_exe().unwrap());
        Self::run(command, test, &[], Some(folder))
    }

    fn run(mut command: Command, test: &str, addresses: &[SocketAddr], folder: Option<&Path>) -> Self {
        let addresses: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
        command.args(["--exact", test, "--ignored", "--nocapture"]).env(ADDRESSES, addresses.join(","));
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        if let Some(folder) = folder {
            command.env(FOLDER, folder);
        }
        Self(command.spawn().unwrap())
    }

    /// Waits for its end, and returns `true` if it succeeded.
    pub fn succeeds(mut self) -> bool {
        self.0.wait().unwrap().success()
    }

    /// In the child: waits until the parent has finished.
    pub fn wait_for_parent() {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// In the child: the addresses from the parent; none if there is no parent, when ignored tests are run by hand.
pub fn addresses_from_parent() -> Vec<SocketAddr> {
    let addresses = std::env::var(ADDRESSES).unwrap_or_default();
    addresses.split(',').filter(|text| !text.is_empty()).map(|address| address.parse().unwrap()).collect()
}

/// In the child: the folder, if there is a parent that gave one.
pub fn folder_from_parent() -> Option<std::path::PathBuf> {
    std::env::var_os(FOLDER).map(Into::into)
}
