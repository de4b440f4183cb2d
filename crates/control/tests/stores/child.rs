//! Child processes for parts of a test, which can be killed, or given a small disk: this test program again, instructed
//! by its environment.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use super::history::{Event, Tell};

/// Environment variable with the path of the child's store.
const PLACE: &str = "MESHTCP_TEST_STORE";

/// Creates the command that runs one of this program's tests as a child.
fn child(test: &str, place: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--ignored", "--nocapture"]).env(PLACE, place);
    command
}

/// Returns the path of the store, in the child.
pub(crate) fn place() -> PathBuf {
    std::env::var_os(PLACE).expect("only run as a child of another test").into()
}

/// Runs a child until it has sent the given number of events, then sends it SIGKILL, in the middle of whatever it does.
pub(crate) fn killed_after(events: usize, test: &str, place: &Path) -> Vec<Event> {
    let mut process = child(test, place).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut told = Vec::new();
    for line in lines {
        // a last line that was cut off by the kill is ignored
        let Some(event) = parse(&line.unwrap()) else { continue };
        told.push(event);
        if told.len() == events {
            process.kill().unwrap();
        }
    }
    assert!(!process.wait().unwrap().success(), "it was to be killed");
    told
}

/// Runs a child with a disk of so many MiB at its path, in a mount namespace of its own, so that the disk is gone with
/// the process.
pub(crate) fn succeeds_on_a_disk_of(mebibytes: u32, test: &str) {
    let folder = tempfile::tempdir().unwrap();
    let child = child(test, folder.path());
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    let script = format!("mount -t tmpfs -o size={mebibytes}m small \"${PLACE}\" && exec \"$@\"");
    command.args(["--mount", "sh", "-c", &script, "sh"]);
    command.arg(child.get_program()).args(child.get_args()).env(PLACE, folder.path());
    let ended = command.output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout) + String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}

/// Returns the sender of events to the test, in the child.
pub(crate) fn tell() -> Tell {
    Arc::new(|event| {
        // one write per line: a line is complete or missing
        let line = format!("{}\n", print(&event));
        std::io::stdout().write_all(line.as_bytes()).unwrap();
    })
}

fn print(event: &Event) -> String {
    match event {
        Event::Accepted { revision, name, value } => format!("accepted {revision} {name} {value} ."),
        Event::Listed { watcher, revision } => format!("listed {watcher} {revision} ."),
        Event::Saw { watcher, revision, name, value } => format!("saw {watcher} {revision} {name} {value} ."),
    }
}

fn parse(line: &str) -> Option<Event> {
    let words: Vec<&str> = line.split(' ').collect();
    let number = |text: &str| text.parse::<u64>().unwrap();
    Some(match words.as_slice() {
        ["accepted", revision, name, value, "."] => {
            Event::Accepted { revision: number(revision), name: (*name).into(), value: number(value) }
        }
        ["listed", watcher, revision, "."] => {
            Event::Listed { watcher: number(watcher) as usize, revision: number(revision) }
        }
        ["saw", watcher, revision, name, value, "."] => Event::Saw {
            watcher: number(watcher) as usize,
            revision: number(revision),
            name: (*name).into(),
            value: number(value),
        },
        _ => return None,
    })
}
