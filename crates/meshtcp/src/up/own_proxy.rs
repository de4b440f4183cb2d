//! Proxy in this process as the sink of compiled states.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use change::compile::{Compiled, conflicts};
use change::{Candidate, problem_of};
use control::hosts::HostResolver;
use control::identity::{Certified, Issuer, IssuerAnswer, OutsideSecrets, holder};
use control::run::{AcceptedState, Sink};
use l4::{Config, ProxyName};
use model::{Problem, ProxyKey, Severity};
use plan::{ProxyFeatures, ProxyId, Snapshot};
use proxy::ApplyReport;
use xds::{Family, ResourceSet};

use crate::data_path::DataPath;

/// Interval between attempts to bind addresses that could not be bound.
const RETRY: Duration = Duration::from_secs(1);

/// Proxy in this process, and the state that it was given.
pub(crate) struct OwnProxy {
    data_path: Arc<DataPath>,
    issuer: Issuer,
    certified: Certified,
    config: Config,
    /// State in force; `None`: none yet.
    compiled: Option<Arc<Compiled>>,
    /// Secrets of its proxies, by proxy; connections that need a missing one are refused.
    secrets: BTreeMap<ProxyId, ResourceSet>,
    /// Proxies that hold certificates.
    holders: BTreeSet<ProxyKey>,
    /// Facts about services outside the mesh.
    outside: Arc<OutsideSecrets>,
    /// Listeners that cannot be bound, in words.
    failed: Vec<String>,
    retry_at: Option<Instant>,
    generation: u64,
    /// Routes without effect here, each with the reason.
    idle_routes: BTreeMap<String, String>,
}

/// News about the proxy.
#[derive(Debug, Default)]
pub(crate) struct OwnNews {
    /// `true`: it was given another configuration.
    pub(crate) told: bool,
    /// Routes without effect here that were not reported before, each with the reason.
    pub(crate) idle_routes: Vec<(String, String)>,
    /// Listeners that could not be bound and were not reported before.
    pub(crate) failed: Vec<String>,
    /// Listeners that could not be bound before and now are.
    pub(crate) bound: Vec<String>,
}

impl OwnProxy {
    /// Creates a proxy that runs nothing yet, with certificates from an issuer.
    pub(crate) fn new(data_path: Arc<DataPath>, issuer: Issuer) -> Self {
        Self {
            data_path,
            issuer,
            certified: Certified::default(),
            config: Config::default(),
            compiled: None,
            secrets: BTreeMap::new(),
            holders: BTreeSet::new(),
            outside: Arc::default(),
            failed: Vec::new(),
            retry_at: None,
            generation: 0,
            idle_routes: BTreeMap::new(),
        }
    }

    /// Listeners that cannot be bound, in words.
    pub(crate) fn failed(&self) -> &[String] {
        &self.failed
    }

    /// Generation of the running configuration.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Updates the secrets of its proxies. Returns `true` if any changed; unchanged ones are kept.
    fn look_for_secrets(&mut self, compiled: &Compiled) -> bool {
        let (mut secrets, mut holders) = (BTreeMap::new(), BTreeSet::new());
        for (key, proxy) in &compiled.proxies {
            let identities: Vec<_> = proxy.plan.identities().into_iter().cloned().collect();
            if identities.is_empty() {
                continue;
            }
            holders.extend(identities.iter().map(|mtls| holder(key, mtls)));
            let known = self.secrets.get(key);
            let now = match self.issuer.answer(key, &identities, Family::L4) {
                IssuerAnswer::Secrets(set) => Some(set),
                IssuerAnswer::Pending | IssuerAnswer::Lacking(_) => known.cloned(),
            };
            secrets.extend(now.map(|set| (key.clone(), set)));
        }
        for gone in self.holders.difference(&holders) {
            self.issuer.left(gone);
        }
        self.holders = holders;
        let outside = Arc::clone(&self.issuer.outside().borrow());
        let differs = self.secrets != secrets || self.outside != outside;
        (self.secrets, self.outside) = (secrets, outside);
        differs
    }

    /// Configuration for a state, with the available secrets.
    fn parse(&self, compiled: &Compiled) -> Result<Config, l4::Problems> {
        let with_secrets: Vec<_> = compiled
            .proxies
            .iter()
            .map(|(key, proxy)| {
                let set = &proxy.told.l4().resources;
                let outside = self.outside.said(&proxy.plan.external_secrets(), Family::L4);
                let secrets = self.secrets.get(key).map_or(outside.clone(), |own| own.beside(&outside));
                (ProxyName::new(key.to_string()), Arc::new(set.beside(&secrets)))
            })
            .collect();
        let sets: Vec<_> = with_secrets.iter().map(|(name, set)| (name.clone(), set.as_ref())).collect();
        Config::parse(&sets)
    }

    fn apply(&mut self, news: &mut OwnNews, now: Instant) {
        let ApplyReport { generation, opened: _, kept: _, closed: _, failed } =
            self.data_path.apply(self.config.clone());
        let failed: Vec<String> = failed.iter().map(ToString::to_string).collect();
        news.failed = failed.iter().filter(|it| !self.failed.contains(it)).cloned().collect();
        news.bound = self.failed.iter().filter(|it| !failed.contains(it)).cloned().collect();
        self.retry_at = (!failed.is_empty()).then(|| now + RETRY);
        self.failed = failed;
        self.generation = generation;
    }
}

impl Sink for OwnProxy {
    type News = OwnNews;

    fn family(&self, _: &ProxyId) -> Option<Family> {
        Some(Family::L4)
    }

    fn families(&self) -> &'static [Family] {
        &[Family::L4]
    }

    /// Problems: two listeners on one address, and whatever the proxy would not accept.
    fn examine(&mut self, compiled: &Compiled, candidate: &Candidate) -> Vec<Problem> {
        let conflicts = conflicts(compiled, candidate);
        if !conflicts.is_empty() {
            return conflicts;
        }
        let mistake = |problem: &l4::Problem| {
            let message = format!("the proxy cannot carry it: {problem}");
            let named = compiled.proxies.keys().find(|key| key.to_string() == problem.proxy.as_str());
            match named {
                Some(proxy) => candidate.ledger.problem_of_proxy(proxy, Severity::Error, message),
                None => problem_of("", message),
            }
        };
        match self.parse(compiled) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.iter().map(mistake).collect(),
        }
    }

    fn adopt(
        &mut self,
        AcceptedState { before, compiled, ledger, .. }: AcceptedState<'_>,
        now: Instant,
    ) -> OwnNews {
        self.issuer.learn(ledger);
        let idle = compiled.idle_routes();
        let is_new = |(route, why): &(&String, &String)| self.idle_routes.get(*route) != Some(*why);
        let idle_routes =
            idle.iter().filter(is_new).map(|(route, why)| (route.clone(), why.clone())).collect();
        self.idle_routes = idle;
        let mut news =
            OwnNews { told: !before.tells_the_same(compiled, Family::L4), idle_routes, ..OwnNews::default() };
        self.compiled = Some(Arc::clone(compiled));
        let has_new_secrets = self.look_for_secrets(compiled);
        if (news.told || has_new_secrets)
            && let Ok(config) = self.parse(compiled)
        {
            self.config = config;
            self.apply(&mut news, now);
        }
        news
    }

    /// Applies new certificates, and tries again to bind addresses that could not be bound.
    fn attend(&mut self, now: Instant) -> Option<OwnNews> {
        let compiled = self.compiled.clone();
        let has_new_secrets = compiled.as_ref().is_some_and(|compiled| self.look_for_secrets(compiled));
        if has_new_secrets && let Some(Ok(config)) = compiled.map(|compiled| self.parse(&compiled)) {
            self.config = config;
        } else {
            self.retry_at.filter(|at| *at <= now)?;
        }
        let mut news = OwnNews::default();
        self.apply(&mut news, now);
        Some(news)
    }

    fn certified(&mut self, snapshot: &Arc<Snapshot>) -> Option<BTreeSet<(String, String)>> {
        self.certified.news(&self.issuer, snapshot)
    }

    fn outside(&self) -> Option<Arc<OutsideSecrets>> {
        Some(Arc::clone(&self.issuer.outside().borrow()))
    }

    /// No resolver: the proxy resolves names by itself.
    fn hosts(&self) -> Option<&HostResolver> {
        None
    }

    /// No announcements: the proxy runs in this process, so its features are known.
    fn announced(&mut self) -> Option<BTreeMap<ProxyId, ProxyFeatures>> {
        None
    }

    fn due(&self) -> Option<Instant> {
        self.retry_at
    }
}
