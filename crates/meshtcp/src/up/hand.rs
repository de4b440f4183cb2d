//! A thread of its own for what comes from outside the files: signals and the admin server.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use control::guard::caught_task;
use control::run::Event;
use control::web::KnownAs;
use proxy::Proxy;
use tokio::task::AbortHandle;

use super::{Status, admin};
use crate::data_path::DataPath;
use crate::host;
use crate::output::{complain, print};
use crate::signals::{Asked, Signals};
use crate::streams;

/// How long the loop may take to leave. If it takes longer it waits for a disk that does not answer.
const STUCK: Duration = Duration::from_secs(5);

/// Why to leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Leave {
    /// A signal.
    #[default]
    Asked,
    /// Another process carries new connections from now on.
    TakenOver,
}

/// The running thread. It ends with the process, so that the admin server answers while connections drain.
pub(crate) struct Hand {
    admin_socket: Option<(SocketAddr, OwnedFd)>,
    admin_task: Option<AbortHandle>,
}

impl Hand {
    /// Starts listening for signals, and serving on `admin` under these names. When the loop cannot leave, connections get
    /// `grace` without it.
    ///
    /// # Errors
    /// In words: signals cannot be caught.
    pub(crate) fn start(
        admin: Option<(TcpListener, KnownAs)>,
        events: Sender<Event<Leave>>,
        status: Arc<Status>,
        (proxy, data_path): (Arc<Proxy>, Arc<DataPath>),
        grace: Duration,
    ) -> Result<Self, String> {
        let admin_socket = admin.as_ref().and_then(|(listener, _)| {
            Some((listener.local_addr().ok()?, OwnedFd::from(listener.try_clone().ok()?)))
        });
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
                    let signals = Signals::catch()?;
                    let listen =
                        |(listener, known_as)| Ok((tokio::net::TcpListener::from_std(listener)?, known_as));
                    let listener = admin.map(listen).transpose();
                    let listener = listener
                        .map_err(|error: std::io::Error| format!("--admin cannot be served: {error}"))?;
                    Ok::<_, String>((signals, listener))
                };
                let (mut signals, listener) = match prepared.await {
                    Ok(prepared) => prepared,
                    Err(message) => {
                        let _ = ready.send(Err(message));
                        return;
                    }
                };
                let task = listener.map(|(listener, known_as)| {
                    let carries = (Arc::clone(&proxy), Arc::clone(&data_path));
                    tokio::spawn(admin::serve(listener, Arc::clone(&status), carries, known_as))
                });
                let _ = ready.send(Ok(task.map(|task| task.abort_handle())));
                tokio::spawn(host::watch_authorities(Arc::downgrade(&proxy)));
                loop {
                    let event = match caught_task("signals", signals.next()).await {
                        Some(Asked::Leave) => {
                            tokio::spawn(leave_without_loop(Arc::clone(&status), Arc::clone(&proxy), grace));
                            Event::Leave(Leave::Asked)
                        }
                        Some(Asked::ReadAgain) => {
                            print("asked by SIGHUP: reading all files and opening logs again\n");
                            proxy.reopen_logs();
                            host::read_authorities(Arc::clone(&proxy)).await;
                            Event::ReadAgain
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
        let admin_task = started.recv().map_err(|error| error.to_string())??;
        Ok(Self { admin_socket, admin_task })
    }

    /// Where the admin server listens.
    pub(crate) fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_socket.as_ref().map(|(address, _)| *address)
    }

    /// Another handle of the admin server's socket, with its address.
    pub(crate) fn admin_socket(&self) -> Option<(SocketAddr, OwnedFd)> {
        let (address, socket) = self.admin_socket.as_ref()?;
        Some((*address, socket.try_clone().ok()?))
    }

    /// Leaves the admin server's address to another process.
    pub(crate) fn stop_admin(&mut self) {
        self.admin_socket = None;
        if let Some(task) = self.admin_task.take() {
            task.abort();
        }
    }
}

/// Leaves in the place of a loop that does not hear of it.
async fn leave_without_loop(status: Arc<Status>, proxy: Arc<Proxy>, grace: Duration) {
    tokio::time::sleep(STUCK).await;
    if !status.leave() {
        return;
    }
    complain("warning: a file or folder of resources does not answer: leaving without it\n");
    // should it panic, there is nothing left to wait for
    let _ = tokio::task::spawn_blocking(move || proxy.drain(grace)).await;
    streams::finish();
    std::process::exit(0)
}
