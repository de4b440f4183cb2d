//! Set-up of the demo: a folder as source, a proxy that runs it, and an editor of the files.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use change::Options;
use change::compile::{Compiler, ListenerDirection, PlanScope, rows};
use control::identity::{Issuer, IssuerOptions};
use control::run::{ControlLoop, Inbox, WakeEvent, run};
use control::sources::{FolderSource, Watch};
use dialect::envoy::EnvoyOptions;
use plan::{Context, ProxyId};
use proxy::Proxy;

use super::{difference, story};
use crate::data_path::{DataPath, Mode};
use crate::up::OwnProxy;

/// Timeout of a change to become live.
const PATIENCE: Duration = Duration::from_secs(10);

/// Timeout for the end of connections decided in the kernel.
const LEAVING: Duration = Duration::from_secs(1);

pub(super) struct Stage {
    folder: tempfile::TempDir,
    outbound: u16,
    /// Port of the same outbound through the relay; `None`: everything is relayed.
    relayed: Option<u16>,
    data_path: Arc<DataPath>,
    proxy: Arc<Proxy>,
    /// State after each turn of the loop. The channel ends with the watch, which wakes the loop.
    seen: Receiver<Seen>,
    _watch: Watch,
}

/// State after a turn of the loop.
struct Seen {
    /// Weights of the split; empty: nothing runs.
    weights: Vec<u32>,
    /// Listener that cannot be bound, in words; `None`: all are bound.
    failed: Option<String>,
    problems: Vec<String>,
}

impl Seen {
    fn of(live: &ControlLoop<OwnProxy>) -> Self {
        let proxies = live.compiled().into_iter().flat_map(|compiled| compiled.proxies.values());
        let mut outbounds =
            proxies.flat_map(|proxy| rows(&proxy.plan)).filter(|row| row.sort == ListenerDirection::Outbound);
        let split = outbounds.next().map(|row| row.split).unwrap_or_default();
        Self {
            weights: split.iter().map(|share| share.weight).collect(),
            failed: live.sink().failed().first().cloned(),
            problems: live.problems().iter().map(ToString::to_string).collect(),
        }
    }
}

impl Stage {
    /// Writes the resources, and runs them.
    ///
    /// # Errors
    /// Reason in words.
    pub(super) fn set(backends: [u16; 3], mode: Mode) -> Result<Self, String> {
        let in_words = |error: std::io::Error| error.to_string();
        let folder = tempfile::Builder::new().prefix("meshtcp-demo-").tempdir().map_err(in_words)?;
        let outbound = free_port().map_err(in_words)?;
        let proxy = Arc::new(Proxy::start(proxy::Options::default()).map_err(in_words)?);
        let data_path = Arc::new(DataPath::of_own_clients(mode, Arc::clone(&proxy)));
        let relayed = data_path.is_in_kernel().then(free_port).transpose().map_err(in_words)?;
        save(folder.path(), "mesh.yaml", &story::mesh(outbound, relayed, backends))?;
        save(folder.path(), "route.yaml", &story::route(story::WEIGHTS[0]))?;

        let source = FolderSource::open(&[folder.path().to_path_buf()], Options::default())
            .map_err(|error| error.to_string())?;
        let (wake, inbox) = channel();
        let watch = source.watch(move || wake.send(WakeEvent::Look).unwrap_or_default());
        let compiler = Compiler {
            context: Context::default(),
            scope: PlanScope::only(["web", story::RELAYED].map(|name| ProxyId::dataplane("default", name))),
            envoy: EnvoyOptions::default(),
        };
        let issuer = Issuer::start(IssuerOptions::default());
        let mut live =
            ControlLoop::new(Box::new(source), compiler, OwnProxy::new(Arc::clone(&data_path), issuer));
        let (turned, seen) = channel();
        std::thread::spawn(move || {
            run::<_, Inbox<()>>(&mut live, &mut Inbox::new(inbox), |live, _| {
                turned.send(Seen::of(live)).unwrap_or_default();
            });
        });
        let stage = Self { folder, outbound, relayed, data_path, proxy, seen, _watch: watch };
        stage.follow(story::WEIGHTS[0])?;
        Ok(stage)
    }

    /// Folder of the resources, which exists as long as the stage.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Address that clients connect to.
    pub(super) fn outbound(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.outbound).into()
    }

    /// Introduction for the audience.
    pub(super) fn introduction(&self, connections: usize) -> String {
        format!(
            "proxy web, outbound ledger on 127.0.0.1:{}, backends v1, v2 and v3; resources in {}\n\
             {connections} connections stay open and echo while the weights in route.yaml are edited twice\n\n",
            self.outbound,
            self.folder.path().display(),
        )
    }

    /// Edits the weights as an editor does, and returns the time until new connections followed them.
    ///
    /// # Errors
    /// Reason in words, when the change does not come into force.
    pub(super) fn shift(&self, weights: [u32; 3]) -> Result<Duration, String> {
        let saved = Instant::now();
        save(self.folder.path(), "route.yaml", &story::route(weights))?;
        self.follow(weights)?;
        Ok(saved.elapsed())
    }

    /// Cost of a hop in words; `None`: all connections are relayed.
    ///
    /// # Errors
    /// Reason in words.
    pub(super) fn difference(&self) -> Result<Option<String>, String> {
        let Some(relayed) = self.relayed else { return Ok(None) };
        difference::measure((Ipv4Addr::LOCALHOST, relayed).into(), self.outbound()).map(Some)
    }

    /// Ends decisions in the kernel, after everything has been counted.
    pub(super) fn leave(&self) {
        self.data_path.leave();
        self.data_path.drain(LEAVING);
    }

    /// Number of connections that the proxy ended though both ends wanted them.
    pub(super) fn cut(&self) -> u64 {
        self.proxy.counters().cut()
    }

    fn follow(&self, weights: [u32; 3]) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        let mut problems = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(seen) = self.seen.recv_timeout(left) else {
                return Err(format!("the resources do not come into force: {}", problems.join("; ")));
            };
            if let Some(failed) = seen.failed {
                return Err(failed);
            }
            if seen.weights == weights {
                return Ok(());
            }
            problems = seen.problems;
        }
    }
}

/// Writes a temporary file, then renames it, so that a reader never sees half a file.
fn save(folder: &Path, name: &str, text: &str) -> Result<(), String> {
    let beside = folder.join(format!(".{name}.new"));
    std::fs::write(&beside, text)
        .and_then(|()| std::fs::rename(&beside, folder.join(name)))
        .map_err(|error| format!("{}: {error}", folder.join(name).display()))
}

fn free_port() -> std::io::Result<u16> {
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr().map(|address| address.port())
}
