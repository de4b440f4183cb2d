//! Source of the samples, asked once a second on a thread of its own, so that a slow answer delays no key.

use std::sync::mpsc::Sender;
use std::thread::sleep;
use std::time::{Duration, Instant};

use change::traffic::TrafficPage;
use serde_json::Value;

use super::samples::Sample;
use crate::client::{Client, Failed, encoded};

/// Interval between two samples.
const BEAT: Duration = Duration::from_secs(1);
/// Number of rows requested per page.
const PAGE: usize = 1000;
/// Maximum number of rows shown: the busiest.
const MOST: usize = 5_000;

/// News for the screen.
#[derive(Debug)]
pub(super) enum News {
    Sample(Box<Sample>),
    /// The source could not be asked, for this reason.
    Failed(String),
    /// A signal asks this process to leave.
    Leave,
}

/// Control plane, or a single proxy.
pub(super) struct Source {
    client: Client,
    mesh: Option<String>,
    is_proxy: bool,
}

impl Source {
    pub(super) fn new(client: Client, mesh: Option<String>, is_proxy: bool) -> Self {
        Self { client, mesh, is_proxy }
    }

    /// Takes one sample.
    pub(super) fn look(&self) -> Result<Sample, Failed> {
        let flows = self.page("flow")?;
        let (proxies, connections) = match self.is_proxy {
            true => (None, self.connections()?),
            false => (Some(self.page("proxy")?), Vec::new()),
        };
        Ok(Sample { flows, proxies, connections })
    }

    /// Busiest rows.
    fn page(&self, by: &str) -> Result<TrafficPage, Failed> {
        let mesh = self.mesh.as_deref().map(|mesh| format!("&mesh={}", encoded(mesh))).unwrap_or_default();
        let ask = |offset: usize| {
            self.client.traffic(&format!("?by={by}&sort=busiest&size={PAGE}&offset={offset}{mesh}"))
        };
        let mut all = ask(0)?;
        while all.items.len() < all.total.min(MOST) {
            let next = ask(all.items.len())?;
            // the number of rows may have decreased meanwhile
            if next.items.is_empty() {
                break;
            }
            all.items.extend(next.items);
        }
        Ok(all)
    }

    fn connections(&self) -> Result<Vec<Value>, Failed> {
        Ok(self.client.get("/connections")?.and_then(|all| all.as_array().cloned()).unwrap_or_default())
    }

    /// Takes a sample once a second until the receiver is dropped.
    pub(super) fn follow(&self, news: &Sender<News>) {
        let _ = leave_when_asked(news.clone());
        let mut next = Instant::now() + BEAT;
        loop {
            sleep(next.saturating_duration_since(Instant::now()));
            next = Instant::now() + BEAT;
            let came = match self.look() {
                Ok(sample) => News::Sample(Box::new(sample)),
                Err(failed) => News::Failed(failed.to_string()),
            };
            if news.send(came).is_err() {
                return;
            }
        }
    }
}

/// Passes on signals that ask to leave: the terminal has to be restored.
fn leave_when_asked(news: Sender<News>) -> std::io::Result<std::thread::JoinHandle<()>> {
    use tokio::signal::unix::{SignalKind, signal};
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            let (Ok(mut terminate), Ok(mut hangup)) =
                (signal(SignalKind::terminate()), signal(SignalKind::hangup()))
            else {
                return;
            };
            tokio::select! {
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
            // the screen may have ended already
            let _ = news.send(News::Leave);
        });
    })
}
