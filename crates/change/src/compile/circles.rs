//! Circular routing: connections that return to their origin over several proxies. Circles within one proxy are
//! reported by its plan.

use std::collections::BTreeSet;

use model::{Problem, Severity};
use plan::{ProxyListeners, Stop};

use super::Compiled;
use crate::Ledger;

/// Warnings about each such circle, at the first proxy on it.
pub(super) fn remarks(compiled: &Compiled, ledger: &Ledger) -> Vec<Problem> {
    let all: Vec<_> = compiled.proxies.iter().map(|(id, proxy)| (id, &*proxy.plan)).collect();
    let places: Vec<ProxyListeners<'_>> = all.iter().map(|(_, plan)| ProxyListeners::of(plan)).collect();
    let found = plan::circles(&places).into_iter().filter(|circle| {
        let proxies: BTreeSet<usize> = circle.iter().map(|stop| stop.place).collect();
        proxies.len() > 1
    });
    let told = found.filter_map(|circle| {
        let named = |stop: &Stop| {
            let (id, plan) = all.get(stop.place)?;
            Some(format!("{} of {id}", plan.listeners.get(stop.listener)?.name))
        };
        let stops: Vec<String> = circle.iter().filter_map(named).collect();
        let (first, _) = all.get(circle.first()?.place)?;
        let message = format!(
            "connections go round without end: {}, and there again; each opens the next one, until a limit is reached",
            stops.join(", then ")
        );
        Some(ledger.problem_of_proxy(first, Severity::Warning, message))
    });
    told.collect()
}
