//! Servers on threads of their own: discovery, the admin pages, and the signals that end them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use change::ramp::ObservedCounts;
use change::replica::Replica;
use change::traffic::ToldParts;
use control::api::{Api, ApiMetrics, Mark};
use control::arrivals::Arrivals;
use control::bootstrap::Bootstraps;
use control::certificate::Certificate;
use control::discovery::{DiscoveryMetrics, DiscoveryServer, serve};
use control::guard::{caught_task, task_again};
use control::identity::Issuer;
use control::replicas::{Others, exchange};
use control::run::WakeEvent;
use control::telemetry::Telemetry;
use proxy::why_not_bound;
use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Shared, admin, api, traces};
use crate::api_socket::ApiSocket;
use crate::otlp;
use crate::output::{complain, print};
use crate::signals::{SignalRequest, Signals};
use crate::streams;

/// Time for which answers of proxies are collected before the loop reads them.
const COLLECT: Duration = Duration::from_millis(20);
/// Timeout for closing connections whose streams have ended.
const CLOSING: Duration = Duration::from_secs(2);
/// Additional time for the loop to leave; after that it counts as stuck on an unresponsive disk.
const STUCK: Duration = Duration::from_secs(5);

/// Protection of the traffic against eavesdroppers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Secure {
    Plaintext,
    Tls,
}

/// Listen addresses of the servers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addresses {
    /// Address of discovery.
    pub(super) xds: (SocketAddr, Secure),
    /// Address of the admin pages; `None`: there are none.
    pub(super) admin: Option<SocketAddr>,
    /// Address of the API, with its scheme; `None`: there is none.
    pub(super) api: Option<(&'static str, SocketAddr)>,
}

/// Running servers.
pub(super) struct Service {
    runtime: Runtime,
    discovery: JoinHandle<std::io::Result<()>>,
    shutdown: CancellationToken,
    grace: Duration,
    addresses: Addresses,
    /// Socket of the API for commands of this user; `None`: there is none.
    socket: Option<ApiSocket>,
}

impl Service {
    /// Binds the addresses and starts serving. Streams get `grace` to end when they have to.
    ///
    /// # Errors
    /// Reason in words: an address cannot be bound, or signals cannot be caught.
    pub(super) fn start(
        runtime: Runtime,
        addresses: Addresses,
        tls: Option<Certificate>,
        api: api::Plan,
        grace: Duration,
        events: Sender<WakeEvent<()>>,
        shared: Shared,
    ) -> Result<Self, String> {
        let shutdown = CancellationToken::new();
        let metrics = DiscoveryMetrics::default();
        let started = runtime.block_on(async {
            let (xds, secure) = addresses.xds;
            let discovery = bind("--xds", xds).await?;
            let admin = match addresses.admin {
                Some(address) => Some(bind("--admin", address).await?),
                None => None,
            };
            let api_metrics = ApiMetrics::default();
            let known_as = api.setup.known_as.clone();
            let bootstraps = Bootstraps {
                arrivals: Arrivals::new(
                    Arc::clone(&api.store),
                    api.setup.rules.clone(),
                    !api.setup.read_only,
                ),
                current: shared.current.clone(),
                wants_tokens: shared.gate.is_some(),
                certificate: tls.clone(),
            };
            let (api, socket) = serve_api(api, &shared, &api_metrics, &shutdown, grace).await?;
            let bound = Addresses {
                xds: (address(&discovery)?, secure),
                admin: admin.as_ref().map(address).transpose()?,
                api,
            };
            forward_signals(events.clone(), grace)?;
            forward(shared.publisher.wanted_changes(), events.clone());
            forward(shared.statuses.changes(), events);
            let registry = Arc::new(admin::registry(&shared, &metrics, &api_metrics));
            otlp::print(&shared.exporter, &registry);
            tokio::spawn(traces::follow(shared.clone()));
            if let Some(listener) = admin {
                tokio::spawn(admin::serve(listener, shared.clone(), registry, known_as));
            }
            if let Some(gate) = shared.gate.clone() {
                tokio::spawn(gate.follow_keys());
            }
            let server = DiscoveryServer::guarded(
                instance(bound.xds.0),
                shared.publisher.clone(),
                shared.statuses.clone(),
                metrics,
                shared.gate.clone(),
                Some(shared.issuer.clone()),
            )
            .starting(bootstraps)
            .reporting(shared.plane.telemetry().clone());
            let discovery = tokio::spawn(serve(discovery, tls, server, shutdown.clone(), grace));
            Ok::<_, String>((discovery, bound, socket))
        });
        let (discovery, addresses, socket) = started?;
        Ok(Self { runtime, discovery, shutdown, grace, addresses, socket })
    }

    pub(super) fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Path of the API's socket for commands of this user; `None`: they use its address.
    pub(super) fn socket(&self) -> Option<&Path> {
        self.socket.as_ref().map(ApiSocket::path)
    }

    /// Refuses new streams, ends those that are still open after the grace period, and returns when they are closed.
    pub(super) fn stop(self) {
        let Self { runtime, discovery, shutdown, grace, addresses: _, socket } = self;
        shutdown.cancel();
        runtime.block_on(async {
            // connections that do not close in time are closed with the process
            let _ = tokio::time::timeout(grace + CLOSING, discovery).await;
        });
        drop(socket);
        runtime.shutdown_background();
    }
}

/// Serves the API. The default address was not requested: if it is in use, there is no API, and a message says so.
async fn serve_api(
    plan: api::Plan,
    shared: &Shared,
    metrics: &ApiMetrics,
    shutdown: &CancellationToken,
    grace: Duration,
) -> Result<Served, String> {
    let api::Plan { address: wanted, scheme, tls, mut setup, store, gate: _ } = plan;
    if let Some(board) = store.board() {
        let (plane, others, closing) = (shared.plane.clone(), shared.others.clone(), shutdown.clone());
        let (issuer, observer) = (shared.issuer.clone(), Arc::clone(&shared.observer));
        let hears = hear(issuer.clone(), plane.telemetry().clone(), others.subscribe());
        tokio::spawn(shutdown.clone().run_until_cancelled_owned(hears));
        tokio::spawn(async move {
            let own = |last: Option<&(Mark, BTreeMap<String, ObservedCounts>, Arc<ToldParts>)>| {
                let (ramps, traffic) = (observer.all_seen(), plane.telemetry().told());
                let is_same = |(_, seen, told): &&(_, _, _)| *seen == ramps && Arc::ptr_eq(told, &traffic);
                let known = last.filter(is_same).map(|(mark, ..)| mark);
                let (mark, replica) = plane.news(&issuer, known)?;
                let replica =
                    Replica { ramps: ramps.clone(), traffic: ToldParts::clone(&traffic), ..replica };
                Some(((mark, ramps, traffic), replica))
            };
            let exchange = || exchange(Arc::clone(&board), &own, others.clone(), closing.clone());
            task_again("replicas", exchange).await;
        });
    }
    let listener = match (bind("--api", wanted.unwrap_or(api::DEFAULT)).await, wanted) {
        (Ok(listener), _) => listener,
        (Err(message), Some(_)) => return Err(message),
        (Err(message), None) => {
            complain(&format!(
                "warning: there is no API: {message}\n  help: choose another address with --api\n"
            ));
            return Ok((None, None));
        }
    };
    let bound = address(&listener)?;
    let socket = listen_for_commands(scheme, bound);
    setup.socket = socket.as_ref().map(|(socket, _)| socket.path().to_owned());
    setup.issuer = Some(shared.issuer.clone());
    let api = Api::new(setup, store, shared.plane.clone(), metrics.clone());
    let socket = socket.map(|(socket, listener)| {
        tokio::spawn(control::api::serve_socket(listener, api.clone(), shutdown.clone(), grace));
        socket
    });
    tokio::spawn(control::api::serve(listener, tls, api, shutdown.clone(), grace));
    Ok((Some((scheme, bound)), socket))
}

/// Listen address of the API with its scheme, and its socket.
type Served = (Option<(&'static str, SocketAddr)>, Option<ApiSocket>);

/// Socket of an API; `None`: it cannot be created, which is reported, and everything else goes on.
fn listen_for_commands(scheme: &str, api: SocketAddr) -> Option<(ApiSocket, UnixListener)> {
    let listening = ApiSocket::listen(scheme, api).and_then(|(socket, listener)| {
        let listener = UnixListener::from_std(listener).map_err(|error| error.to_string())?;
        Ok((socket, listener))
    });
    let told = |why: String| {
        complain(&format!(
            "warning: commands on this host need a token to change anything: there is no socket for them: {why}\n  help: name a \
             folder of this user alone in MESHTCP_RUNTIME_DIR, for them too\n"
        ));
    };
    listening.map_err(told).ok()
}

async fn bind(flag: &str, address: SocketAddr) -> Result<TcpListener, String> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|error| format!("{flag} {address} cannot be bound: {}", why_not_bound(&error)))
}

fn address(listener: &TcpListener) -> Result<SocketAddr, String> {
    listener.local_addr().map_err(|error| error.to_string())
}

/// Part of `control_plane.identifier` behind `meshtcp@`, which tells the process.
fn instance(address: SocketAddr) -> String {
    format!("{address}#{}", std::process::id())
}

/// Wakes the loop at most once per [`COLLECT`].
fn forward(changes: watch::Receiver<u64>, events: Sender<WakeEvent<()>>) {
    let pass_on = async |mut changes: watch::Receiver<u64>, events: Sender<WakeEvent<()>>| {
        while changes.changed().await.is_ok() && events.send(WakeEvent::Look).is_ok() {
            tokio::time::sleep(COLLECT).await;
        }
    };
    tokio::spawn(async move {
        task_again("news-of-proxies", || pass_on(changes.clone(), events.clone())).await;
    });
}

fn forward_signals(events: Sender<WakeEvent<()>>, grace: Duration) -> Result<(), String> {
    let mut signals = Signals::catch()?;
    tokio::spawn(async move {
        loop {
            let event = match caught_task("signals", signals.next()).await {
                Some(SignalRequest::Leave) => {
                    tokio::spawn(leave_without_loop(grace));
                    WakeEvent::Leave(())
                }
                Some(SignalRequest::ReadAgain) => {
                    print("asked by SIGHUP: reading everything again\n");
                    WakeEvent::ReadAgain
                }
                None => continue,
            };
            if events.send(event).is_err() {
                return;
            }
        }
    });
    Ok(())
}

/// Ends the process in place of a loop that is stuck. Proxies keep their configuration.
async fn leave_without_loop(grace: Duration) {
    tokio::time::sleep(STUCK + grace + CLOSING).await;
    complain("warning: a file, folder or store does not answer: leaving without it\n");
    streams::finish();
    std::process::exit(0)
}

/// Informs an issuer of certificates that other control planes make and are asked for, and adds their proxies' reports
/// to those received here.
async fn hear(issuer: Issuer, telemetry: Telemetry, mut others: watch::Receiver<Others>) {
    while others.changed().await.is_ok() {
        let replicas = Arc::clone(&others.borrow_and_update().replicas);
        issuer.hear(&replicas);
        telemetry.hear(&replicas);
    }
}
