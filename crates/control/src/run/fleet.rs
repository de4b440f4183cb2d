//! Fleet of a control plane as a sink of the loop.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use change::Candidate;
use change::compile::{Compiled, host_names};
use change::status::TurnedAway;
use jiff::Timestamp;
use model::Problem;
use plan::{ProxyFeatures, ProxyId, Snapshot};
use tokio::runtime::Handle;
use xds::Family;

use super::{AcceptedState, Sink};
use crate::api::MirrorStore;
use crate::discovery::{Publisher, Statuses, TokenGate};
use crate::fleet::{Fleet, ProxyEvent, PublishOutcome};
use crate::hosts::HostResolver;
use crate::identity::{Certified, Issuer, OutsideSecrets};

/// Fleet of a control plane, with the other readers of the same state.
#[derive(Debug)]
pub struct FleetSink {
    fleet: Fleet,
    publisher: Arc<Publisher>,
    statuses: Arc<Statuses>,
    /// Gate for tokens; `None`: anybody may attach.
    gate: Option<TokenGate>,
    /// Issuer of certificates; `None`: none are issued.
    issuer: Option<Issuer>,
    certified: Certified,
    /// Resolver of host names; `None`: none are resolved here.
    hosts: Option<HostResolver>,
    /// Mirror in which the API shows the resources; `None`: it shows a store.
    mirror: Option<(MirrorStore, Handle)>,
}

/// News of a fleet.
#[derive(Debug, Default)]
pub struct FleetNews {
    /// Results of publishing to proxies.
    pub told: Vec<PublishOutcome>,
    /// Events of proxies.
    pub happened: Vec<ProxyEvent>,
    /// Clients that were refused attachment.
    pub turned_away: Vec<TurnedAway>,
}

impl FleetSink {
    /// Creates a sink over a fleet; `statuses` has the answers of its proxies.
    pub fn new(fleet: Fleet, publisher: Arc<Publisher>, statuses: Arc<Statuses>) -> Self {
        Self {
            fleet,
            publisher,
            statuses,
            gate: None,
            issuer: None,
            certified: Certified::default(),
            hosts: None,
            mirror: None,
        }
    }

    /// Adds a gate, which gets the Dataplanes of each state.
    #[must_use]
    pub fn guarded(self, gate: Option<TokenGate>) -> Self {
        Self { gate, ..self }
    }

    /// Adds an issuer, which gets the authorities of each state.
    #[must_use]
    pub fn issuing(self, issuer: Issuer) -> Self {
        Self { issuer: Some(issuer), ..self }
    }

    /// Adds a resolver: proxies get addresses instead of host names.
    #[must_use]
    pub fn resolving(self, hosts: HostResolver) -> Self {
        Self { hosts: Some(hosts), ..self }
    }

    /// Adds a mirror of the resources, which is written on a runtime.
    #[must_use]
    pub fn mirrored(self, mirror: MirrorStore, runtime: Handle) -> Self {
        Self { mirror: Some((mirror, runtime)), ..self }
    }

    /// Returns the fleet.
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    fn news(&mut self, told: Vec<PublishOutcome>) -> FleetNews {
        let happened = self.fleet.observe(&self.statuses);
        FleetNews { told, happened, turned_away: self.statuses.take_turned_away() }
    }

    fn attached(&self) -> BTreeSet<(ProxyId, Family)> {
        self.publisher.wanted().into_iter().collect()
    }
}

impl Sink for FleetSink {
    type News = FleetNews;

    /// Returns the dialect in which it is attached; `None`: it is not attached, or under one name in both.
    fn family(&self, proxy: &ProxyId) -> Option<Family> {
        let speaks = |family| self.publisher.is_wanted(proxy, family);
        match (speaks(Family::Envoy), speaks(Family::L4)) {
            (true, false) => Some(Family::Envoy),
            (false, true) => Some(Family::L4),
            (true, true) | (false, false) => None,
        }
    }

    /// Returns none: the limitations of a dialect are reported when a proxy of it attaches; before, its dialect is
    /// unknown.
    fn families(&self) -> &'static [Family] {
        &[]
    }

    /// Returns none: a plan that cannot be expressed for one Envoy holds nobody up. Proxies that wait for it get it at
    /// once, and what cannot be expressed is known before it is in force.
    fn examine(&mut self, compiled: &Compiled, _: &Candidate) -> Vec<Problem> {
        let attached = self.attached();
        let envoys = attached.iter().filter(|(_, family)| *family == Family::Envoy).map(|(key, _)| key);
        compiled.say_to_envoy(envoys);
        Vec::new()
    }

    fn adopt(&mut self, accepted: AcceptedState<'_>, now: Instant) -> FleetNews {
        let AcceptedState { before: _, compiled, ledger, revision, epoch } = accepted;
        if let Some((mirror, runtime)) = &self.mirror
            && let Err(error) = runtime.block_on(mirror.reflect(ledger))
        {
            tracing::error!(%error, "the API does not show what is in force");
        }
        if let Some(gate) = &self.gate {
            gate.follow(Arc::clone(&compiled.snapshot));
        }
        if let Some(issuer) = &self.issuer {
            // before proxies ask according to this state
            issuer.learn(ledger);
        }
        if let Some(hosts) = &self.hosts {
            hosts.keep(&host_names(ledger));
        }
        let revision = revision.unwrap_or_else(|| self.fleet.revision().next());
        // it was there when the turn began
        let at = Timestamp::now() - now.elapsed();
        let accepted = change::rollout::Accepted { revision, at, epoch };
        let told = self.fleet.adopt(Arc::clone(compiled), accepted);
        self.news(told)
    }

    fn attend(&mut self, _: Instant) -> Option<FleetNews> {
        let told = self.fleet.attend();
        let news = self.news(told);
        let something = !news.told.is_empty() || !news.happened.is_empty() || !news.turned_away.is_empty();
        something.then_some(news)
    }

    fn certified(&mut self, snapshot: &Arc<Snapshot>) -> Option<BTreeSet<(String, String)>> {
        self.certified.news(self.issuer.as_ref()?, snapshot)
    }

    fn outside(&self) -> Option<Arc<OutsideSecrets>> {
        Some(Arc::clone(&self.issuer.as_ref()?.outside().borrow()))
    }

    fn hosts(&self) -> Option<&HostResolver> {
        self.hosts.as_ref()
    }

    fn announced(&mut self) -> Option<BTreeMap<ProxyId, ProxyFeatures>> {
        self.publisher.take_announced()
    }

    /// Returns `None`: proxies wake the loop.
    fn due(&self) -> Option<Instant> {
        None
    }
}
