//! `meshtcp up`: carries the connections of every proxy on this host, and follows changes of the resources.
//!
//! ```text
//!  files ──wake──▶ ControlLoop: store ─▶ compile ─▶ proxy ──▶ Screen: what runs, what changed, what is wrong
//!  signals, admin ──▶ RunningThread (its own) ──wake──▶ leave: drain
//! ```

mod admin;
mod hand;
mod metrics;
mod own_proxy;
mod page;
mod rollouts;
mod screen;
mod status;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use change::compile::{Compiler, PlanScope, ProxySelection};
use clap::ValueEnum;
use control::guard::caught;
use control::identity::{Issuer, IssuerOptions};
use control::run::{ControlLoop, Inbox, WakeEvent, run as run_loop};
use control::sources::StatusFile;
use dialect::envoy::EnvoyOptions;
use l4::config::LogSink;
use model::MeshName;
use plan::Context;
use proxy::{ConnectionLog, DrainReport, LineFormat, Options, Proxy};

pub(crate) use own_proxy::{OwnNews, OwnProxy};
pub(crate) use screen::{Screen, tell_change, tell_listing};
pub(crate) use status::Status;

use crate::data_path::{self, DataPath};
use crate::dns::DnsFlags;
use crate::exit::Exit;
use crate::listen;
use crate::names::WrittenProxy;
use crate::output::complain;
use crate::pages::HostNames;
use crate::patience::Patience;
use crate::source::Source;
use crate::takeover::{Seat, Succession};
use crate::workers::{self, Workers};
use crate::{duration, host, names, otlp, takeover};
use hand::{Leave, RunningThread};
use rollouts::{AppState, Running};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    source: Source,
    /// Only carry proxies of this mesh
    #[arg(long, value_name = "MESH", value_parser = names::mesh)]
    mesh: Option<String>,
    /// The zone that this host is in; default: there are no zones, and zone proxies of every zone that are here are carried
    #[arg(long, value_name = "ZONE", value_parser = names::zone)]
    zone: Option<String>,
    /// Also carry this proxy, though its dataplane's address is none of this host: NAME or MESH/NAME; may be repeated
    #[arg(long = "dataplane", value_name = "NAME")]
    dataplanes: Vec<String>,
    /// Serve /gui, /metrics, /ready, /healthy, /plan, /connections and /status here, e.g. 127.0.0.1:9901 (port 0: any)
    #[arg(long, value_name = "ADDR", value_parser = listen::address, env = "MESHTCP_ADMIN")]
    admin: Option<std::net::SocketAddr>,
    #[command(flatten)]
    names: HostNames,
    /// Write a line for each finished connection to this file; `-` for standard output
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// What such a line looks like
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    log_format: LogFormat,
    /// Run MeshTCPRollouts, and keep in this file where they stand; without it the weights of routes are as they are written
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    #[command(flatten)]
    workers: Workers,
    /// How long open connections may go on after SIGTERM, SIGINT or SIGQUIT; a second signal ends them at once
    #[arg(long, default_value = "30s", value_parser = duration::parse, value_name = "TIME")]
    drain_time: Duration,
    #[command(flatten)]
    dns: DnsFlags,
    #[command(flatten)]
    takeover: takeover::Flag,
    #[command(flatten)]
    patience: Patience,
    #[command(flatten)]
    data_path: data_path::Flags,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum LogFormat {
    /// key=value
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

pub(crate) fn run(arguments: Args) -> Exit {
    let compiler = match compiler(&arguments) {
        Ok(compiler) => compiler,
        Err(message) => return refuse(&message, Exit::Usage),
    };
    let store = match arguments.source.open() {
        Ok(store) => store,
        Err(error) => return refuse(&error.to_string(), Exit::Environment),
    };
    let statuses = match arguments.state.as_deref().map(StatusFile::open).transpose() {
        Ok(statuses) => statuses,
        Err(message) => return refuse(&format!("--state: {message}"), Exit::Environment),
    };
    let store = match &statuses {
        Some(statuses) => store.beside(statuses.clone()),
        None => store,
    };
    let exporter = otlp::start("up");
    let options = Options {
        connection_lines: otlp::connection_lines(&exporter),
        connection_log: connection_log(arguments.log.as_deref(), arguments.log_format),
        ..Options::default()
    };
    let proxy = match Proxy::start(arguments.workers.within(arguments.patience.within(options))) {
        Ok(proxy) => Arc::new(proxy),
        Err(error) => return refuse(&format!("the proxy cannot start: {error}"), Exit::Environment),
    };

    workers::warn(&proxy);
    let (events, inbox) = channel();
    let mut inbox = Inbox::new(inbox);
    let status = Arc::new(Status::default());
    let mut succession = match Succession::begin(&arguments.takeover, &proxy) {
        Ok(succession) => succession,
        Err(message) => return refuse(&message, Exit::Environment),
    };
    let dns = match arguments.dns.serve(&proxy, succession.as_mut().and_then(Succession::dns)) {
        Ok(dns) => dns,
        Err(message) => return refuse(&message, Exit::Environment),
    };
    let data_path = Arc::new(DataPath::start(&arguments.data_path, Arc::clone(&proxy)));
    let registry = Arc::new(admin::registry(&status, (&proxy, &data_path), &exporter));
    otlp::print(&exporter, &registry);
    let (looks, renewed, woken, taken_over) =
        (events.clone(), events.clone(), events.clone(), events.clone());
    let watch = store.watch(move || {
        // fails only when the process is leaving
        let _ = looks.send(WakeEvent::Look);
    });
    // without a store there is no place for a CA
    let zone = compiler.context.zone.as_deref().map(Into::into);
    let options = IssuerOptions { makes_authorities: true, zone, ..IssuerOptions::default() };
    let issuer = Issuer::telling(options, move || {
        // fails only when the process is leaving
        let _ = renewed.send(WakeEvent::Look);
    });
    let mut live = ControlLoop::new(Box::new(store), compiler, OwnProxy::new(Arc::clone(&data_path), issuer));
    let seat = Seat::take(arguments.admin, succession.as_mut(), dns).and_then(|seat| {
        let served = (seat.clone(), arguments.names.known_as(), registry);
        let carries = (Arc::clone(&proxy), Arc::clone(&data_path));
        let state = AppState::new(live.current(), statuses.clone());
        let started = hand::start(served, events, Arc::clone(&status), carries, state, arguments.drain_time);
        started.map(|hand| (seat, hand))
    });
    let (seat, RunningThread { runtime, telemetry }) = match seat {
        Ok(seated) => seated,
        Err(message) => return refuse(&message, Exit::Environment),
    };
    let admin = seat.admin().map(|(address, _)| address);
    let runs_rollouts = statuses.is_some();
    let rollouts =
        statuses.map(|statuses| Running::start(&runtime, statuses, live.current(), telemetry, admin, woken));
    let screen = Screen::new(arguments.source.in_words());
    screen.admin(admin);
    let why = run_loop(&mut live, &mut inbox, |live, turn| {
        caught("screen", || screen.turn(live, turn));
        if !runs_rollouts {
            caught("screen", || screen.not_run(live, turn));
        }
        status.publish(live, turn);
        if let Some(succession) = succession.take_if(|succession| may_take_over(succession, live, &proxy)) {
            let taken_over = taken_over.clone();
            succession.complete(&proxy, seat.clone(), move || {
                // fails only when the process is leaving
                let _ = taken_over.send(WakeEvent::Leave(Leave::TakenOver));
            });
        }
    });
    drop(watch);
    rollouts.into_iter().for_each(Running::stop);
    if why == Leave::TakenOver {
        screen.taken_over();
    }
    seat.leave();
    leave((&proxy, &data_path), &screen, &status, &inbox, arguments.drain_time);
    exporter.finish();
    Exit::Ok
}

fn refuse(message: &str, exit: Exit) -> Exit {
    complain(&format!("error: {message}\n"));
    exit
}

/// Returns `true` if a predecessor may stop: something runs here, and the addresses that it listened on are wanted, or
/// at least not lost by mistake.
fn may_take_over(succession: &mut Succession, live: &ControlLoop<OwnProxy>, proxy: &Proxy) -> bool {
    if !succession.has_predecessor() {
        return true;
    }
    if !live.compiled().is_some_and(|compiled| compiled.is_runnable()) {
        return false;
    }
    let broken = live.problems().has_errors();
    let unclaimed = proxy.unclaimed();
    if broken && !unclaimed.is_empty() {
        succession.hold_back(&unclaimed);
        return false;
    }
    true
}

/// Lets open connections go on for `grace`, or until a second signal.
fn leave(
    (proxy, data_path): (&Arc<Proxy>, &Arc<DataPath>),
    screen: &Screen,
    status: &Status,
    inbox: &Inbox<Leave>,
    grace: Duration,
) {
    while !status.leave() {
        // the process ends when connections have, without this thread
        std::thread::park();
    }
    data_path.leave();
    let open = proxy.counters().active();
    screen.leaving(open, grace);
    let (done, drained) = channel();
    let (draining, in_kernel, begun) = (Arc::clone(proxy), Arc::clone(data_path), Instant::now());
    let drain = std::thread::spawn(move || {
        let report = draining.drain(grace);
        in_kernel.drain(grace.saturating_sub(begun.elapsed()));
        // the receiver is gone only when the process ends
        let _ = done.send(report);
    });
    let report = loop {
        if let Ok(report) = drained.recv_timeout(Duration::from_millis(50)) {
            break report;
        }
        if inbox.try_next() == Some(WakeEvent::Leave(Leave::Asked)) {
            let DrainReport { ended: _, closed } = proxy.drain(Duration::ZERO);
            break DrainReport { ended: open.saturating_sub(closed), closed };
        }
        if drain.is_finished() {
            break drained.try_recv().unwrap_or(DrainReport { ended: open, closed: 0 });
        }
    };
    screen.left(&report);
}

fn compiler(arguments: &Args) -> Result<Compiler, String> {
    let mesh = arguments.mesh.as_deref();
    let key = |text: &String| {
        let key: WrittenProxy = text.parse().map_err(|error| format!("--dataplane: {error}"))?;
        Ok(key.in_mesh(mesh.unwrap_or("default")))
    };
    let named = arguments.dataplanes.iter().map(key).collect::<Result<_, String>>()?;
    let which = ProxySelection::Here { addresses: host::addresses(), named };
    let scope = PlanScope { mesh: mesh.map(MeshName::from), which };
    // no proxy here is an Envoy
    let envoy = EnvoyOptions::default();
    let context = arguments.source.rules.context();
    let zone = arguments.zone.clone();
    Ok(Compiler { context: Context { zone, certified: Some(BTreeSet::new()), ..context }, scope, envoy })
}

/// Destination of lines about finished connections, by the flags `--log` and `--log-format`.
pub(crate) fn connection_log(path: Option<&Path>, format: LogFormat) -> Option<ConnectionLog> {
    let sink = match path?.to_string_lossy() {
        path if path == "-" => LogSink::Stdout,
        path => LogSink::File(path.into()),
    };
    let format = match format {
        LogFormat::Text => LineFormat::Text,
        LogFormat::Json => LineFormat::Json,
    };
    Some(ConnectionLog { sink, format })
}
