//! `meshtcp control-plane`: tells every attached proxy what the resources say, and follows their changes.
//!
//! ```text
//!  files, store ──wake──▶ ControlLoop: resources ─▶ compile ──▶ Fleet ──▶ Service: discovery ⇢ proxies ⇢ ACK, NACK
//!  signals, proxies that attach or answer ─────────wake──┘ └──▶ Screen, admin
//! ```

mod admin;
mod api;
mod first_start;
mod metrics;
mod resources;
mod screen;
mod service;
mod traces;
mod zones;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use ::otlp::Exporter;
use change::compile::{Compiler, PlanScope, ProxySelection};
use change::report::Question;
use control::addresses;
use control::api::{MirrorStore, Plane, Role};
use control::available_services;
use control::certificate::{Certificate, CertificateError, CertificatePart};
use control::discovery::{Publisher, Statuses, TokenGate};
use control::door::raise_descriptors;
use control::fleet::{Fleet, Standing};
use control::guard::caught;
use control::hosts::HostResolver;
use control::identity::{Issuer, IssuerOptions, LeafKeys, keep};
use control::jobs::once;
use control::replicas::Others;
use control::rollouts::{self, RolloutObserver, StatusStore};
use control::run::{
    CompileMetrics, ControlLoop, Current, FleetNews, FleetSink, Inbox, Turn, WakeEvent, run as run_loop,
};
use control::store::StoreMetrics;
use dialect::envoy::{EnvoyOptions, SplitLayout};
use model::MeshName;
use plan::Context;
use resources::Resources;
use screen::Screen;
use service::{Addresses, Secure, Service};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::exit::Exit;
use crate::listen;
use crate::otlp;
use crate::output::complain;
use crate::{duration, names};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    resources: resources::Args,
    #[command(flatten)]
    api: api::ApiArgs,
    /// Where proxies attach: Envoy and `meshtcp proxy` (port 0: any)
    #[arg(long, value_name = "ADDR", value_parser = listen::address, default_value = "127.0.0.1:5678", env = "MESHTCP_XDS")]
    xds: SocketAddr,
    /// Let proxies attach over TLS, with this certificate and its chain, in PEM; may be that of --api-tls-cert
    #[arg(long, value_name = "FILE", requires = "xds_tls_key", env = "MESHTCP_XDS_TLS_CERT")]
    xds_tls_cert: Option<PathBuf>,
    /// The key of --xds-tls-cert, in PEM
    #[arg(long, value_name = "FILE", requires = "xds_tls_cert", env = "MESHTCP_XDS_TLS_KEY")]
    xds_tls_key: Option<PathBuf>,
    /// Serve /metrics, /ready, /healthy, /status and /plan here, e.g. 127.0.0.1:5680 (port 0: any)
    #[arg(long, value_name = "ADDR", value_parser = listen::address, env = "MESHTCP_ADMIN")]
    admin: Option<SocketAddr>,
    /// Only serve proxies of this mesh
    #[arg(long, value_name = "MESH", value_parser = names::mesh)]
    mesh: Option<String>,
    #[command(flatten)]
    zones: zones::ZoneArgs,
    /// How Envoy is told splits
    #[arg(long, value_enum, default_value_t, value_name = "LAYOUT")]
    envoy_split: Split,
    /// The keys of certificates that a mesh's CA signs: P-256 costs half of RSA at each handshake, RSA is what Kuma has
    #[arg(long, value_enum, default_value_t, value_name = "SORT", env = "MESHTCP_LEAF_KEYS")]
    leaf_keys: LeafKeysFlag,
    /// Keep what host names of proxies stand for in this file, for a start while no DNS server answers [default: beside a store
    /// that is one file, or in STATE_DIRECTORY]
    #[arg(long, value_name = "FILE", env = "MESHTCP_HOST_ADDRESSES")]
    host_addresses: Option<PathBuf>,
    /// How long streams may go on after SIGTERM, SIGINT or SIGQUIT before they are ended
    #[arg(long, default_value = "1s", value_parser = duration::parse, value_name = "TIME")]
    drain_time: Duration,
}

impl Args {
    /// Zone of this control plane; `None`: there are no zones.
    fn zone(&self) -> Option<&str> {
        // a control plane of Kuma without a Global is a zone with this name
        self.zones.zone.as_deref().or_else(|| self.api.is_kuma().then_some("default"))
    }
}

/// The keys of certificates that a mesh's CA signs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum LeafKeysFlag {
    /// ECDSA on P-256
    #[default]
    P256,
    /// RSA of 2,048 bits
    Rsa,
}

impl From<LeafKeysFlag> for LeafKeys {
    fn from(flag: LeafKeysFlag) -> Self {
        match flag {
            LeafKeysFlag::P256 => LeafKeys::P256,
            LeafKeysFlag::Rsa => LeafKeys::Rsa,
        }
    }
}

/// How Envoy is told splits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Split {
    /// One cluster an outbound, with weights on its localities: a change of weights cuts no connection
    #[default]
    Endpoints,
    /// One cluster a backend, with weights in the listener, as Kuma does: a change of weights drains the listener
    Clusters,
}

impl Split {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Split::Endpoints => "endpoints",
            Split::Clusters => "clusters",
        }
    }
}

impl From<Split> for SplitLayout {
    fn from(split: Split) -> Self {
        match split {
            Split::Endpoints => SplitLayout::Endpoints,
            Split::Clusters => SplitLayout::Clusters,
        }
    }
}

/// State that the loop shares with the servers: whole values, read without waiting.
#[derive(Clone)]
struct Shared {
    standing: watch::Receiver<Arc<Standing>>,
    /// Standing of the fleet, with the knowledge of other control planes on the store.
    plane: Plane,
    /// Sender of the reports of other control planes on the store.
    others: watch::Sender<Others>,
    current: watch::Receiver<Arc<Current>>,
    statuses: Arc<Statuses>,
    publisher: Arc<Publisher>,
    /// Check of the tokens of proxies; `None`: none is required.
    gate: Option<TokenGate>,
    /// Issuer of certificates.
    issuer: Issuer,
    /// Observer of rollouts at this control plane.
    observer: Arc<RolloutObserver>,
    compiling: CompileMetrics,
    storing: StoreMetrics,
    /// Exporter to an OpenTelemetry collector.
    exporter: Exporter,
}

impl Shared {
    /// Current standing of the fleet.
    fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.standing.borrow())
    }

    /// Resources currently in force.
    fn current(&self) -> Arc<Current> {
        Arc::clone(&self.current.borrow())
    }
}

pub(crate) fn run(arguments: Args) -> Exit {
    if let Err(message) = arguments.resources.make_sense() {
        complain(&format!("error: {message}\n"));
        return Exit::Usage;
    }
    raise_descriptors();
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&format!("no event loop: {error}")),
    };
    let (compiling, storing) = (CompileMetrics::default(), StoreMetrics::default());
    let resources = match runtime.block_on(Resources::open(&arguments.resources, &storing)) {
        Ok(resources) => resources,
        Err(message) => return refuse(&message),
    };
    let mirror = MirrorStore::default();
    let mut api = match api::Plan::of(&arguments, &resources, &mirror) {
        Ok(api) => api,
        Err(message) => return refuse(&message),
    };
    let tls = match certificate("xds", arguments.xds_tls_cert.as_ref(), arguments.xds_tls_key.as_ref()) {
        Ok(tls) => tls,
        Err(message) => return refuse(&message),
    };
    exposed(&arguments).iter().for_each(|warning| complain(warning));
    let context = Context {
        zone: arguments.zone().map(Into::into),
        certified: Some(BTreeSet::new()),
        ..arguments.resources.rules.context()
    };
    let scope = PlanScope { mesh: arguments.mesh.as_deref().map(MeshName::from), which: ProxySelection::All };
    let envoy = EnvoyOptions { split: arguments.envoy_split.into(), ..EnvoyOptions::default() };
    let (publisher, statuses) = (Arc::new(Publisher::default()), Arc::new(Statuses::default()));
    let compiler = Compiler { context, scope, envoy };
    let fleet = Fleet::new(Arc::clone(&publisher), compiler.nothing());
    let standing = fleet.standing();
    let (events, inbox) = channel();
    let options = IssuerOptions {
        keys: arguments.leaf_keys.into(),
        // a control plane that follows files has no place to store a CA
        makes_authorities: resources.store().is_none(),
        zone: compiler.context.zone.as_deref().map(Into::into),
    };
    let look = |events: Sender<WakeEvent<()>>| {
        move || {
            // fails only when the process is leaving
            let _ = events.send(WakeEvent::Look);
        }
    };
    let issuer = Issuer::telling(options, look(events.clone()));
    let sink = FleetSink::new(fleet, Arc::clone(&publisher), Arc::clone(&statuses))
        .guarded(api.gate.clone())
        .issuing(issuer.clone())
        .resolving(HostResolver::start(
            runtime.handle(),
            arguments.host_addresses.clone().or_else(|| arguments.resources.host_addresses()),
            look(events.clone()),
        ));
    let sink = match resources.store() {
        // stored resources are shown as they are
        Some(_) => sink,
        None => sink.mirrored(mirror, runtime.handle().clone()),
    };
    if let Some(store) = resources.store() {
        api.setup.prepared = runtime.block_on(first_start::prepare_first(store, arguments.zone()));
    }
    let screen = Screen::new(resources.in_words());
    let kept = resources.store().cloned();
    let (source, watch) = resources.follow(&runtime, arguments.zone(), events.clone());
    let mut live = ControlLoop::new(source, compiler, sink).counted(compiling.clone());
    if let Some(store) = kept.clone() {
        let (addressed, ranges, current) =
            (Arc::clone(&store), arguments.resources.rules.vips.ranges(), live.current());
        let job = move || addresses::keep(Arc::clone(&addressed), ranges, current.clone());
        runtime.spawn(once(store.leads(), job));
        let (issuer, current, leads) = (issuer.clone(), live.current(), store.leads());
        let counting = arguments.zones.counting();
        let (kept, state) = (Arc::clone(&store), live.current());
        let job = move || available_services::keep(Arc::clone(&kept), state.clone(), counting.clone());
        runtime.spawn(once(leads.clone(), job));
        let job = move || keep(Arc::clone(&store), issuer.clone(), current.clone());
        runtime.spawn(once(leads, job));
    }
    let others = watch::Sender::new(Others::default());
    let plane = Plane::new(standing.clone(), Arc::clone(&statuses))
        .beside(api.setup.instance.as_str().into(), others.subscribe());
    let observer =
        Arc::new(RolloutObserver::new(live.current(), plane.telemetry().clone(), Arc::clone(&statuses)));
    if let Some(store) = kept {
        let (observer, others, leads) = (Arc::clone(&observer), others.subscribe(), store.leads());
        let job = move || {
            rollouts::keep(StatusStore::Store(Arc::clone(&store)), Arc::clone(&observer), others.clone())
        };
        runtime.spawn(once(leads, job));
    }
    let shared = Shared {
        standing,
        plane,
        others,
        current: live.current(),
        statuses,
        publisher,
        gate: api.gate.clone(),
        issuer,
        observer,
        compiling,
        storing,
        exporter: otlp::start("control-plane"),
    };
    let secure = if tls.is_some() { Secure::Tls } else { Secure::Plaintext };
    let addresses = Addresses { xds: (arguments.xds, secure), admin: arguments.admin, api: None };
    let started = Service::start(runtime, addresses, tls, api, arguments.drain_time, events, shared.clone());
    let service = match started {
        Ok(service) => service,
        Err(message) => return refuse(&message),
    };
    screen.serving(service.addresses(), service.socket(), arguments.envoy_split);
    run_loop(&mut live, &mut Inbox::new(inbox), |live, turn| {
        caught("screen", || show(&screen, &shared, live, turn));
    });
    drop(watch);
    screen.leaving(shared.publisher.wanted().len(), arguments.drain_time);
    service.stop();
    shared.exporter.finish();
    Exit::Ok
}

/// Prints the outcome of a turn.
fn show(screen: &Screen, shared: &Shared, live: &ControlLoop<FleetSink>, turn: &Turn<FleetNews>) {
    let standing = shared.standing();
    screen.turn(live, turn, standing.revision);
    if let Some(FleetNews { told, happened, turned_away }) = &turn.news {
        screen.news(told, &standing.compiled);
        screen.happened(happened, |proxy| shared.plane.report(&Question::of_routes_in(proxy.mesh())));
        turned_away.iter().for_each(Screen::turned_away);
    }
}

/// Certificate and key named by the flags of `door`; `None`: no TLS.
fn certificate(
    door: &str,
    certificate: Option<&PathBuf>,
    key: Option<&PathBuf>,
) -> Result<Option<Certificate>, String> {
    let pair = certificate.zip(key).map(|(certificate, key)| Certificate::read(certificate, key));
    pair.transpose().map_err(|error| {
        let half = match &error {
            CertificateError::File { half: CertificatePart::Key, .. } => "key",
            CertificateError::File { half: CertificatePart::Certificate, .. } | CertificateError::Pair(_) => {
                "cert"
            }
        };
        format!("--{door}-tls-{half}: {error}")
    })
}

/// Warnings about unprotected access: tokens of proxies sent in plaintext from other hosts, rights that need no proof.
fn exposed(Args { api, xds, xds_tls_cert, .. }: &Args) -> Vec<String> {
    let in_plain_sight = api.wants_tokens() && xds_tls_cert.is_none() && !xds.ip().is_loopback();
    let plaintext = in_plain_sight.then(|| {
        format!(
            "warning: proxies bring their tokens to {xds} in plaintext: whoever reads along can use them\n  help: \
             --xds-tls-cert and --xds-tls-key\n"
        )
    });
    let unproven = match api.localhost() {
        Role::Nobody | Role::Reader => None,
        Role::Writer => Some("change everything but secrets"),
        Role::Admin => Some("do everything"),
    };
    let unproven = unproven.map(|rights| {
        format!(
            "warning: whoever reaches the API over a loopback address, also through a reverse proxy or a tunnel, may {rights} without \
             a token\n  help: --api-localhost reader, unless nobody else works on this host and nothing forwards to it\n"
        )
    });
    plaintext.into_iter().chain(unproven).collect()
}

fn refuse(message: &str) -> Exit {
    complain(&format!("error: {message}\n"));
    Exit::Environment
}
