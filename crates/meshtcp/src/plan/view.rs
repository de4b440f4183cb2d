//! Plan for people: its listeners, then the effect of each policy.

use std::collections::BTreeMap;

use change::compile::{CompiledProxy, Row, Told, rows};
use kernel::Path;
use plan::{Outcome, RouteStatus};
use xds::Family;

use crate::output;

/// Plan as tables, with the data path of each outbound.
pub(crate) fn table(proxy: &CompiledProxy, paths: &BTreeMap<String, Path>) -> String {
    let CompiledProxy { plan, told, reads: _ } = proxy;
    let listener = |row: Row| {
        let (decided, split) = (row.decided_by.clone(), row.split_in_words());
        let title = format!("{} {}", row.sort, row.address);
        let path = paths.get(&row.listener).map_or("-".to_owned(), |path| match path.why() {
            None => path.as_str().to_owned(),
            Some(why) => format!("{}: {why}", path.as_str()),
        });
        [title, row.destination, split, decided.unwrap_or_else(|| "-".to_owned()), path]
    };
    let listeners = rows(plan).into_iter().map(listener);
    let mut text =
        output::table(["LISTENER", "DESTINATION", "SPLIT", "DECIDED BY", "--data-path auto"], listeners);
    if !plan.routes.is_empty() {
        let policy = |status: &RouteStatus| {
            let RouteStatus { policy, kind, outcome, decides, unresolved } = status;
            let name = format!("{kind} {}/{}", policy.policy.mesh, policy.policy.name);
            let missing = unresolved.iter().map(|(reference, why)| format!("{reference}: {why}"));
            let rest: Vec<String> = decides.iter().cloned().chain(missing).collect();
            [name, in_words(outcome), rest.join(", "), policy.source.to_string()]
        };
        text.push('\n');
        let policies = plan.routes.iter().map(|status| policy(status));
        text.push_str(&output::table(["POLICY", "OUTCOME", "DECIDES", "WRITTEN AT"], policies));
    }
    let notes = in_each_dialect(told);
    let remarks = plan.warnings.iter().map(|warning| format!("\nwarning: {warning}"));
    let remarks: String = remarks.chain(notes.iter().map(|note| format!("\nnote: {note}"))).collect();
    if !remarks.is_empty() {
        text.push_str(&remarks);
        text.push('\n');
    }
    text
}

/// Warnings about what each type of proxy cannot do as asked, with its name.
pub(crate) fn in_each_dialect(told: &Told) -> Vec<String> {
    let unsayable = told.envoy().err().map(ToString::to_string);
    let mut notes = told.notes(Family::L4);
    notes.extend(told.notes(Family::Envoy));
    notes.extend(unsayable);
    notes
}

fn in_words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Applied => "applied".to_owned(),
        Outcome::Shadowed { by } => format!("shadowed by {by}"),
        Outcome::Ignored(why) => format!("ignored: {why}"),
    }
}
