//! Rules of dependencies: between the crates, between the files of a crate, and the words that a crate must not
//! contain.
//!
//! The rules are one table; `cargo xtask house` prints it beside the actual dependencies, and a test asserts it.

mod circles;
mod files;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::run::{Outcome, capture, cargo, host, root};

/// Crates of ours that a crate may depend on, and whether it is free of IO.
struct Room {
    name: &'static str,
    may_lean_on: &'static [&'static str],
    pure: bool,
}

const fn pure(name: &'static str, may_lean_on: &'static [&'static str]) -> Room {
    Room { name, may_lean_on, pure: true }
}

const fn shell(name: &'static str, may_lean_on: &'static [&'static str]) -> Room {
    Room { name, may_lean_on, pure: false }
}

const HOUSE: [Room; 17] = [
    pure("meshtcp-model", &[]),
    pure("meshtcp-xds", &[]),
    pure("meshtcp-plan", &["meshtcp-model"]),
    pure("meshtcp-dialect", &["meshtcp-plan", "meshtcp-xds", "meshtcp-model"]),
    pure("meshtcp-l4", &["meshtcp-xds"]),
    // it opens nothing, but cryptography needs randomness from the system
    shell("meshtcp-trust", &[]),
    // it opens nothing either: bytes in, bytes out
    shell("meshtcp-tls", &["meshtcp-l4", "meshtcp-xds"]),
    pure(
        "meshtcp-change",
        &["meshtcp-model", "meshtcp-plan", "meshtcp-dialect", "meshtcp-xds", "meshtcp-l4"],
    ),
    shell("meshtcp-proxy", &["meshtcp-l4", "meshtcp-xds", "meshtcp-tls", "meshtcp-trust"]),
    shell("meshtcp-kernel", &["meshtcp-l4", "meshtcp-xds"]),
    shell("meshtcp-otlp", &["meshtcp-l4", "meshtcp-trust", "meshtcp-xds"]),
    shell(
        "meshtcp-control",
        &[
            "meshtcp-model",
            "meshtcp-plan",
            "meshtcp-dialect",
            "meshtcp-xds",
            "meshtcp-l4",
            "meshtcp-change",
            "meshtcp-trust",
        ],
    ),
    shell(
        "meshtcp",
        &[
            "meshtcp-model",
            "meshtcp-plan",
            "meshtcp-dialect",
            "meshtcp-xds",
            "meshtcp-l4",
            "meshtcp-change",
            "meshtcp-control",
            "meshtcp-kernel",
            "meshtcp-otlp",
            "meshtcp-proxy",
            "meshtcp-tls",
            "meshtcp-trust",
        ],
    ),
    shell("meshtcp-conformance", &["meshtcp-model", "meshtcp-plan", "meshtcp-dialect", "meshtcp-xds"]),
    shell(
        "meshtcp-doors",
        &[
            "meshtcp-model",
            "meshtcp-plan",
            "meshtcp-dialect",
            "meshtcp-xds",
            "meshtcp-l4",
            "meshtcp-tls",
            "meshtcp-change",
        ],
    ),
    shell("meshtcp-bench", &[]),
    shell("xtask", &[]),
];

/// Crates of the product, by folder.
const CRATES: [&str; 13] = [
    "change", "control", "dialect", "kernel", "l4", "meshtcp", "model", "otlp", "plan", "proxy", "tls",
    "trust", "xds",
];

/// Packages that a pure crate must not reach, even indirectly: runtimes, gRPC, HTTP, sockets, files, terminals.
const DOES_IO: [&str; 16] = [
    "tokio",
    "tokio-stream",
    "tokio-util",
    "tonic",
    "tonic-prost",
    "axum",
    "hyper",
    "rustix",
    "socket2",
    "mio",
    "notify",
    "libc",
    "clap",
    "tracing",
    "arc-swap",
    "fastrand",
];

/// Dependencies as cargo resolves them, by package, in a normal build.
struct Arrows {
    direct: BTreeMap<String, BTreeSet<String>>,
}

impl Arrows {
    /// Reads them for the current platform: packages that only other platforms need may not be downloaded here.
    fn read() -> Outcome<Self> {
        let arguments = ["metadata", "--format-version", "1", "--locked", "--filter-platform", &host()?];
        let text = capture(&mut cargo(&arguments))?;
        let metadata: Value =
            serde_json::from_str(&text).map_err(|error| format!("cargo metadata: {error}"))?;
        Ok(Self::of(&metadata))
    }

    fn of(metadata: &Value) -> Self {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let names: BTreeMap<String, String> = list(&metadata["packages"])
            .iter()
            .map(|package| (text(&package["id"]), text(&package["name"])))
            .collect();
        let mut direct: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for node in list(&metadata["resolve"]["nodes"]) {
            let Some(from) = names.get(&text(&node["id"])) else { continue };
            let leans = direct.entry(from.clone()).or_default();
            for dependency in list(&node["deps"]) {
                // A build script's or a test's dependency is not in the program; `null` is how cargo spells normal.
                let normal = list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
                if let Some(to) = names.get(&text(&dependency["pkg"])).filter(|_| normal) {
                    leans.insert(to.clone());
                }
            }
        }
        Arrows { direct }
    }

    /// Packages that `from` reaches over any number of dependencies.
    fn reached(&self, from: &str) -> BTreeSet<String> {
        let mut reached = BTreeSet::new();
        let mut open = vec![from.to_owned()];
        while let Some(at) = open.pop() {
            for to in self.direct.get(&at).into_iter().flatten() {
                if reached.insert(to.clone()) {
                    open.push(to.clone());
                }
            }
        }
        reached
    }
}

/// Table as text, and a sentence for each violation.
fn inspect(arrows: &Arrows) -> (String, Vec<String>) {
    let ours: BTreeSet<&str> = HOUSE.iter().map(|room| room.name).collect();
    let mut table = format!("{:<20} {:<9} leans on\n", "crate", "does IO");
    let mut broken = Vec::new();
    for Room { name, may_lean_on, pure } in &HOUSE {
        let Some(direct) = arrows.direct.get(*name) else {
            broken.push(format!("{name} is not in the workspace"));
            continue;
        };
        let leans: Vec<&str> = direct.iter().map(String::as_str).filter(|to| ours.contains(to)).collect();
        let reached = arrows.reached(name);
        for to in
            reached.iter().filter(|to| ours.contains(to.as_str()) && !may_lean_on.contains(&to.as_str()))
        {
            broken.push(format!("{name} must not lean on {to}"));
        }
        if *pure {
            for guest in DOES_IO.iter().filter(|guest| reached.contains(**guest)) {
                broken.push(format!("{name} does no IO, so it must not reach {guest}"));
            }
        }
        let leans = if leans.is_empty() { "nobody".to_owned() } else { leans.join(", ") };
        table.push_str(&format!("{name:<20} {:<9} {leans}\n", if *pure { "no" } else { "yes" }));
    }
    for name in
        arrows.direct.keys().filter(|name| name.starts_with("meshtcp") && !ours.contains(name.as_str()))
    {
        broken.push(format!("{name} has no row in xtask/src/house.rs: say what it may lean on"));
    }
    (table, broken)
}

pub(crate) fn run() -> Outcome {
    let (table, mut broken) = inspect(&Arrows::read()?);
    print!("{table}");
    broken.extend(words::forbidden(&root()));
    broken.extend(circles::found(&CRATES, &root())?);
    if broken.is_empty() { Ok(()) } else { Err(broken.join("\n")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_arrow_points_at_the_vocabulary() {
        let (table, broken) = inspect(&Arrows::read().unwrap());
        assert!(broken.is_empty(), "{table}\n{}", broken.join("\n"));
    }

    #[test]
    fn no_crate_knows_a_word_it_must_not() {
        let broken = words::forbidden(&root());
        assert!(broken.is_empty(), "{}", broken.join("\n"));
    }

    #[test]
    fn no_file_leads_back_to_itself() {
        let circles = circles::found(&CRATES, &root()).unwrap();
        assert!(circles.is_empty(), "{}", circles.join("\n"));
    }

    #[test]
    fn a_wrong_arrow_is_seen() {
        let leans = |to: &[&str]| to.iter().map(|to| to.to_string()).collect();
        let mut direct: BTreeMap<String, BTreeSet<String>> =
            HOUSE.iter().map(|room| (room.name.to_owned(), BTreeSet::new())).collect();
        direct.insert("meshtcp-proxy".into(), leans(&["meshtcp-plan"]));
        direct.insert("meshtcp-plan".into(), leans(&["jiff"]));
        direct.insert("jiff".into(), leans(&["libc"]));
        let (_, broken) = inspect(&Arrows { direct });
        assert_eq!(
            broken,
            [
                "meshtcp-plan does no IO, so it must not reach libc",
                "meshtcp-proxy must not lean on meshtcp-plan"
            ]
        );
    }
}
