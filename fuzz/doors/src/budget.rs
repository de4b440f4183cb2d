//! Processing of a folder of resources without files and sockets: what `validate` and `up` do with text.

use change::compile::{Compiler, PlanScope, changes, conflicts, dangling, newly_dangling, warnings};
use change::{Candidate, Content};
use dialect::envoy::EnvoyOptions;
use model::draft::{self, Options};
use model::{ProxyKey, Resource};
use plan::{Context, Snapshot};
use xds::Family;

/// Parses and validates text like `validate`, and formats every problem. Returns the resources.
pub fn check(text: &str) -> Vec<Resource> {
    let (documents, mut problems) = draft::read("work.yaml", text);
    let mut resources = Vec::new();
    for document in &documents {
        let parsed = draft::parse(document, &Options::default());
        problems.extend(parsed.problems);
        resources.extend(parsed.resource);
    }
    let said: usize = problems.iter().map(|problem| problem.to_string().len()).sum();
    std::hint::black_box(said);
    resources
}

/// Plans a proxy from resources without errors, and lowers the plan to both dialects.
pub fn plan_proxy(text: &str, proxy: &str) {
    let resources = check(text);
    let snapshot = Snapshot::new(resources, Context::default());
    let key: Option<ProxyKey> = proxy.parse().ok();
    let Some(plan) = key.and_then(|key| plan::plan(&snapshot, &key.into())) else { return };
    std::hint::black_box(dialect::l4::lower(&plan).to_resource_set());
    std::hint::black_box(dialect::envoy::lower(&plan, &EnvoyOptions::default()));
}

/// Takes a change of a file in, as `up` and a control plane do, and says all that there is to say about it.
pub fn change(before: &str, after: &str) {
    let candidate = |text: &str| {
        let content = Content::read("work.yaml", text.as_bytes(), &change::Options::default());
        Candidate { ledger: content.entries.into_iter().collect(), changed: ["work.yaml".into()].into() }
    };
    let envoy = EnvoyOptions::default();
    let compiler = Compiler { context: Context::default(), scope: PlanScope::everything(), envoy };
    let (before, after) = (compiler.compile(&candidate(before).ledger), candidate(after));
    let compiled = compiler.recompile(&before, &after.ledger);
    let nowhere = dangling(&compiled.snapshot, &after.ledger);
    let objections = conflicts(&compiled, &after).len() + newly_dangling(&before, &nowhere).len();
    let remarks = warnings(&compiled, &nowhere, &after.ledger, &[Family::L4, Family::Envoy]).len();
    std::hint::black_box((objections, remarks, changes(&before, &compiled, |_| None).len()));
}
