//! Resources into what the proxies of this process should run. Pure: no file, socket or clock.
//!
//! ```text
//!  candidate ──▶ Snapshot ──▶ Plan of each proxy in scope ──▶ ResourceSet ──(equal to the last?)──▶ change
//!                    └─ touched since the last one? ─┘ no: the plan stays as it is
//! ```

mod change;
mod conflict;
mod metrics;
mod parallel;
mod reference;
mod row;
mod scope;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{FieldPath, Kind, Problem, Problems, ProxyKey, Resource, Severity, Spec, Violation};
use plan::{Context, IgnoredBecause, Outcome, Plan, Reads, Snapshot};
use xds::{Commons, ResourceSet};

pub use change::{Change, What, changes};
pub use conflict::conflicts;
pub use metrics::CompileMetrics;
pub use reference::{Dangling, dangling, newly_dangling};
pub use row::{Row, Share, Sort, rows, without_kind};
pub use scope::{Scope, Which};

use crate::store::folder::Candidate;

/// Turns candidates into what should run.
#[derive(Clone, Debug)]
pub struct Compiler {
    /// What plans depend on besides resources.
    pub context: Context,
    /// Which proxies.
    pub scope: Scope,
}

/// What the proxies in scope should run at one moment.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// All resources.
    pub snapshot: Arc<Snapshot>,
    /// The proxies in scope.
    pub proxies: BTreeMap<ProxyKey, CompiledProxy>,
    /// How many of them were planned for this state; the others are as they were in the state before.
    pub planned: usize,
    /// What they are told alike. It goes from state to state, as the plans' common parts go from snapshot to snapshot.
    commons: Arc<Commons>,
}

/// What one proxy should run.
#[derive(Clone, Debug, PartialEq)]
pub struct CompiledProxy {
    /// The plan.
    pub plan: Arc<Plan>,
    /// The same in the words of our own proxy.
    pub resources: Arc<ResourceSet>,
    /// What our own proxy cannot carry of it, in words.
    pub notes: Vec<String>,
    /// What the plan depends on.
    pub reads: Arc<Reads>,
}

impl Compiler {
    /// Plans every proxy in scope.
    pub fn compile(&self, candidate: &Candidate) -> Compiled {
        self.plan_all(candidate.resources().cloned())
    }

    /// The same from resources, wherever they come from and in whatever order.
    pub fn plan_all(&self, resources: impl IntoIterator<Item = Arc<Resource>>) -> Compiled {
        self.plan(Snapshot::new(resources, self.context.clone()), Arc::default(), |_| Before::Nothing)
    }

    /// The same as [`Compiler::compile`], made from an earlier state: only proxies whose plans read something that is
    /// different now are planned again, and what comes out equal is shared with the earlier state.
    pub fn recompile(&self, before: &Compiled, candidate: &Candidate) -> Compiled {
        self.plan_again(before, candidate.resources().cloned())
    }

    /// The same from resources, wherever they come from and in whatever order.
    pub fn plan_again(
        &self,
        before: &Compiled,
        resources: impl IntoIterator<Item = Arc<Resource>>,
    ) -> Compiled {
        if *before.snapshot.context() != self.context {
            return self.plan_all(resources);
        }
        let snapshot = Snapshot::following(&before.snapshot, resources, self.context.clone());
        let touched = snapshot.touched_since(&before.snapshot);
        self.plan(snapshot, Arc::clone(&before.commons), |key| match before.proxies.get(key) {
            None => Before::Nothing,
            Some(old) if old.reads.meet(&touched) => Before::Touched(old),
            Some(old) => Before::Untouched(old),
        })
    }

    /// Plans the proxies in scope that need it, on all cores: each is planned for itself.
    fn plan<'a>(
        &self,
        snapshot: Snapshot,
        commons: Arc<Commons>,
        before: impl Fn(&ProxyKey) -> Before<'a>,
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
        let compiled =
            parallel::each(&to_plan, |(key, old)| CompiledProxy::of(&snapshot, &commons, key, *old));
        let keys = to_plan.into_iter().map(|(key, _)| key);
        proxies.extend(keys.zip(compiled).filter_map(|(key, compiled)| Some((key, compiled?))));
        snapshot.settle();
        commons.tidy();
        Compiled { snapshot: Arc::new(snapshot), proxies, planned, commons }
    }
}

/// What is known of a proxy from the state before.
enum Before<'a> {
    Nothing,
    /// It read something that is different now.
    Touched(&'a CompiledProxy),
    Untouched(&'a CompiledProxy),
}

impl CompiledProxy {
    /// Plans one proxy. What is equal to `old` is shared with it.
    fn of(snapshot: &Snapshot, commons: &Commons, key: &ProxyKey, old: Option<&Self>) -> Option<Self> {
        let (plan, reads) = plan::plan_and_reads(snapshot, key)?;
        let reads = match old {
            Some(old) if *old.reads == reads => Arc::clone(&old.reads),
            _ => Arc::new(reads),
        };
        if let Some(old) = old.filter(|old| *old.plan == plan) {
            return Some(Self { reads, ..old.clone() });
        }
        let words = dialect::l4::lower(&plan);
        let resources = words.to_resource_set();
        let resources = match old {
            Some(old) if *old.resources == resources => Arc::clone(&old.resources),
            _ => Arc::new(resources.in_common(commons)),
        };
        Some(Self { plan: Arc::new(plan), resources, notes: words.notes, reads })
    }
}

impl Compiled {
    /// Nothing at all: what runs before anything was compiled.
    pub fn nothing(context: Context) -> Self {
        let none: [Resource; 0] = [];
        Self {
            snapshot: Arc::new(Snapshot::new(none, context)),
            proxies: BTreeMap::new(),
            planned: 0,
            commons: Arc::default(),
        }
    }

    /// Whether proxies would be told the same.
    pub fn tells_the_same(&self, other: &Compiled) -> bool {
        let told = |compiled: &Compiled| {
            compiled
                .proxies
                .iter()
                .map(|(key, proxy)| (key.clone(), proxy.resources.clone()))
                .collect::<Vec<_>>()
        };
        told(self) == told(other)
    }

    /// The same, apart by the address of the dataplanes: the proxies of one host.
    pub fn by_host(&self) -> Vec<Compiled> {
        let mut hosts: BTreeMap<String, BTreeMap<ProxyKey, CompiledProxy>> = BTreeMap::new();
        for (key, proxy) in &self.proxies {
            let found = self.snapshot.named(Kind::Dataplane, key.mesh.as_str(), key.name.as_str());
            let Some(Spec::Dataplane(dataplane)) = found.map(|resource| &resource.spec) else { continue };
            hosts.entry(dataplane.address.clone()).or_default().insert(key.clone(), proxy.clone());
        }
        let of_host = |proxies: BTreeMap<_, _>| Compiled {
            planned: proxies.len(),
            snapshot: Arc::clone(&self.snapshot),
            proxies,
            commons: Arc::clone(&self.commons),
        };
        hosts.into_values().map(of_host).collect()
    }

    /// The routes that speak about proxies in scope and decide nothing on any of them, with the reason in words. Those
    /// whose destination nobody here dials are none of this: they are for others.
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

    /// Whether any proxy in scope has something to listen on.
    pub fn is_runnable(&self) -> bool {
        self.proxies.values().any(|CompiledProxy { plan, .. }| {
            !plan.inbounds.is_empty() || !plan.outbounds.is_empty() || !plan.gateway_listeners.is_empty()
        })
    }
}

/// What the operator should know about a state, though it stops nothing: references that lead nowhere, and what plans
/// and dialect remark. A remark about several proxies is made once, at the Dataplane of the first.
pub fn warnings(compiled: &Compiled, dangling: &[Dangling], candidate: &Candidate) -> Problems {
    let mut remarks: BTreeMap<&str, Vec<&ProxyKey>> = BTreeMap::new();
    for (key, CompiledProxy { plan, notes, .. }) in &compiled.proxies {
        for remark in plan.warnings.iter().chain(notes) {
            remarks.entry(remark).or_default().push(key);
        }
    }
    // what the planner met there is told better at the reference itself
    remarks.retain(|remark, _| !dangling.iter().any(|it| it.is_meant_by(remark)));
    let remarked = remarks.into_iter().filter_map(|(remark, proxies)| {
        let described = format!("Dataplane {}", proxies.first()?);
        let offer = candidate.offer(&described)?;
        let others = match proxies.len() - 1 {
            0 => String::new(),
            1 => " (and 1 other Dataplane)".to_owned(),
            others => format!(" (and {others} other Dataplanes)"),
        };
        Some(Problem {
            source: offer.file.clone(),
            position: offer.entry.name_position(),
            severity: Severity::Warning,
            resource: Some(described),
            violation: Violation::new(FieldPath::root(), format!("{remark}{others}")),
            help: None,
        })
    });
    let mut problems: Problems = dangling.iter().map(|it| it.problem.clone()).chain(remarked).collect();
    problems.sort();
    problems
}
