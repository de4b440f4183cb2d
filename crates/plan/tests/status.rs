//! Each folder of `cases/status` holds resources, and the expected outcome of each route for each proxy, by
//! profile.

#![allow(clippy::unwrap_used, reason = "a case that cannot be read is a failed test")]

mod cases;

use std::fmt::Write as _;

use meshtcp_plan::{Outcome, RouteStatus, Snapshot, Unusable, plan};

#[test]
fn what_became_of_each_route() {
    cases::compare("status", "told", told);
}

fn told(snapshot: &Snapshot) -> String {
    let mut told = String::new();
    for proxy in snapshot.proxies() {
        for status in plan(snapshot, &proxy.clone().into()).unwrap().routes {
            writeln!(told, "  {proxy}: {}", line(&status)).unwrap();
        }
    }
    told
}

fn line(status: &RouteStatus) -> String {
    let RouteStatus { policy, kind, outcome, decides, unresolved } = status;
    let outcome = match outcome {
        Outcome::Applied => format!("applied to {}", decides.join(", ")),
        Outcome::Shadowed { by } => format!("shadowed by {} {}", by.policy.kind, by.name),
        Outcome::Ignored(why) => format!("ignored: {why}"),
    };
    let mut line = format!("{kind} {}: {outcome}", policy.name);
    for (reference, why) in unresolved {
        let why = match why {
            Unusable::NotFound { looked_for } | Unusable::NoSuchPort { looked_for } => looked_for.clone(),
            other => format!("{other:?}"),
        };
        write!(line, "; cannot use {reference}: {why}").unwrap();
    }
    line
}
