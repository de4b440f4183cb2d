//! Thread for requests from outside the files: signals and the admin server.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use control::guard::caught_task;
use control::run::WakeEvent;
use control::telemetry::Telemetry;
use control::web::KnownAs;
use prometheus_client::registry::Registry;
use proxy::Proxy;
use tokio::runtime::Handle;

use super::{Status, admin, rollouts};
use crate::data_path::DataPath;
use crate::host;
use crate::output::{complain, print};
use crate::signals::{SignalRequest, Signals};
use crate::takeover::Seat;
use crate::{streams, traffic};

/// Timeout for the loop to leave; after that it counts as stuck on an unresponsive disk.
const STUCK: Duration = Duration::from_secs(5);

/// Reason for leaving.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Leave {
    /// A signal asked to.
    #[default]
    Asked,
    /// Another process carries new connections from now on.
    TakenOver,
}

/// Running thread. It ends with the process.
pub(crate) struct RunningThread {
    /// Event loop of the thread.
    pub(crate) runtime: Handle,
    /// Traffic counters of connections of this process.
    pub(crate) telemetry: Telemetry,
}

/// Starts the thread: it waits for signals, and serves admin pages with these metrics at the `seat` under these names,
/// also while connections drain. If the loop cannot leave, connections get `grace` without it.
///
/// # Errors
/// Reason in words: signals cannot be caught.
pub(crate) fn start(
    (seat, known_as, registry): (Seat, KnownAs, Arc<Registry>),
    events: Sender<WakeEvent<Leave>>,
    status: Arc<Status>,
    (proxy, data_path): (Arc<Proxy>, Arc<DataPath>),
    rollouts: rollouts::AppState,
    grace: Duration,
) -> Result<RunningThread, String> {
    let (ready, started) = channel();
    let work = move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                let _ = ready.send(Err(format!("no event loop for signals: {error}")));
                return;
            }
        };
        runtime.block_on(async {
            let prepared = async {
                let listener = seat.admin().map(|(_, socket)| tokio::net::TcpListener::from_std(socket));
                let listener = listener.transpose();
                let listener = listener.map_err(|error| format!("--admin cannot be served: {error}"))?;
                Ok::<_, String>((Signals::catch()?, listener))
            };
            let (mut signals, listener) = match prepared.await {
                Ok(prepared) => prepared,
                Err(message) => {
                    let _ = ready.send(Err(message));
                    return;
                }
            };
            let telemetry = traffic::count(&proxy);
            if let Some(listener) = listener {
                let carries = (Arc::clone(&proxy), Arc::clone(&data_path));
                let told = (telemetry.clone(), rollouts);
                let served = admin::serve(
                    (listener, seat.clone()),
                    Arc::clone(&status),
                    carries,
                    told,
                    (known_as, registry),
                );
                tokio::spawn(served);
            }
            let _ = ready.send(Ok(RunningThread { runtime: Handle::current(), telemetry }));
            tokio::spawn(host::watch_authorities(Arc::downgrade(&proxy)));
            loop {
                let event = match caught_task("signals", signals.next()).await {
                    Some(SignalRequest::Leave) => {
                        let carries = (Arc::clone(&proxy), seat.clone());
                        tokio::spawn(leave_without_loop(Arc::clone(&status), carries, grace));
                        WakeEvent::Leave(Leave::Asked)
                    }
                    Some(SignalRequest::ReadAgain) => {
                        print("asked by SIGHUP: reading all files and opening logs again\n");
                        proxy.reopen_logs();
                        host::read_authorities(Arc::clone(&proxy)).await;
                        WakeEvent::ReadAgain
                    }
                    None => continue,
                };
                if events.send(event).is_err() {
                    return;
                }
            }
        });
    };
    std::thread::Builder::new().name("hand".into()).spawn(work).map_err(|error| error.to_string())?;
    started.recv().map_err(|error| error.to_string())?
}

/// Leaves in place of a loop that is stuck.
async fn leave_without_loop(status: Arc<Status>, (proxy, seat): (Arc<Proxy>, Seat), grace: Duration) {
    tokio::time::sleep(STUCK).await;
    if !status.leave() {
        return;
    }
    seat.leave();
    complain("warning: a file or folder of resources does not answer: leaving without it\n");
    // if it panics, there is nothing left to wait for
    let _ = tokio::task::spawn_blocking(move || proxy.drain(grace)).await;
    streams::finish();
    std::process::exit(0)
}
