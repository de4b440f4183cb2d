//! `meshtcp proxy`: carries the connections of one proxy as a control plane says.
//!
//! ```text
//!  control plane ⇢ Discovery ─▶ Follower: parse ─▶ proxy ──▶ what runs, what is refused
//!                                  └──▶ State: the last good set, on disk, to start from
//! ```
//!
//! The running configuration stays whatever happens to the control plane, which may also be started later.

mod admin;
mod agent;
mod follower;
mod redirected;
mod state;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::proxy::discovery::{Discovery, Link, Lost};
use ::proxy::{ConnectionLog, Options, Proxy};
use agent::AtSocket;
use control::guard::{caught_task, task_again};
use follower::{Carried, Follower};
use jiff::Timestamp;
use plan::{ProxyId, Redirection};
use state::State;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use xds::Foreign;
use xds::proto::discovery::PROXY_SORT;

use crate::address::ControlPlane;
use crate::data_path::{self, DataPath};
use crate::dns::DnsFlags;
use crate::duration;
use crate::exit::Exit;
use crate::host;
use crate::listen;
use crate::names::StandsFor;
use crate::otlp;
use crate::output::{complain, print};
use crate::pages::HostNames;
use crate::patience::Patience;
use crate::said;
use crate::signals::Signals;
use crate::takeover;
use crate::takeover::{Seat, Succession};
use crate::trust::Trusted;
use crate::up::{LogFormat, connection_log};
use crate::workers::{self, Workers};

/// Pause after a panic before the control plane is asked again.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    stands_for: StandsFor,
    /// Where the control plane takes proxies, https://HOST:PORT for one that speaks TLS; several control planes that share a
    /// store are separated by commas, or the flag is given again: one of them is followed, and the next when it is lost
    #[arg(
        long,
        value_name = "HOST:PORT",
        value_delimiter = ',',
        default_value = "127.0.0.1:5678",
        env = "MESHTCP_CONTROL_PLANE"
    )]
    control_plane: Vec<ControlPlane>,
    /// A file with the certificates that the control plane's is signed by; default: those that the system trusts
    #[arg(long, value_name = "FILE", env = "MESHTCP_CA_FILE")]
    ca_file: Option<PathBuf>,
    /// Say who it is with the dataplane token in this file; it is read again whenever the proxy attaches
    #[arg(long, value_name = "FILE", env = "MESHTCP_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// Ask the SPIRE agent at this Unix socket who this proxy is and whom to believe, where a MeshIdentity says so
    #[arg(long, value_name = "SOCKET", env = "MESHTCP_SPIRE_AGENT")]
    spire_agent: Option<PathBuf>,
    /// Keep the last good configuration in this file, and start from it when the control plane is away
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Serve /metrics, /ready, /healthy, /status and /connections here, e.g. 127.0.0.1:9901 (port 0: any)
    #[arg(long, value_name = "ADDR", value_parser = listen::address, env = "MESHTCP_ADMIN")]
    admin: Option<SocketAddr>,
    #[command(flatten)]
    names: HostNames,
    /// Write a line for each finished connection to this file; `-` for standard output
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// What such a line looks like
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    log_format: LogFormat,
    #[command(flatten)]
    workers: Workers,
    /// How long open connections may go on after SIGTERM, SIGINT or SIGQUIT; a second signal ends them at once
    #[arg(long, default_value = "30s", value_parser = duration::parse, value_name = "TIME")]
    drain_time: Duration,
    /// Say that the kernel redirects connections to it, whatever its Dataplane says: to which ports, those of other hosts and
    /// those of this one
    #[arg(
        long,
        value_name = "INBOUND,OUTBOUND",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "15006,15001",
        value_parser = redirected::parse
    )]
    transparent_proxy: Option<Redirection>,
    #[command(flatten)]
    dns: DnsFlags,
    #[command(flatten)]
    takeover: takeover::Flag,
    #[command(flatten)]
    patience: Patience,
    #[command(flatten)]
    data_path: data_path::Flags,
}

/// Connection settings for the control plane.
struct LinkSettings {
    /// URLs of control planes, any one of which is used.
    control_planes: Vec<String>,
    /// Authorities, one of which must have signed a control plane's certificate; `None`: no TLS.
    trusted: watch::Sender<Option<Trusted>>,
    /// File of these authorities; `None`: those of the system.
    ca_file: Option<PathBuf>,
    token_file: Option<PathBuf>,
    /// Redirection of connections to the proxy; `None`: as its Dataplane says.
    redirection: Option<Redirection>,
    /// SPIRE agent; `None`: none is asked.
    agent: Option<AtSocket>,
    /// Time at which the proxy began to count.
    started: Timestamp,
}

impl LinkSettings {
    /// Reopens logs, and reads the authorities of control planes again. If they changed, the link is restarted.
    fn read_again(&self, proxy: &Arc<Proxy>) {
        print("asked by SIGHUP: reading files and opening logs again\n");
        proxy.reopen_logs();
        tokio::spawn(host::read_authorities(Arc::clone(proxy)));
        let Some(before) = self.trusted.borrow().clone() else { return };
        match Trusted::read(self.ca_file.as_deref()) {
            Ok(now) if now == before => {}
            Ok(now) => {
                self.trusted.send_replace(Some(now));
            }
            Err(why) => complain(&format!("warning: {why}; what was read before stays in use\n")),
        }
    }
}

pub(crate) fn run(arguments: Args) -> Exit {
    match start(arguments) {
        Ok(()) => Exit::Ok,
        Err(message) => {
            complain(&format!("error: {message}\n"));
            Exit::Environment
        }
    }
}

fn start(arguments: Args) -> Result<(), String> {
    let Args {
        stands_for,
        control_plane: control_planes,
        ca_file,
        token_file,
        spire_agent,
        state,
        admin,
        names,
        log,
        log_format,
        workers,
        drain_time,
        dns,
        transparent_proxy: redirection,
        takeover,
        patience,
        data_path,
    } = arguments;
    let key = stands_for.proxy()?;
    said::as_proxy(&key);
    if token_file.is_some() {
        control_planes.iter().try_for_each(ControlPlane::keeps_tokens_secret)?;
    }
    let is_tls = control_planes.iter().any(|it| it.tls);
    let trusted = if is_tls { Some(Trusted::read(ca_file.as_deref())?) } else { None };
    let control_planes = control_planes.iter().map(ToString::to_string).collect();
    let trusted = watch::Sender::new(trusted);
    let started = Timestamp::now();
    let agent = spire_agent.map(AtSocket::new);
    let shown_agent = agent.as_ref().map(AtSocket::shown);
    let way = LinkSettings { control_planes, trusted, ca_file, token_file, redirection, agent, started };
    let exporter = otlp::start("proxy");
    let connection_log: Option<ConnectionLog> = connection_log(log.as_deref(), log_format);
    let connection_lines = otlp::connection_lines(&exporter);
    let options = Options { connection_log, connection_lines, ..Options::default() };
    let proxy = Proxy::start(workers.within(patience.within(options)));
    let proxy = Arc::new(proxy.map_err(|error| format!("the proxy cannot start: {error}"))?);
    workers::warn(&proxy);
    let data_path = Arc::new(DataPath::start(&data_path, Arc::clone(&proxy)));
    let registry = Arc::new(admin::registry(&proxy, &data_path, &exporter, shown_agent.as_ref()));
    otlp::print(&exporter, &registry);
    let mut succession = Succession::begin(&takeover, &proxy)?;
    let dns = dns.serve(&proxy, succession.as_mut().and_then(Succession::dns))?;
    let mut follower = Follower::new(&key, Arc::clone(&data_path), state.map(State::at).transpose()?);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| format!("no event loop for the control plane: {error}"))?;
    runtime.block_on(async {
        // before any connection is carried
        let mut signals = Signals::catch()?;
        follower.start_from_disk();
        let link = watch::Sender::new(Link::default());
        let seat = Seat::take(admin, succession.as_mut(), dns)?;
        if let Some((address, listener)) = seat.admin() {
            print(&format!("admin: http://{address}\n"));
            let listener = TcpListener::from_std(listener);
            let listener =
                listener.map_err(|error| format!("--admin {address} cannot be served: {error}"))?;
            let serve = admin::serve(
                (listener, seat.clone()),
                (Arc::clone(&proxy), Arc::clone(&data_path)),
                (link.subscribe(), shown_agent),
                follower.carried(),
                (names.known_as(), registry),
            );
            tokio::spawn(serve);
        }
        let (stop, taken_over) = oneshot::channel();
        let succession = succeed(succession, Arc::clone(&proxy), seat.clone(), follower.carried(), stop);
        tokio::spawn(caught_task("takeover", succession));
        tokio::spawn(host::watch_authorities(Arc::downgrade(&proxy)));
        print(&format!("{key} follows {}\n", way.control_planes.join(" or ")));
        let news = link.subscribe();
        let named = key.clone();
        tokio::spawn(async move { task_again("screen", || tell(&named, news.clone())).await });
        tokio::select! {
            result = follow(follower, (&proxy, &data_path), &key, &way, &link) => result?,
            () = signals.leave(|| way.read_again(&proxy)) => {}
            Ok(()) = taken_over => {
                print("another process took over the listeners\n");
            }
        }
        seat.leave();
        leave((&proxy, &data_path), drain_time, &mut signals).await;
        // it has a thread of its own, and this one has nothing else to do
        exporter.finish();
        Ok(())
    })
}

/// Takes over once a configuration runs; without a predecessor at once. Afterwards waits for a successor, and announces
/// it.
async fn succeed(
    succession: Option<Succession>,
    proxy: Arc<Proxy>,
    seat: Seat,
    mut carried: watch::Receiver<Carried>,
    stop: oneshot::Sender<()>,
) {
    let Some(succession) = succession else {
        // no successor will come
        let () = std::future::pending().await;
        drop(stop);
        return;
    };
    if succession.has_predecessor() && carried.wait_for(|carried| carried.generation > 0).await.is_err() {
        return;
    }
    let told = move || {
        // the receiver may be leaving already
        let _ = stop.send(());
    };
    let complete = move || succession.complete(&proxy, seat, told);
    // it waits for the predecessor's answer
    let _ = tokio::task::spawn_blocking(complete).await;
}

/// Follows the control plane. When an address becomes free that could not be bound before, the stream is restarted, so
/// that the control plane offers the refused resources again.
async fn follow(
    follower: Follower,
    (proxy, data_path): (&Arc<Proxy>, &Arc<DataPath>),
    key: &ProxyId,
    LinkSettings { control_planes, trusted, ca_file: _, token_file, redirection, agent, started }: &LinkSettings,
    link: &watch::Sender<Link>,
) -> Result<(), String> {
    let (carried, agent_spoke) = (follower.carried(), follower.agent_spoke());
    let mut renewals = trusted.subscribe();
    // it is told something by two of those who are polled below, by turns
    let follower = RefCell::new(follower);
    let heed_agent = async {
        match agent {
            Some(agent) => agent.heed(&follower).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(heed_agent);
    loop {
        let trusted = renewals.borrow_and_update().clone();
        let discovery = Discovery::any_of(control_planes, &key.node_id());
        let mut discovery = discovery.map_err(|error| error.to_string())?;
        if key.as_dataplane().is_none() {
            discovery = discovery.telling(PROXY_SORT, key.sort());
        }
        if let Some(redirection) = redirection {
            discovery = redirected::announced(*redirection, discovery);
        }
        if let Some(Trusted { file, pem }) = &trusted {
            let wrong = |error: trust::TrustError| {
                format!("the certificates in {} cannot be used: {error}", file.display())
            };
            discovery = discovery.trusting(pem).map_err(wrong)?;
        }
        if let Some(file) = token_file {
            discovery = discovery.with_token_file(file);
        }
        let (counting, paths) = (Arc::clone(proxy), Arc::clone(data_path));
        let discovery =
            discovery.reporting(*started, move || counting.counters(), move || data_path::told(&paths));
        let mut news = discovery.link();
        let pass_on = async {
            while news.changed().await.is_ok() {
                link.send_replace(news.borrow_and_update().clone());
            }
            std::future::pending().await
        };
        tokio::select! {
            ended = caught_task("control-plane-link", discovery.run(|set| follower.borrow_mut().offer(set))) => match ended {
                Some(never) => match never {},
                None => tokio::time::sleep(PAUSE).await,
            },
            () = pass_on => {}
            () = &mut heed_agent => {}
            () = agent_spoke.notified() => {
                print("the SPIRE agent has said who this proxy is: asking the control plane again\n");
            }
            Ok(()) = renewals.changed() => {
                print("the certificates that control planes are signed by have changed: attaching again\n");
            }
            freed = follower::one_is_free(carried.clone()) => {
                print(&format!("{freed} is free now: asking for it again\n"));
            }
        }
    }
}

/// Prints the state of the link to the control plane whenever it changes; of several, the changes of each.
async fn tell(key: &ProxyId, mut link: watch::Receiver<Link>) {
    let mut connected = false;
    let mut told: BTreeMap<String, String> = BTreeMap::new();
    while link.changed().await.is_ok() {
        let now = link.borrow_and_update().clone();
        if now.connected && !connected {
            print(&format!("connected to the control plane {}\n", now.control_plane.trim_end_matches('/')));
            told.clear();
        }
        connected = now.connected;
        let at = now.control_plane.trim_end_matches('/');
        if let Some(lost) = now.lost {
            let line = in_words(&lost, at);
            // a changed attachment time of another proxy is not reported
            let news = match lost {
                Lost::StartedTwice(_) => "started twice".to_owned(),
                Lost::Away(_) | Lost::Token(_) | Lost::TurnedAway(_) => line.clone(),
            };
            if told.insert(at.to_owned(), news.clone()).as_ref() != Some(&news) {
                complain(&format!("warning: {line}; what runs goes on\n"));
            }
        } else if now.is_waiting {
            let line = format!(
                "warning: the control plane {at} has told this proxy nothing yet: is there a {}?\n",
                key.resource()
            );
            if told.insert(at.to_owned(), line.clone()).as_ref() != Some(&line) {
                complain(&line);
            }
        }
    }
}

/// Reason why there is no link to the control plane at the URL `at`, with what to do.
fn in_words(lost: &Lost, at: &str) -> String {
    let said = Foreign::message(lost);
    match lost {
        Lost::Away(_) => format!("no control plane at {at}: {said}"),
        Lost::Token(_) => {
            format!("the control plane {at} wants a dataplane token of this proxy (--token-file): {said}")
        }
        Lost::StartedTwice(_) => format!("the control plane {at} follows another process: {said}"),
        Lost::TurnedAway(_) => format!("the control plane {at} does not let this proxy in: {said}"),
    }
}

/// Lets open connections go on for `grace`, or until a second signal.
async fn leave((proxy, data_path): (&Arc<Proxy>, &Arc<DataPath>), grace: Duration, signals: &mut Signals) {
    data_path.leave();
    print(&format!("leaving: {} connections are open\n", proxy.counters().active()));
    let drain = |grace: Duration| {
        let (proxy, data_path, begun) = (Arc::clone(proxy), Arc::clone(data_path), Instant::now());
        tokio::task::spawn_blocking(move || {
            proxy.drain(grace);
            data_path.drain(grace.saturating_sub(begun.elapsed()));
        })
    };
    tokio::select! {
        _ = drain(grace) => {}
        () = signals.leave(|| proxy.reopen_logs()) => {
            // a drain that fails has panicked: there is nothing left to wait for
            let _ = drain(Duration::ZERO).await;
        }
    }
}
