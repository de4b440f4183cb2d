//! Watch that wakes when files may have changed: by notifications of the kernel, and by periodic looks where those do
//! not reach. A wake means only "look": changes are found by looking.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};

use super::is_resource_file;
use crate::guard::{again, caught, step};

/// Name in messages about panics.
const PART: &str = "file-watcher";

/// Quiet time after which a burst is over.
const QUIET: Duration = Duration::from_millis(50);
/// Limit on the length of a burst.
const PATIENCE: Duration = Duration::from_millis(150);
/// Interval of looks where notifications reach: they may get lost, and not every file system sends them.
const SELDOM: Duration = Duration::from_secs(1);
/// Interval of looks where they do not reach.
const OFTEN: Duration = Duration::from_millis(200);

/// Watch on files and folders. It ends when this is dropped.
pub struct Watch {
    signals: Sender<Signal>,
    thread: Option<JoinHandle<()>>,
}

enum Signal {
    Touched,
    Stop,
}

impl Watch {
    pub(super) fn start(roots: Vec<PathBuf>, wake: Box<dyn Fn() + Send>) -> Self {
        let (signals, received) = channel();
        let sender = signals.clone();
        let thread = std::thread::Builder::new()
            .name("watch-files".into())
            .spawn(move || again(PART, || run(&roots, &sender, &received, &*wake)))
            .map_err(|error| tracing::error!(%error, "files are not watched: no thread could be started"))
            .ok();
        Self { signals, thread }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // both fail only when the thread has ended already
        let _ = self.signals.send(Signal::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(roots: &[PathBuf], sender: &Sender<Signal>, received: &Receiver<Signal>, wake: &dyn Fn()) {
    let mut notifications = Notifications::new(roots, sender.clone());
    loop {
        let pause = if notifications.reach_everything() { SELDOM } else { OFTEN };
        match received.recv_timeout(pause) {
            Ok(Signal::Touched) => {
                if !outlast_burst(received) {
                    return;
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => return,
        }
        step(PART);
        notifications.renew(roots);
        wake();
    }
}

/// Waits until a burst of changes is over. Returns `false` if the watch is to end.
fn outlast_burst(received: &Receiver<Signal>) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        match received.recv_timeout(QUIET) {
            Ok(Signal::Touched) => {}
            Err(RecvTimeoutError::Timeout) => return true,
            Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
    true
}

/// Kernel notifications for some roots, and which of them they reach.
struct Notifications {
    watcher: Option<RecommendedWatcher>,
    /// Identity of the folder that is watched for each root; `None` while that fails.
    reached: Vec<Option<(u64, u64)>>,
}

impl Notifications {
    fn new(roots: &[PathBuf], sender: Sender<Signal>) -> Self {
        let named = roots.to_vec();
        let handler = move |event: notify::Result<notify::Event>| {
            // an error may mean that notifications were lost: look
            let concerns = |event: notify::Result<_>| event.map_or(true, |event| concerns_us(&event, &named));
            // a panic would end the library's thread: look instead
            if caught(PART, || concerns(event)).unwrap_or(true) {
                let _ = sender.send(Signal::Touched);
            }
        };
        let watcher = notify::recommended_watcher(handler)
            .map_err(
                |error| tracing::warn!(%error, "no file notifications: looking at the files every 0.2 s"),
            )
            .ok();
        let mut notifications = Self { watcher, reached: vec![None; roots.len()] };
        notifications.renew(roots);
        notifications
    }

    fn reach_everything(&self) -> bool {
        self.reached.iter().all(Option::is_some)
    }

    /// Watches folders that are not watched, or were replaced under the same name.
    fn renew(&mut self, roots: &[PathBuf]) {
        let Some(watcher) = &mut self.watcher else { return };
        for (root, reached) in roots.iter().zip(&mut self.reached) {
            let (folder, mode) = if root.is_dir() {
                (root.as_path(), RecursiveMode::Recursive)
            } else {
                (parent(root), RecursiveMode::NonRecursive)
            };
            let now = identity(folder);
            if now.is_some() && *reached == now {
                continue;
            }
            if reached.is_some() {
                // the old folder is gone: so may be its watch
                let _ = watcher.unwatch(folder);
            }
            *reached = now.filter(|_| watcher.watch(folder, mode).is_ok());
        }
    }
}

/// Returns the folder of a file: a file is watched through it, because a save may replace the file.
fn parent(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Returns `true` if an event may change the set of resources: reading does not, nor does a log that grows nearby. A
/// name without extension may be a folder, or the link that a mounted volume is switched by.
fn concerns_us(event: &notify::Event, named: &[PathBuf]) -> bool {
    let is_named = |path: &Path| named.iter().any(|root| root.file_name() == path.file_name());
    let path = |path: &PathBuf| is_resource_file(path) || path.extension().is_none() || is_named(path);
    let written = EventKind::Access(AccessKind::Close(AccessMode::Write));
    (event.kind == written || !event.kind.is_access())
        && (event.paths.is_empty() || event.need_rescan() || event.paths.iter().any(path))
}
