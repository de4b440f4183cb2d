//! Issuer of certificates, on a thread of its own.
//!
//! ```text
//!  resources ─learn─▶ Sources ─read─▶ Material ─┐
//!  streams ───want, left─────────────────────────┴▶ Issuing ─▶ Held, for the streams that watch a proxy
//! ```
//!
//! The rules are in [`issue`](super::issue); here are the clock, the draws, the files and the thread. The certificate
//! of a proxy is made for as long as it is attached: nothing of it is stored.

mod answer;
mod files;
mod material;
mod metrics;
mod outside;
mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use change::Ledger;
use change::certificates::{CertificateReport, CertificateRow, RotationOrder};
use change::replica::Replica;
use jiff::Timestamp;
use model::ProxyKey;
use plan::Mtls;
use tokio::sync::watch;

use super::issue::{AuthorityId, Former, HeldCertificate, Issuing, LeafKeys, Request, SigningSettings};
use super::outside::{OutsideSecrets, Place, places};
use super::sources::{self, Lack, Source};
use crate::guard::again;
use material::Reader;
use outside::OutsideReader;

pub use answer::{IssuerAnswer, holder};
pub use metrics::IssuerMetrics;

/// Interval at which sources without change notifications are read again: files, environment.
const READ_AGAIN: Duration = Duration::from_secs(5);
/// Limit on the time without a look: a clock that was set, or a host that slept, is noticed within this.
const LONGEST_NAP: Duration = Duration::from_secs(30);
/// Limit on the rotations that are passed on to others. Each is done once, so older ones are known to all.
const ROTATIONS: usize = 8;
/// Number of proxies for which certificates are made before other messages are taken.
const AT_ONCE: usize = 64;

/// Options of an issuer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IssuerOptions {
    /// Sort of the keys of certificates of a mesh's CA.
    pub keys: LeafKeys,
    /// `true`: the CA of a `builtin` backend, or the authority of a MeshIdentity with `autogenerate`, is made here if
    /// no resource has it, and lives as long as this process: where resources are files that nobody here writes.
    pub makes_authorities: bool,
    /// Zone by which trust domains may be named; `None`: none.
    pub zone: Option<Arc<str>>,
}

/// Issuer of certificates. Cloning shares everything.
#[derive(Clone)]
pub struct Issuer {
    asks: Sender<Command>,
    shared: Arc<Shared>,
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").finish_non_exhaustive()
    }
}

/// State of an authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AuthorityState {
    /// Certificates in PEM, the signing one first; `Err`: the reason why it does not sign, in words.
    pub(super) chain: Result<Vec<Arc<str>>, String>,
    /// Certificates in force, and those that they replaced.
    pub(super) written: Former,
}

enum Command {
    Learn(Learnt),
    Want(ProxyKey, Request),
    Left(ProxyKey),
    Rotate(RotationOrder, tokio::sync::oneshot::Sender<usize>),
    Heard(Vec<Arc<CertificateRow>>, Vec<RotationOrder>),
}

/// State taken from resources.
struct Learnt {
    sources: BTreeMap<AuthorityId, Source>,
    /// Authorities that are to be made here.
    lacking: BTreeMap<AuthorityId, Lack>,
    /// Places of secrets for services outside the mesh.
    outside: BTreeMap<plan::ExternalSecret, Place>,
}

struct Shared {
    options: IssuerOptions,
    // held for one look-up, one change or one copy
    held: Mutex<BTreeMap<ProxyKey, watch::Sender<Option<Arc<HeldCertificate>>>>>,
    /// Certificates of the proxies with requests here.
    own: watch::Sender<Arc<CertificateReport>>,
    /// Certificates of the proxies with requests here and elsewhere.
    report: watch::Sender<Arc<CertificateReport>>,
    /// States of authorities.
    known: watch::Sender<BTreeMap<AuthorityId, AuthorityState>>,
    outside: watch::Sender<Arc<OutsideSecrets>>,
    /// Last rotations requested here.
    rotations: watch::Sender<Arc<[RotationOrder]>>,
    metrics: IssuerMetrics,
}

impl Shared {
    fn held(&self) -> MutexGuard<'_, BTreeMap<ProxyKey, watch::Sender<Option<Arc<HeldCertificate>>>>> {
        // each change of it is one step
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, proxy: &ProxyKey, held: Option<HeldCertificate>) {
        if let Some(sender) = self.held().get(proxy) {
            sender.send_if_modified(|last| {
                let differs = last.as_deref() != held.as_ref();
                if differs {
                    *last = held.map(Arc::new);
                }
                differs
            });
        }
    }
}

impl Issuer {
    /// Starts an issuer. It ends with its last clone.
    pub fn start(options: IssuerOptions) -> Self {
        Self::telling(options, || {})
    }

    /// Starts an issuer as [`Issuer::start`] does, which calls `told` whenever some proxy may have another certificate,
    /// or none any more.
    pub fn telling(options: IssuerOptions, told: impl Fn() + Send + 'static) -> Self {
        let (asks, asked) = channel();
        let shared = Arc::new(Shared {
            options,
            held: Mutex::default(),
            own: watch::Sender::default(),
            report: watch::Sender::default(),
            known: watch::Sender::default(),
            outside: watch::Sender::default(),
            rotations: watch::Sender::new([].into()),
            metrics: IssuerMetrics::default(),
        });
        let mut work = Work {
            issuing: Issuing::default(),
            reader: Reader::default(),
            outside: OutsideReader::default(),
            elsewhere: Vec::new(),
            has_heard: false,
            rotated: BTreeSet::new(),
            shared: Arc::clone(&shared),
            told: Box::new(told),
        };
        std::thread::spawn(move || again("certificates", || work.go_on(&asked)));
        Self { asks, shared }
    }

    /// Takes over the authorities and the secrets for services outside the mesh that resources define.
    pub fn learn(&self, ledger: &Ledger) {
        let IssuerOptions { keys, makes_authorities, zone } = &self.shared.options;
        let sources = sources::of(ledger, *keys, zone.as_deref());
        let lacking = sources.keys().filter(|_| *makes_authorities);
        let lacking =
            lacking.filter_map(|id| Some((id.clone(), sources::lacking(ledger, id, zone.as_deref())?)));
        let lacking = lacking.collect();
        self.ask(Command::Learn(Learnt { sources, lacking, outside: places(ledger) }));
    }

    /// Returns the current and future certificates of a proxy, once it [asked](Self::want).
    pub(crate) fn watch(&self, proxy: &ProxyKey) -> watch::Receiver<Option<Arc<HeldCertificate>>> {
        self.shared.held().entry(proxy.clone()).or_default().subscribe()
    }

    /// Requests the certificate that a proxy's plan names. Repeating the same request costs nothing.
    pub fn want(&self, proxy: &ProxyKey, mtls: &Mtls) {
        self.shared.held().entry(proxy.clone()).or_default();
        if let Some(request) = Request::of(mtls) {
            self.ask(Command::Want(proxy.clone(), request));
        }
    }

    /// Notes that a proxy left.
    pub fn left(&self, proxy: &ProxyKey) {
        self.shared.held().remove(proxy);
        self.ask(Command::Left(proxy.clone()));
    }

    /// Reissues certificates now: those of a mesh, or of one proxy of it; here, and at the other control planes that
    /// hear of it. Returns the number of proxies here.
    pub async fn rotate(&self, mesh: Option<String>, proxy: Option<String>) -> usize {
        let rotation = RotationOrder { id: super::fresh_id().into(), mesh, proxy };
        let report = Arc::clone(&self.shared.report.borrow());
        let elsewhere = report.certified().filter(|(proxy, row)| {
            row.control_plane.is_some() && rotation.concerns(proxy.mesh.as_str(), proxy.name.as_str())
        });
        let elsewhere = elsewhere.count();
        self.shared.rotations.send_modify(|last| {
            let kept = last.iter().rev().take(ROTATIONS - 1).rev().cloned();
            *last = kept.chain([rotation.clone()]).collect();
        });
        let (tell, told) = tokio::sync::oneshot::channel();
        self.ask(Command::Rotate(rotation, tell));
        elsewhere + told.await.unwrap_or_default()
    }

    /// Takes over the state of other control planes on the store: the certificates that they made, and the rotations
    /// requested there.
    pub fn hear(&self, elsewhere: &[Replica]) {
        let certificates = elsewhere.iter().flat_map(|replica| replica.certificates.values());
        let rotations = elsewhere.iter().flat_map(|replica| &replica.rotations);
        self.ask(Command::Heard(certificates.cloned().collect(), rotations.cloned().collect()));
    }

    /// Returns the state for the others on the store, as a shared value: it is another one when something changed.
    pub(crate) fn told(&self) -> ToldToOthers {
        let Shared { own, rotations, .. } = &*self.shared;
        ToldToOthers { certificates: Arc::clone(&own.borrow()), rotations: Arc::clone(&rotations.borrow()) }
    }

    /// Returns the certificates of all proxies, wherever they were made, now and from now on.
    pub fn report(&self) -> watch::Receiver<Arc<CertificateReport>> {
        self.shared.report.subscribe()
    }

    /// Returns the secrets for services outside the mesh, now and from now on.
    pub fn outside(&self) -> watch::Receiver<Arc<OutsideSecrets>> {
        self.shared.outside.subscribe()
    }

    /// Returns the states of authorities, now and from now on.
    pub(super) fn known(&self) -> watch::Receiver<BTreeMap<AuthorityId, AuthorityState>> {
        self.shared.known.subscribe()
    }

    /// Returns the metrics.
    pub fn metrics(&self) -> &IssuerMetrics {
        &self.shared.metrics
    }

    fn ask(&self, ask: Command) {
        // fails only when the process ends
        let _ = self.asks.send(ask);
    }
}

/// State of an issuer for the others on the store.
#[derive(Clone, Debug)]
pub(crate) struct ToldToOthers {
    certificates: Arc<CertificateReport>,
    rotations: Arc<[RotationOrder]>,
}

impl ToldToOthers {
    /// Returns `true` if it is the very same value.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.certificates, &other.certificates) && Arc::ptr_eq(&self.rotations, &other.rotations)
    }

    /// Adds this to the state of a replica.
    pub(crate) fn beside(&self, replica: Replica) -> Replica {
        let Self { certificates, rotations } = self;
        let rows = certificates.proxies.iter();
        let certificates = rows.map(|row| (format!("{}/{}", row.mesh, row.name), Arc::new(row.clone())));
        Replica { certificates: certificates.collect(), rotations: rotations.to_vec(), ..replica }
    }
}

struct Work {
    issuing: Issuing,
    reader: Reader,
    outside: OutsideReader,
    /// Certificates that other control planes on the store made.
    elsewhere: Vec<Arc<CertificateRow>>,
    /// `true`: those are new.
    has_heard: bool,
    /// Ids of rotations of others that are done.
    rotated: BTreeSet<Arc<str>>,
    shared: Arc<Shared>,
    told: Box<dyn Fn() + Send>,
}

impl Work {
    /// Runs until nobody can ask any more.
    fn go_on(&mut self, asked: &Receiver<Command>) {
        loop {
            match asked.recv_timeout(self.nap()) {
                Ok(ask) => self.take(ask),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            while let Ok(ask) = asked.try_recv() {
                self.take(ask);
            }
            self.turn();
        }
    }

    fn nap(&self) -> Duration {
        let now = Timestamp::now();
        let until = |due: Timestamp| Duration::try_from(due.duration_since(now)).unwrap_or_default();
        let due = self.issuing.due().map_or(LONGEST_NAP, until);
        let again = self.reader.due().into_iter().chain(self.outside.due()).min();
        let again = again.map_or(LONGEST_NAP, |at| at.saturating_duration_since(Instant::now()));
        due.min(again).min(LONGEST_NAP)
    }

    fn take(&mut self, ask: Command) {
        match ask {
            Command::Learn(Learnt { sources, lacking, outside }) => {
                self.reader.follow(sources, lacking);
                self.outside.follow(outside);
            }
            Command::Heard(elsewhere, rotations) => {
                self.has_heard |= self.elsewhere != elsewhere;
                self.elsewhere = elsewhere;
                let done =
                    std::mem::replace(&mut self.rotated, rotations.iter().map(|it| it.id.clone()).collect());
                for rotation in rotations.iter().filter(|it| !done.contains(&it.id)) {
                    self.rotate(rotation);
                }
            }
            Command::Want(proxy, request) => self.issuing.want(&proxy, request),
            Command::Left(proxy) => self.issuing.left(&proxy),
            Command::Rotate(rotation, tell) => {
                // the caller may have gone
                let _ = tell.send(self.rotate(&rotation));
            }
        }
    }

    fn rotate(&mut self, rotation: &RotationOrder) -> usize {
        self.issuing.rotate(|proxy| rotation.concerns(proxy.mesh.as_str(), proxy.name.as_str()))
    }

    fn turn(&mut self) {
        let now = Timestamp::now();
        let mut all = false;
        if let Some(materials) = self.reader.read(now) {
            self.issuing.learn(materials, now);
            all = true;
        }
        all |= self.issuing.gather(now);
        let seen = self.issuing.step(now, &mut fastrand::f64, AT_ONCE);
        let whom: Vec<ProxyKey> = match all {
            true => self.issuing.holders().map(|(proxy, _)| proxy.clone()).collect(),
            false => seen,
        };
        self.shared.known.send_if_modified(|last| {
            let written = self.issuing.written().map(|(_, written)| written);
            let chain = |signs: &Result<SigningSettings, String>| match signs {
                Ok(signs) => Ok(signs.authority.chain().to_vec()),
                Err(why) => Err(why.clone()),
            };
            let all = self.issuing.authorities().zip(written);
            let now = all.map(|((id, signs, _), written)| {
                (id.clone(), AuthorityState { chain: chain(signs), written })
            });
            let now = now.collect();
            let differs = *last != now;
            *last = now;
            differs
        });
        let outside = self.outside.read();
        let has_heard = std::mem::take(&mut self.has_heard);
        if !all && whom.is_empty() && outside.is_none() && !has_heard {
            return;
        }
        if let Some(outside) = outside {
            self.shared.outside.send_replace(outside);
        }
        for proxy in whom {
            self.shared.tell(&proxy, self.issuing.held(&proxy));
        }
        let own = Arc::new(report::of(&self.issuing, &self.shared.outside.borrow()));
        self.shared.metrics.take(&own, &self.issuing);
        let everywhere = match self.elsewhere.as_slice() {
            [] => Arc::clone(&own),
            elsewhere => Arc::new(own.with(elsewhere)),
        };
        self.shared.own.send_replace(own);
        self.shared.report.send_replace(everywhere);
        (self.told)();
    }
}
