//! What the demo plays on: a folder that is a store, a proxy that runs it, and an editor.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use control::compile::{Compiler, Scope, Sort, rows};
use control::store::folder::{FolderStore, Options, Watch};
use dialect::envoy::EnvoyOptions;
use model::ProxyKey;
use plan::Context;
use proxy::Proxy;

use super::story;
use crate::up::Live;

/// A change that is not live after this long never will be.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Stage {
    folder: tempfile::TempDir,
    outbound: u16,
    live: Live,
    proxy: Arc<Proxy>,
    wakes: Receiver<()>,
    _watch: Watch,
}

impl Stage {
    /// Writes the resources, and runs them.
    ///
    /// # Errors
    /// In words.
    pub(super) fn set(backends: [u16; 3]) -> Result<Self, String> {
        let in_words = |error: std::io::Error| error.to_string();
        let folder = tempfile::Builder::new().prefix("meshtcp-demo-").tempdir().map_err(in_words)?;
        let outbound = free_port().map_err(in_words)?;
        save(folder.path(), "mesh.yaml", &story::mesh(outbound, backends))?;
        save(folder.path(), "route.yaml", &story::route(story::WEIGHTS[0]))?;

        let store = FolderStore::open(&[folder.path().to_path_buf()], Options::default())
            .map_err(|error| error.to_string())?;
        let (sender, wakes) = channel();
        let watch = store.watch(move || sender.send(()).unwrap_or_default());
        let compiler = Compiler {
            context: Context::default(),
            scope: Scope::only([ProxyKey::new("default", "web")]),
            envoy: EnvoyOptions::default(),
        };
        let options = proxy::Options::default();
        let proxy = Arc::new(Proxy::start(options).map_err(in_words)?);
        let live = Live::new(store, compiler, Arc::clone(&proxy));
        let mut stage = Self { folder, outbound, live, proxy, wakes, _watch: watch };
        stage.live.look();
        stage.follow(story::WEIGHTS[0])?;
        Ok(stage)
    }

    /// Where clients connect.
    pub(super) fn outbound(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.outbound).into()
    }

    /// What there is to see.
    pub(super) fn introduction(&self, connections: usize) -> String {
        format!(
            "proxy web, outbound ledger on 127.0.0.1:{}, backends v1, v2 and v3; resources in {}\n\
             {connections} connections stay open and echo while the weights in route.yaml are edited twice\n\n",
            self.outbound,
            self.folder.path().display(),
        )
    }

    /// Edits the weights as an editor does, and returns how long it took until new connections felt it.
    ///
    /// # Errors
    /// In words, when the change does not come into force.
    pub(super) fn shift(&mut self, weights: [u32; 3]) -> Result<Duration, String> {
        // wakes from before the save would make it look faster than it is
        while self.wakes.try_recv().is_ok() {}
        let saved = Instant::now();
        save(self.folder.path(), "route.yaml", &story::route(weights))?;
        self.follow(weights)?;
        Ok(saved.elapsed())
    }

    /// How many connections the proxy ended though both ends wanted them.
    pub(super) fn cut(&self) -> u64 {
        self.proxy.counters().cut()
    }

    fn follow(&mut self, weights: [u32; 3]) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(failed) = self.live.failed().first() {
                return Err(failed.clone());
            }
            if self.runs(weights) {
                return Ok(());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let problems = self.live.problems().iter().map(ToString::to_string).collect::<Vec<_>>();
                return Err(format!("the resources do not come into force: {}", problems.join("; ")));
            }
            // as `up` does: looks when something wakes it, or when something is due
            let _ = self.wakes.recv_timeout(left.min(self.live.patience()));
            self.live.look();
        }
    }

    fn runs(&self, weights: [u32; 3]) -> bool {
        let proxies = self.live.current().into_iter().flat_map(|compiled| compiled.proxies.values());
        let mut outbounds =
            proxies.flat_map(|proxy| rows(&proxy.plan)).filter(|row| row.sort == Sort::Outbound);
        outbounds.any(|row| row.split.iter().map(|share| share.weight).eq(weights))
    }
}

/// Writes beside, then renames: nobody ever reads half a file.
fn save(folder: &Path, name: &str, text: &str) -> Result<(), String> {
    let beside = folder.join(format!(".{name}.new"));
    std::fs::write(&beside, text)
        .and_then(|()| std::fs::rename(&beside, folder.join(name)))
        .map_err(|error| format!("{}: {error}", folder.join(name).display()))
}

fn free_port() -> std::io::Result<u16> {
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr().map(|address| address.port())
}
