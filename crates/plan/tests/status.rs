//! Each folder of `cases/status` holds resources, and what became of each route for each proxy, profile by profile.

#![allow(clippy::unwrap_used, reason = "a case that cannot be read is a failed test")]

use std::fmt::Write as _;

use meshtcp_plan::{Context, Outcome, RouteStatus, Snapshot, Unusable, plan};
use model::draft::{parse_unchecked, read};
use model::{Profile, Resource};

#[test]
fn what_became_of_each_route() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../cases/status");
    insta::glob!(folder, "*/resources.yaml", |path| {
        let text = std::fs::read_to_string(path).unwrap();
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(path.parent().unwrap());
        settings.set_prepend_module_to_snapshot(false);
        settings.set_snapshot_suffix("");
        settings.set_omit_expression(true);
        settings.remove_input_file();
        settings.remove_info();
        settings.bind(|| insta::assert_snapshot!("told", told(&text)));
    });
}

/// What each profile tells, under the first profile that tells it.
fn told(text: &str) -> String {
    let (mut all, mut last) = (String::new(), String::new());
    for profile in Profile::ALL {
        let told = told_by(text, profile);
        if told != last {
            writeln!(all, "from {profile}:\n{told}").unwrap();
        }
        last = told;
    }
    all
}

fn told_by(text: &str, profile: Profile) -> String {
    let (documents, problems) = read("resources.yaml", text);
    assert_eq!(problems, [], "the resources can be read");
    let parsed = documents.iter().filter_map(|document| parse_unchecked(document, profile).resource);
    let snapshot = Snapshot::new(parsed.collect::<Vec<Resource>>(), Context::new(profile));
    let mut told = String::new();
    for proxy in snapshot.proxies() {
        for status in plan(&snapshot, &proxy).unwrap().routes {
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
