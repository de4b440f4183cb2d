//! Descriptions of changes: one folder for each case, with the resources before and after, and the expected lines.
//!
//! `UPDATE=1 cargo test -p meshtcp-change --test changes` writes the lines anew.

#![allow(clippy::unwrap_used)] // a test that cannot go on stops

use std::path::Path;

use dialect::envoy::EnvoyOptions;
use meshtcp_change::compile::{Compiler, PlanScope, changes, conflicts, dangling, newly_dangling, warnings};
use meshtcp_change::{Candidate, Content, Options};
use plan::Context;
use xds::Family;

fn load(case: &Path, name: &str) -> Candidate {
    let content = Content::read("mesh.yaml", &std::fs::read(case.join(name)).unwrap(), &Options::default());
    assert!(content.problems.is_empty(), "{}/{name}: {:?}", case.display(), content.problems);
    Candidate { ledger: content.entries.into_iter().collect(), changed: ["mesh.yaml".into()].into() }
}

/// Changes and errors, one line each.
fn said(case: &Path) -> String {
    let envoy = EnvoyOptions::default();
    let compiler = Compiler { context: Context::default(), scope: PlanScope::everything(), envoy };
    let before = match case.join("before.yaml").is_file() {
        true => compiler.compile(&load(case, "before.yaml").ledger),
        false => compiler.nothing(),
    };
    let candidate = load(case, "after.yaml");
    let ledger = &candidate.ledger;
    let after = compiler.compile(ledger);
    let nowhere = dangling(&after.snapshot, ledger);
    let mut lines: Vec<String> = changes(&before, &after, |_| None).iter().map(ToString::to_string).collect();
    let objections = conflicts(&after, &candidate).into_iter().chain(newly_dangling(&before, &nowhere));
    lines.extend(objections.map(|it| format!("objection: {}", it)));
    lines.extend(warnings(&after, &nowhere, ledger, &[Family::L4]).iter().map(ToString::to_string));
    lines.extend(
        after.idle_routes().into_iter().map(|(route, why)| format!("{route} decides nothing: {why}")),
    );
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[test]
fn every_case_says_what_it_should() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/changes");
    let mut cases: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    let mut wrong = String::new();
    for case in cases {
        let said = said(&case);
        let file = case.join("said.txt");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&file, &said).unwrap();
        }
        let wanted = std::fs::read_to_string(&file).unwrap_or_default();
        if said != wanted {
            wrong.push_str(&format!("{}:\n{said}instead of\n{wanted}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
