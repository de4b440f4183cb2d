//! The proxy in this process as what carries states.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use change::compile::{Compiled, conflicts};
use change::{Candidate, problem_of};
use control::run::{Accepted, Sink};
use l4::{Config, ProxyName};
use model::{Problem, ProxyKey, Severity};
use proxy::{ApplyReport, Proxy};
use xds::Family;

/// How often to try again to bind what could not be bound.
const RETRY: Duration = Duration::from_secs(1);

/// The proxy in this process, and what it was told.
pub(crate) struct OwnProxy {
    proxy: Arc<Proxy>,
    config: Config,
    /// What was examined last, and is not applied yet.
    examined: Option<Config>,
    /// Listeners that cannot be bound, in words.
    failed: Vec<String>,
    retry_at: Option<Instant>,
    generation: u64,
    /// Routes that decide nothing here, each with the reason.
    idle_routes: BTreeMap<String, String>,
}

/// What there is to tell of the proxy.
#[derive(Debug, Default)]
pub(crate) struct OwnNews {
    /// Whether it was told something else.
    pub(crate) told: bool,
    /// Routes that decide nothing here and were not said to before, each with the reason.
    pub(crate) idle_routes: Vec<(String, String)>,
    /// Listeners that could not be bound and were not reported before.
    pub(crate) failed: Vec<String>,
    /// Listeners that could not be bound and now are.
    pub(crate) bound: Vec<String>,
}

impl OwnProxy {
    /// A proxy that runs nothing yet.
    pub(crate) fn new(proxy: Arc<Proxy>) -> Self {
        Self {
            proxy,
            config: Config::default(),
            examined: None,
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

    /// The number of the configuration that runs.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    fn apply(&mut self, news: &mut OwnNews, now: Instant) {
        let ApplyReport { generation, opened: _, kept: _, closed: _, failed } =
            self.proxy.apply(self.config.clone());
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

    fn family(&self, _: &ProxyKey) -> Option<Family> {
        Some(Family::L4)
    }

    fn families(&self) -> &'static [Family] {
        &[Family::L4]
    }

    /// Two listeners on one address, and whatever the proxy would not understand.
    fn examine(&mut self, compiled: &Compiled, candidate: &Candidate) -> Vec<Problem> {
        let conflicts = conflicts(compiled, candidate);
        if !conflicts.is_empty() {
            return conflicts;
        }
        let sets: Vec<_> = compiled
            .proxies
            .iter()
            .map(|(key, proxy)| (ProxyName::new(key.to_string()), proxy.told.l4().resources.as_ref()))
            .collect();
        let mistake = |problem: &l4::Problem| {
            let message = format!("the proxy cannot carry it: {problem}");
            let named = compiled.proxies.keys().find(|key| key.to_string() == problem.proxy.as_str());
            match named {
                Some(proxy) => candidate.ledger.problem_of_proxy(proxy, Severity::Error, message),
                None => problem_of("", message),
            }
        };
        match Config::parse(&sets) {
            Ok(config) => {
                self.examined = Some(config);
                Vec::new()
            }
            Err(problems) => problems.iter().map(mistake).collect(),
        }
    }

    fn adopt(&mut self, Accepted { before, compiled, .. }: Accepted<'_>, now: Instant) -> OwnNews {
        let idle = compiled.idle_routes();
        let is_new = |(route, why): &(&String, &String)| self.idle_routes.get(*route) != Some(*why);
        let idle_routes =
            idle.iter().filter(is_new).map(|(route, why)| (route.clone(), why.clone())).collect();
        self.idle_routes = idle;
        let mut news =
            OwnNews { told: !before.tells_the_same(compiled, Family::L4), idle_routes, ..OwnNews::default() };
        if let Some(config) = self.examined.take() {
            self.config = config;
        }
        if news.told {
            self.apply(&mut news, now);
        }
        news
    }

    /// Tries again to bind what could not be bound.
    fn attend(&mut self, now: Instant) -> Option<OwnNews> {
        self.retry_at.filter(|at| *at <= now)?;
        let mut news = OwnNews::default();
        self.apply(&mut news, now);
        Some(news)
    }

    fn due(&self) -> Option<Instant> {
        self.retry_at
    }
}
