//! A thread of its own for what comes from outside the files: signals and the admin server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use proxy::Proxy;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::{Status, admin};

/// What the loop waits for.
#[derive(Debug)]
pub(crate) enum Event {
    /// Files may have changed.
    Look,
    /// SIGTERM or SIGINT.
    Leave,
}

/// The running thread. It ends with the process, so that the admin server answers while connections drain.
pub(crate) struct Hand {
    admin_address: Option<SocketAddr>,
}

impl Hand {
    /// Starts listening for signals, and on `admin`.
    ///
    /// # Errors
    /// In words: the address cannot be bound, or signals cannot be caught.
    pub(crate) fn start(
        admin: Option<SocketAddr>,
        events: Sender<Event>,
        status: Arc<Status>,
        proxy: Arc<Proxy>,
    ) -> Result<Self, String> {
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
                    let terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
                    let interrupt = signal(SignalKind::interrupt()).map_err(|error| error.to_string())?;
                    let listener = match admin {
                        Some(address) => Some(
                            TcpListener::bind(address)
                                .await
                                .map_err(|error| format!("--admin {address} cannot be bound: {error}"))?,
                        ),
                        None => None,
                    };
                    Ok::<_, String>((terminate, interrupt, listener))
                };
                let (mut terminate, mut interrupt, listener) = match prepared.await {
                    Ok(prepared) => prepared,
                    Err(message) => {
                        let _ = ready.send(Err(message));
                        return;
                    }
                };
                let address = listener.as_ref().and_then(|listener| listener.local_addr().ok());
                let _ = ready.send(Ok(address));
                if let Some(listener) = listener {
                    tokio::spawn(admin::serve(listener, status, proxy));
                }
                loop {
                    tokio::select! {
                        _ = terminate.recv() => {}
                        _ = interrupt.recv() => {}
                    }
                    if events.send(Event::Leave).is_err() {
                        return;
                    }
                }
            });
        };
        std::thread::Builder::new().name("hand".into()).spawn(work).map_err(|error| error.to_string())?;
        let admin_address = started.recv().map_err(|error| error.to_string())??;
        Ok(Self { admin_address })
    }

    /// Where the admin server listens.
    pub(crate) fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }
}
