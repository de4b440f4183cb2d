//! The servers, on threads of their own: discovery, the admin pages, and the signals that end them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use change::ramp::Seen;
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
use control::run::Event;
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
use crate::signals::{Asked, Signals};
use crate::streams;

/// How long answers of proxies are collected before the loop looks at them.
const COLLECT: Duration = Duration::from_millis(20);
/// How long connections whose streams were ended may take to close.
const CLOSING: Duration = Duration::from_secs(2);
/// How long the loop may take to leave beside that. If it takes longer it waits for a disk that does not answer.
const STUCK: Duration = Duration::from_secs(5);

/// Whether others on the way can read along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Secure {
    Plaintext,
    Tls,
}

/// Where the servers listen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addresses {
    /// Discovery.
    pub(super) xds: (SocketAddr, Secure),
    /// The admin pages; `None`: there are none.
    pub(super) admin: Option<SocketAddr>,
    /// The API, with its scheme; `None`: there is none.
    pub(super) api: Option<(&'static str, SocketAddr)>,
}

/// The running servers.
pub(super) struct Service {
    runtime: Runtime,
    discovery: JoinHandle<std::io::Result<()>>,
    shutdown: CancellationToken,
    grace: Duration,
    addresses: Addresses,
    /// Where the API is served to commands of this user; `None`: nowhere.
    socket: Option<ApiSocket>,
}

impl Service {
    /// Binds the addresses and starts to serve. Streams get `grace` to end when they have to.
    ///
    /// # Errors
    /// In words: an address cannot be bound, or signals cannot be caught.
    pub(super) fn start(
        runtime: Runtime,
        addresses: Addresses,
        tls: Option<Certificate>,
        api: api::Plan,
        grace: Duration,
        events: Sender<Event<()>>,
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

    /// Where commands of this user ask the API; `None`: like everybody else.
    pub(super) fn socket(&self) -> Option<&Path> {
        self.socket.as_ref().map(ApiSocket::path)
    }

    /// Takes no new stream, ends those that are still open after the grace, and returns when they are.
    pub(super) fn stop(self) {
        let Self { runtime, discovery, shutdown, grace, addresses: _, socket } = self;
        shutdown.cancel();
        runtime.block_on(async {
            // what does not close in time is closed with the process
            let _ = tokio::time::timeout(grace + CLOSING, discovery).await;
        });
        drop(socket);
        runtime.shutdown_background();
    }
}

/// Serves the API. Nobody asked for the default address: where it is taken, there is no API, and it is said.
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
        let (issuer, seer) = (shared.issuer.clone(), Arc::clone(&shared.seer));
        let hears = hear(issuer.clone(), plane.telemetry().clone(), others.subscribe());
        tokio::spawn(shutdown.clone().run_until_cancelled_owned(hears));
        tokio::spawn(async move {
            let own = |last: Option<&(Mark, BTreeMap<String, Seen>, Arc<ToldParts>)>| {
                let (ramps, traffic) = (seer.all_seen(), plane.telemetry().told());
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

/// Where the API is served: its address with the scheme, and its socket.
type Served = (Option<(&'static str, SocketAddr)>, Option<ApiSocket>);

/// The socket of an API. There is none where it cannot be made, and it is said: everything else goes on.
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

/// What `control_plane.identifier` says behind `meshtcp@`: which process answered.
fn instance(address: SocketAddr) -> String {
    format!("{address}#{}", std::process::id())
}

/// Wakes the loop at most once in [`COLLECT`].
fn forward(changes: watch::Receiver<u64>, events: Sender<Event<()>>) {
    let pass_on = async |mut changes: watch::Receiver<u64>, events: Sender<Event<()>>| {
        while changes.changed().await.is_ok() && events.send(Event::Look).is_ok() {
            tokio::time::sleep(COLLECT).await;
        }
    };
    tokio::spawn(async move {
        task_again("news-of-proxies", || pass_on(changes.clone(), events.clone())).await;
    });
}

fn forward_signals(events: Sender<Event<()>>, grace: Duration) -> Result<(), String> {
    let mut signals = Signals::catch()?;
    tokio::spawn(async move {
        loop {
            let event = match caught_task("signals", signals.next()).await {
                Some(Asked::Leave) => {
                    tokio::spawn(leave_without_loop(grace));
                    Event::Leave(())
                }
                Some(Asked::ReadAgain) => {
                    print("asked by SIGHUP: reading everything again\n");
                    Event::ReadAgain
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

/// Ends the process in the place of a loop that does not hear of it. Proxies keep what they run.
async fn leave_without_loop(grace: Duration) {
    tokio::time::sleep(STUCK + grace + CLOSING).await;
    complain("warning: a file, folder or store does not answer: leaving without it\n");
    streams::finish();
    std::process::exit(0)
}

/// Has an issuer hear of the certificates that others make, and are asked for; and what their proxies report be added to what
/// those here do.
async fn hear(issuer: Issuer, telemetry: Telemetry, mut others: watch::Receiver<Others>) {
    while others.changed().await.is_ok() {
        let replicas = Arc::clone(&others.borrow_and_update().replicas);
        issuer.hear(&replicas);
        telemetry.hear(&replicas);
    }
}
