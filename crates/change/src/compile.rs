//! Compiler of resources into the configuration of the proxies of this process. Pure: no file, socket or clock.
//!
//! ```text
//!  Ledger ──▶ Snapshot ──▶ Plan of each proxy in scope ──▶ Told, in each dialect ──(equal to the last?)──▶ change
//!                    └─ touched since the last one? ─┘ no: the plan stays as it is
//! ```

mod change;
mod circles;
mod conflict;
mod hosts;
mod parallel;
mod reference;
mod rollouts;
mod row;
mod scope;
mod told;
mod unsayable;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dialect::envoy::EnvoyOptions;
use l4::config::{Config, ProxyName};
use model::{Problem, Problems, Resource, ResourceKey, Severity};
use plan::{Context, IgnoredBecause, Outcome, Plan, ProxyId, Reads, Snapshot, TagAddresses};
use xds::{Family, Interner};

pub use change::{ProxyChange, ProxyChangeKind, changes};
pub use conflict::{conflicts, shared_addresses};
pub use hosts::host_names;
pub use reference::{DanglingReference, dangling, newly_dangling};
pub use rollouts::{Applied, applied, contend};
pub use row::{BackendShare, ListenerDirection, Row, carried, rows, without_kind};
pub use scope::{PlanScope, ProxySelection};
pub use told::{EncodedPlan, Told, Unsayable};
pub use unsayable::unsayable;

use crate::Ledger;
use crate::addresses::tags;
use crate::problem_of;

/// Compiler of resources into the configuration of proxies.
#[derive(Clone, Debug)]
pub struct Compiler {
    /// Input of plans besides resources.
    pub context: Context,
    /// Proxies to plan for.
    pub scope: PlanScope,
    /// Options of the configuration of Envoy.
    pub envoy: EnvoyOptions,
}

/// Configuration of the proxies in scope at one moment.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// All resources.
    pub snapshot: Arc<Snapshot>,
    /// Proxies in scope.
    pub proxies: BTreeMap<ProxyId, CompiledProxy>,
    /// Number of proxies that were planned for this state; the others are as in the state before.
    pub planned: usize,
    /// Options of the configuration of Envoy.
    envoy: EnvoyOptions,
    /// Common parts of the configuration, passed from state to state as the plans' common parts are from snapshot to
    /// snapshot.
    interner: Arc<Interner>,
}

/// Configuration of one proxy.
#[derive(Clone, Debug)]
pub struct CompiledProxy {
    /// Plan.
    pub plan: Arc<Plan>,
    /// Plan, encoded in each dialect.
    pub told: Arc<Told>,
    /// Input that the plan depends on.
    pub reads: Arc<Reads>,
}

impl Compiler {
    /// Empty configuration, in force before anything was compiled.
    pub fn nothing(&self) -> Compiled {
        let none: [Resource; 0] = [];
        Compiled {
            snapshot: Arc::new(Snapshot::new(none, self.context.clone())),
            proxies: BTreeMap::new(),
            planned: 0,
            envoy: self.envoy,
            interner: Arc::default(),
        }
    }

    /// Plans every proxy in scope.
    pub fn compile(&self, ledger: &Ledger) -> Compiled {
        self.plan_all(ledger.resources().cloned())
    }

    /// Plans every proxy in scope by these resources, in any order.
    pub fn plan_all(&self, resources: impl IntoIterator<Item = Arc<Resource>>) -> Compiled {
        let resources: Vec<Arc<Resource>> = resources.into_iter().collect();
        let context = self.context_of(&resources, &self.context.tag_addresses);
        self.plan(Snapshot::new(resources, context), Arc::default(), |_| Before::Nothing)
    }

    /// Compiles as [`Compiler::compile`], from an earlier state: only proxies whose plans read something that has
    /// changed are planned again, and equal results are shared with the earlier state.
    pub fn recompile(&self, before: &Compiled, ledger: &Ledger) -> Compiled {
        self.plan_again(before, ledger.resources().cloned())
    }

    /// Recompiles from these resources, in any order.
    pub fn plan_again(
        &self,
        before: &Compiled,
        resources: impl IntoIterator<Item = Arc<Resource>>,
    ) -> Compiled {
        let resources: Vec<Arc<Resource>> = resources.into_iter().collect();
        let had = before.snapshot.context();
        let context = self.context_of(&resources, &had.tag_addresses);
        let otherwise = had.announced_otherwise(&self.context);
        let Some(otherwise) = otherwise.filter(|_| before.envoy == self.envoy) else {
            return self.plan(Snapshot::new(resources, context), Arc::default(), |_| Before::Nothing);
        };
        let snapshot = Snapshot::following(&before.snapshot, resources, context);
        let touched = snapshot.touched_since(&before.snapshot);
        self.plan(snapshot, Arc::clone(&before.interner), |key| match before.proxies.get(key) {
            None => Before::Nothing,
            Some(old) if old.reads.meet(&touched) || otherwise.contains(key) => Before::Touched(old),
            Some(old) => Before::Untouched(old),
        })
    }

    /// Input of plans besides these resources. Tag-based services keep the virtual IPs in `had`.
    fn context_of(&self, resources: &[Arc<Resource>], had: &TagAddresses) -> Context {
        let mut context = self.context.clone();
        if let Some(range) = context.tag_range {
            context.tag_addresses = tags::give(resources.iter().map(Arc::as_ref), range, had).addresses;
        }
        context
    }

    /// Plans the proxies in scope that need it, on all cores: each independently.
    fn plan<'a>(
        &self,
        snapshot: Snapshot,
        interner: Arc<Interner>,
        before: impl Fn(&ProxyId) -> Before<'a>,
    ) -> Compiled {
        let mut proxies = BTreeMap::new();
        let mut to_plan = Vec::new();
        for key in self.scope.proxies(&snapshot) {
            match before(&key) {
                Before::Untouched(old) => drop(proxies.insert(key, old.clone())),
                Before::Touched(old) => to_plan.push((key, Some(old))),
                Before::Nothing => to_plan.push((key, None)),
            }
        }
        let planned = to_plan.len();
        let compiled = parallel::each(&to_plan, |(key, old)| self.plan_one(&snapshot, &interner, key, *old));
        let keys = to_plan.into_iter().map(|(key, _)| key);
        proxies.extend(keys.zip(compiled).filter_map(|(key, compiled)| Some((key, compiled?))));
        snapshot.settle();
        interner.tidy();
        Compiled { snapshot: Arc::new(snapshot), proxies, planned, envoy: self.envoy, interner }
    }

    /// Plans one proxy. Parts equal to `old` are shared with it.
    fn plan_one(
        &self,
        snapshot: &Snapshot,
        interner: &Interner,
        key: &ProxyId,
        old: Option<&CompiledProxy>,
    ) -> Option<CompiledProxy> {
        let (plan, reads) = plan::plan_and_reads(snapshot, key)?;
        let reads = match old {
            Some(old) if *old.reads == reads => Arc::clone(&old.reads),
            _ => Arc::new(reads),
        };
        if let Some(old) = old.filter(|old| *old.plan == plan) {
            return Some(CompiledProxy { reads, ..old.clone() });
        }
        let plan = Arc::new(plan);
        let told = Told::of(Arc::clone(&plan), self.envoy, interner, old.map(|old| &*old.told));
        Some(CompiledProxy { plan, told: Arc::new(told), reads })
    }
}

impl CompiledProxy {
    /// Listener as our own proxy carries it, by its name in the plan; `None`: there is none of that name.
    pub fn carried(&self, proxy: &ProxyId, listener: &str) -> Option<Arc<l4::config::Listener>> {
        let resources = &*self.told.l4().resources;
        let config = Config::parse(&[(ProxyName::new(proxy.to_string()), resources)]).ok()?;
        config.listeners().iter().find(|it| *it.name == *listener).cloned()
    }
}

/// Plan of a proxy in the state before.
enum Before<'a> {
    Nothing,
    /// The plan read something that has changed.
    Touched(&'a CompiledProxy),
    Untouched(&'a CompiledProxy),
}

impl Compiled {
    /// Options of the configuration of Envoy.
    pub fn envoy(&self) -> EnvoyOptions {
        self.envoy
    }

    /// Returns `true` if proxies of a family get the same configuration.
    pub fn tells_the_same(&self, other: &Compiled, family: Family) -> bool {
        self.proxies.len() == other.proxies.len()
            && self.proxies.iter().zip(&other.proxies).all(|((key, proxy), (other_key, other))| {
                key == other_key && proxy.told.is_same(&other.told, family)
            })
    }

    /// Encodes the configuration of these proxies for Envoy, on all cores: later callers need not wait for it, and
    /// encoding errors are known before anything comes into force.
    pub fn say_to_envoy<'a>(&self, proxies: impl IntoIterator<Item = &'a ProxyId>) {
        let told: Vec<&Told> =
            proxies.into_iter().filter_map(|key| Some(&*self.proxies.get(key)?.told)).collect();
        parallel::each(&told, |told| told.envoy().is_ok());
    }

    /// Resource of the state; `None`: there is none with that key.
    fn resource(&self, key: &ResourceKey) -> Option<&Resource> {
        self.snapshot.named(key.kind, key.mesh_or_empty(), &key.name)
    }

    /// Splits the state by the address of the proxies: the proxies of one host each.
    fn by_host(&self) -> Vec<Compiled> {
        let mut hosts: BTreeMap<String, BTreeMap<ProxyId, CompiledProxy>> = BTreeMap::new();
        for (key, proxy) in &self.proxies {
            let address = proxy.plan.proxy.address.clone();
            hosts.entry(address).or_default().insert(key.clone(), proxy.clone());
        }
        let of_host = |proxies: BTreeMap<_, _>| Compiled {
            planned: proxies.len(),
            snapshot: Arc::clone(&self.snapshot),
            proxies,
            envoy: self.envoy,
            interner: Arc::clone(&self.interner),
        };
        hosts.into_values().map(of_host).collect()
    }

    /// Routes that select proxies in scope and decide nothing on any of them, with the reason in words. Routes whose
    /// destination no proxy here dials are left out: they are for others.
    pub fn idle_routes(&self) -> BTreeMap<String, String> {
        let mut idle = BTreeMap::new();
        let mut busy = BTreeSet::new();
        // most proxies share most of them
        let statuses = self.proxies.values().flat_map(|proxy| &proxy.plan.routes);
        let mut seen = BTreeSet::new();
        for status in statuses.filter(|status| seen.insert(Arc::as_ptr(status))) {
            let name = format!("{} {}/{}", status.kind, status.policy.policy.mesh, status.policy.policy.name);
            match &status.outcome {
                Outcome::Applied => {
                    busy.insert(name);
                }
                Outcome::Shadowed { by } => {
                    idle.insert(name, format!("{by} decides instead"));
                }
                Outcome::Ignored(IgnoredBecause::NoSuchOutbound) => {}
                Outcome::Ignored(why) => {
                    idle.insert(name, why.to_string());
                }
            }
        }
        idle.retain(|name, _| !busy.contains(name));
        idle
    }

    /// Returns `true` if any proxy in scope has something to listen on.
    pub fn is_runnable(&self) -> bool {
        self.proxies.values().any(|CompiledProxy { plan, .. }| !plan.listeners.is_empty())
    }
}

/// Problem of tag-based services without a virtual IP, if there are any.
fn without_addresses(compiled: &Compiled) -> Option<Problem> {
    let context = compiled.snapshot.context();
    let resources = compiled.snapshot.resources().iter().map(Arc::as_ref);
    let range = context.tag_range?;
    let without = tags::give(resources, range, &context.tag_addresses).without;
    let message = format!("no virtual IP is left in {range}: {without} tag-based services are without");
    let help = Some("give them a larger range: --tag-vips".to_owned());
    (without > 0).then(|| Problem { severity: Severity::Warning, help, ..problem_of("", message) })
}

/// Warnings about a state, which do not block it: dangling references, warnings of plans, and features that proxies of
/// `families` lack; `families` is empty while the families are unknown. A warning about several proxies is made once,
/// at the Dataplane of the first.
pub fn warnings(
    compiled: &Compiled,
    dangling: &[DanglingReference],
    ledger: &Ledger,
    families: &[Family],
) -> Problems {
    // the reference itself is the better place for what the planner reports there
    let is_told = reference::meant(dangling);
    let mut remarks: BTreeMap<Cow<'_, str>, Vec<&ProxyId>> = BTreeMap::new();
    for (key, CompiledProxy { plan, told, reads: _ }) in &compiled.proxies {
        let notes = families.iter().flat_map(|family| told.notes(*family)).map(Cow::from);
        let untold = plan.warnings.iter().filter(|warning| !is_told(warning));
        for remark in untold.map(|warning| Cow::from(warning.to_string())).chain(notes) {
            remarks.entry(remark).or_default().push(key);
        }
    }
    let remarked = remarks.into_iter().filter_map(|(remark, proxies)| {
        let others = match proxies.len() - 1 {
            0 => String::new(),
            1 => " (and 1 other proxy)".to_owned(),
            others => format!(" (and {others} other proxies)"),
        };
        Some(ledger.problem_of_proxy(proxies.first()?, Severity::Warning, format!("{remark}{others}")))
    });
    let found = dangling.iter().map(|it| it.problem.clone()).chain(rollouts::warnings(ledger));
    let of_addresses = hosts::unresolved(compiled, ledger).into_iter().chain(without_addresses(compiled));
    let mut problems: Problems = found.chain(remarked).chain(of_addresses).collect();
    problems.extend(circles::remarks(compiled, ledger));
    problems.sort();
    problems
}
