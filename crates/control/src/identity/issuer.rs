//! Issues certificates, on a thread of its own.
//!
//! ```text
//!  resources ─learn─▶ Sources ─read─▶ Material ─┐
//!  streams ───want, left─────────────────────────┴▶ Issuing ─▶ Held, for whoever watches a proxy
//! ```
//!
//! The law is in [`issue`](super::issue); here are the clock, the draws, the files and the thread. What a proxy has is made for as
//! long as it is attached: nothing of it is stored.

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
use change::certificates::{CertificateReport, CertificateRow, Rotation};
use change::replica::Replica;
use jiff::Timestamp;
use model::ProxyKey;
use plan::Mtls;
use tokio::sync::watch;

use super::issue::{AuthorityId, Former, Held, Issuing, LeafKeys, Request, Signs};
use super::outside::{Outside, Place, places};
use super::sources::{self, Lack, Source};
use crate::guard::again;
use material::Reader;
use outside::OutsideReader;

pub use answer::{Answer, holder};
pub use metrics::IssuerMetrics;

/// How often what no resource tells of is read again: files, environment.
const READ_AGAIN: Duration = Duration::from_secs(5);
/// How long nothing is looked at: a clock that was set, or a host that slept, is noticed within this.
const LONGEST_NAP: Duration = Duration::from_secs(30);
/// How many rotations others are told of. Each is done once, so those of long ago are known to all.
const ROTATIONS: usize = 8;
/// For how many proxies certificates are made before others are heard.
const AT_ONCE: usize = 64;

/// How certificates are issued.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IssuerOptions {
    /// The keys of certificates of a mesh's CA.
    pub keys: LeafKeys,
    /// Whether the CA of a `builtin` backend, or the authority of a MeshIdentity with `autogenerate`, that no resource has is
    /// made here, and lives as long as this process: where resources are files that nobody here writes.
    pub makes_authorities: bool,
    /// The zone, which trust domains may be named by; `None`: none.
    pub zone: Option<Arc<str>>,
}

/// Issues certificates. Cloning shares everything.
#[derive(Clone)]
pub struct Issuer {
    asks: Sender<Ask>,
    shared: Arc<Shared>,
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").finish_non_exhaustive()
    }
}

/// What is known of an authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// Its certificates in PEM, that which signs first; or why it does not sign, in words.
    pub(super) chain: Result<Vec<Arc<str>>, String>,
    /// Which certificates are in force, and what they replaced.
    pub(super) written: Former,
}

enum Ask {
    Learn(Learnt),
    Want(ProxyKey, Request),
    Left(ProxyKey),
    Rotate(Rotation, tokio::sync::oneshot::Sender<usize>),
    Heard(Vec<Arc<CertificateRow>>, Vec<Rotation>),
}

/// What resources say.
struct Learnt {
    sources: BTreeMap<AuthorityId, Source>,
    /// The authorities that are to be made here.
    lacking: BTreeMap<AuthorityId, Lack>,
    /// Where secrets about services outside the mesh are.
    outside: BTreeMap<plan::ExternalSecret, Place>,
}

struct Shared {
    options: IssuerOptions,
    // held for one look-up, one change or one copy
    held: Mutex<BTreeMap<ProxyKey, watch::Sender<Option<Arc<Held>>>>>,
    /// Of the proxies that asked here.
    own: watch::Sender<Arc<CertificateReport>>,
    /// Of those that asked elsewhere, too.
    report: watch::Sender<Arc<CertificateReport>>,
    /// What is known of authorities.
    known: watch::Sender<BTreeMap<AuthorityId, Known>>,
    outside: watch::Sender<Arc<Outside>>,
    /// What was asked for here last.
    rotations: watch::Sender<Arc<[Rotation]>>,
    metrics: IssuerMetrics,
}

impl Shared {
    fn held(&self) -> MutexGuard<'_, BTreeMap<ProxyKey, watch::Sender<Option<Arc<Held>>>>> {
        // each change of it is one step
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, proxy: &ProxyKey, held: Option<Held>) {
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
    /// Begins to issue. It ends with its last clone.
    pub fn start(options: IssuerOptions) -> Self {
        Self::telling(options, || {})
    }

    /// The same, and calls `told` whenever some proxy may have something else, or none any more.
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

    /// Takes note of what resources say of authorities, and of secrets about services outside the mesh.
    pub fn learn(&self, ledger: &Ledger) {
        let IssuerOptions { keys, makes_authorities, zone } = &self.shared.options;
        let sources = sources::of(ledger, *keys, zone.as_deref());
        let lacking = sources.keys().filter(|_| *makes_authorities);
        let lacking =
            lacking.filter_map(|id| Some((id.clone(), sources::lacking(ledger, id, zone.as_deref())?)));
        let lacking = lacking.collect();
        self.ask(Ask::Learn(Learnt { sources, lacking, outside: places(ledger) }));
    }

    /// What a proxy has now and from now on, once it [asked](Self::want).
    pub(crate) fn watch(&self, proxy: &ProxyKey) -> watch::Receiver<Option<Arc<Held>>> {
        self.shared.held().entry(proxy.clone()).or_default().subscribe()
    }

    /// A proxy asks for what its plan says. Asking for the same again costs nothing.
    pub fn want(&self, proxy: &ProxyKey, mtls: &Mtls) {
        self.shared.held().entry(proxy.clone()).or_default();
        if let Some(request) = Request::of(mtls) {
            self.ask(Ask::Want(proxy.clone(), request));
        }
    }

    /// A proxy left.
    pub fn left(&self, proxy: &ProxyKey) {
        self.shared.held().remove(proxy);
        self.ask(Ask::Left(proxy.clone()));
    }

    /// Has certificates made anew now: those of a mesh, or of one proxy of it; here, and by who hears of it elsewhere. Returns
    /// of how many proxies.
    pub async fn rotate(&self, mesh: Option<String>, proxy: Option<String>) -> usize {
        let rotation = Rotation { id: super::fresh_id().into(), mesh, proxy };
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
        self.ask(Ask::Rotate(rotation, tell));
        elsewhere + told.await.unwrap_or_default()
    }

    /// Takes note of what other control planes on the store tell: certificates that they made, and what they were asked to
    /// have made anew.
    pub fn hear(&self, elsewhere: &[Replica]) {
        let certificates = elsewhere.iter().flat_map(|replica| replica.certificates.values());
        let rotations = elsewhere.iter().flat_map(|replica| &replica.rotations);
        self.ask(Ask::Heard(certificates.cloned().collect(), rotations.cloned().collect()));
    }

    /// What others on the store hear of it, held: it is another value when something else is to be told.
    pub(crate) fn told(&self) -> ToldToOthers {
        let Shared { own, rotations, .. } = &*self.shared;
        ToldToOthers { certificates: Arc::clone(&own.borrow()), rotations: Arc::clone(&rotations.borrow()) }
    }

    /// Who has which certificate, wherever it was made, now and from now on.
    pub fn report(&self) -> watch::Receiver<Arc<CertificateReport>> {
        self.shared.report.subscribe()
    }

    /// The secrets about services outside the mesh, now and from now on.
    pub fn outside(&self) -> watch::Receiver<Arc<Outside>> {
        self.shared.outside.subscribe()
    }

    /// What is known of authorities, now and from now on.
    pub(super) fn known(&self) -> watch::Receiver<BTreeMap<AuthorityId, Known>> {
        self.shared.known.subscribe()
    }

    /// What it counts.
    pub fn metrics(&self) -> &IssuerMetrics {
        &self.shared.metrics
    }

    fn ask(&self, ask: Ask) {
        // fails only when the process ends
        let _ = self.asks.send(ask);
    }
}

/// What an issuer tells others on the store.
#[derive(Clone, Debug)]
pub(crate) struct ToldToOthers {
    certificates: Arc<CertificateReport>,
    rotations: Arc<[Rotation]>,
}

impl ToldToOthers {
    /// Whether it is the very same.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.certificates, &other.certificates) && Arc::ptr_eq(&self.rotations, &other.rotations)
    }

    /// What a control plane tells, with this.
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
    /// The certificates that other control planes on the store made.
    elsewhere: Vec<Arc<CertificateRow>>,
    /// Whether those are new.
    has_heard: bool,
    /// The rotations of others that are done.
    rotated: BTreeSet<Arc<str>>,
    shared: Arc<Shared>,
    told: Box<dyn Fn() + Send>,
}

impl Work {
    /// Until nobody can ask any more.
    fn go_on(&mut self, asked: &Receiver<Ask>) {
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

    fn take(&mut self, ask: Ask) {
        match ask {
            Ask::Learn(Learnt { sources, lacking, outside }) => {
                self.reader.follow(sources, lacking);
                self.outside.follow(outside);
            }
            Ask::Heard(elsewhere, rotations) => {
                self.has_heard |= self.elsewhere != elsewhere;
                self.elsewhere = elsewhere;
                let done =
                    std::mem::replace(&mut self.rotated, rotations.iter().map(|it| it.id.clone()).collect());
                for rotation in rotations.iter().filter(|it| !done.contains(&it.id)) {
                    self.rotate(rotation);
                }
            }
            Ask::Want(proxy, request) => self.issuing.want(&proxy, request),
            Ask::Left(proxy) => self.issuing.left(&proxy),
            Ask::Rotate(rotation, tell) => {
                // who asked may have gone
                let _ = tell.send(self.rotate(&rotation));
            }
        }
    }

    fn rotate(&mut self, rotation: &Rotation) -> usize {
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
            let chain = |signs: &Result<Signs, String>| match signs {
                Ok(signs) => Ok(signs.authority.chain().to_vec()),
                Err(why) => Err(why.clone()),
            };
            let all = self.issuing.authorities().zip(written);
            let now =
                all.map(|((id, signs, _), written)| (id.clone(), Known { chain: chain(signs), written }));
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
