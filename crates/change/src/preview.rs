//! Preview of a change: two states of all resources compared, and nothing touched. Pure.
//!
//! ```text
//!  in force ──overlay(documents)──▶ proposed          both compiled
//!     └──────────────┬──────────────────┘
//!                 preview ──▶ resources, listeners of proxies with their live connections, remarks
//! ```

mod admission;
mod difference;
mod document;
mod live;
mod proposal;
mod proxies;
mod remark;
mod stored;
mod text;

use dialect::envoy::EnvoyOptions;
use model::{Problem, Severity};
use plan::{Context, ProxyId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Ledger;
use crate::compile::{Compiled, CompiledProxy, Compiler, PlanScope};

pub use admission::NotLetIn;
pub use difference::{Difference, differences};
pub use document::{comparable, universal};
pub use live::{Affected, LiveConnection, LiveConnections, OpenConnections};
pub use proposal::{ResourceChange, Verb, overlay, resource_changes};
pub use proxies::{ListenerChange, ProxyPreview};
pub use remark::{Remark, RemarkKind, remarks};
pub use stored::stored;

/// All resources at one moment, and the configuration of every proxy by them.
#[derive(Clone, Debug)]
pub struct State {
    /// Resources with their documents.
    pub ledger: Ledger,
    /// Configuration of every proxy.
    pub compiled: Compiled,
}

impl State {
    /// Plans every proxy of every mesh; `envoy`: options of the configuration of Envoys.
    pub fn of(ledger: Ledger, context: &Context, envoy: EnvoyOptions) -> Self {
        let compiler = Compiler { context: context.clone(), scope: PlanScope::everything(), envoy };
        Self { compiled: compiler.compile(&ledger), ledger }
    }
}

/// Effects of a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    /// Changed resources, by kind, mesh and name.
    pub resources: Vec<ResourceChange>,
    /// Number of proxies after the change.
    pub proxies_total: usize,
    /// Proxies whose configuration changes, by mesh and name.
    pub proxies: Vec<ProxyPreview>,
    /// Open connections that would not be permitted again, as far as known: by proxy, listener and client.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_let_in: Vec<NotLetIn>,
    /// New problems: errors first.
    pub remarks: Vec<Remark>,
}

/// Compares a proposed state with the one in force, in every dialect. `live`: the open connections, as far as known.
pub fn preview(in_force: &State, proposed: &State, live: &OpenConnections) -> Preview {
    let (before, after) = (&in_force.compiled, &proposed.compiled);
    let differ = |(key, proxy): &(&ProxyId, &CompiledProxy)| {
        before.proxies.get(*key).is_none_or(|old| old.plan != proxy.plan)
    };
    let differing: Vec<&ProxyId> = after.proxies.iter().filter(differ).map(|(key, _)| key).collect();
    [before, after].iter().for_each(|compiled| compiled.say_to_envoy(differing.iter().copied()));
    Preview {
        resources: resource_changes(&in_force.ledger, &proposed.ledger),
        proxies_total: proposed.compiled.proxies.len(),
        proxies: proxies::changed(before, after, live),
        not_let_in: admission::not_let_in(before, after, live),
        remarks: remarks(in_force, proposed),
    }
}

impl Preview {
    /// Adds these problems to the remarks.
    #[must_use]
    pub fn remarking(mut self, problems: impl IntoIterator<Item = Problem>) -> Self {
        self.remarks.extend(problems.into_iter().map(remark::of_problem));
        self
    }

    /// Returns `true` if the change has no effect.
    pub fn is_empty(&self) -> bool {
        let Self { resources, proxies_total: _, proxies, not_let_in: _, remarks: _ } = self;
        resources.is_empty() && proxies.is_empty()
    }

    /// Returns `true` if the proposed state could not come into force.
    pub fn is_refused(&self) -> bool {
        self.remarks.iter().any(|remark| remark.severity == Severity::Error)
    }
}
