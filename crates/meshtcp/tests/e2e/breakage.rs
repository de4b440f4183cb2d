//! Every example broken in many ways while it runs: each time a message with its place, and traffic as before.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::backend::{free_ports, serve};
use crate::connection::{Connection, tally};
use crate::mutation::MUTATIONS;
use crate::program::{Up, eventually};

/// Example copied to ports of its own, with its backends served.
struct Example {
    folder: tempfile::TempDir,
    texts: BTreeMap<String, String>,
    /// Ports that its first lines ask.
    asked: Vec<u16>,
}

impl Example {
    fn new(name: &str) -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name);
        let mut texts = BTreeMap::new();
        for entry in std::fs::read_dir(&source).unwrap() {
            let path = entry.unwrap().path();
            let file = path.file_name().unwrap().to_str().unwrap().to_owned();
            texts.insert(file, std::fs::read_to_string(path).unwrap());
        }
        let ports = moved(&texts);
        for text in texts.values_mut() {
            for (from, to) in &ports {
                *text = text.replace(from, &to.to_string());
            }
        }
        let all: String = texts.values().map(String::as_str).collect();
        for served in words_after(&all, "try.py serve ") {
            if let Some((backend, port)) = served.split_once('=') {
                serve(port.parse().unwrap(), backend);
            }
        }
        let asked: Vec<u16> = all
            .lines()
            .filter_map(|line| line.split_once("try.py ask "))
            .filter_map(|(_, rest)| rest.split_whitespace().next()?.parse().ok())
            .collect();
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in &texts {
            std::fs::write(folder.path().join(file), text).unwrap();
        }
        assert!(!asked.is_empty(), "the first lines of {name} say nothing to try");
        Self { folder, texts, asked }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Ports of an example, each with a free one to replace it.
fn moved(texts: &BTreeMap<String, String>) -> Vec<(String, u16)> {
    let mut found: Vec<String> = Vec::new();
    for text in texts.values() {
        let numbers = text.split(|c: char| !c.is_ascii_digit());
        found.extend(numbers.filter(|it| it.len() == 5 && it.starts_with("20")).map(str::to_owned));
    }
    found.sort();
    found.dedup();
    let free = free_ports::<24>();
    assert!(found.len() <= free.len());
    found.into_iter().zip(free).collect()
}

fn words_after<'a>(text: &'a str, start: &str) -> Vec<&'a str> {
    let lines = text.lines().filter_map(|line| line.split_once(start));
    lines.flat_map(|(_, rest)| rest.split_whitespace().take_while(|word| *word != "&")).collect()
}

/// State that is in force, without the places in files, which move when lines are added or removed.
fn running(up: &Up) -> Value {
    fn without_source(value: &mut Value) {
        match value {
            Value::Object(members) => {
                members.remove("source");
                members.values_mut().for_each(without_source);
            }
            Value::Array(items) => items.iter_mut().for_each(without_source),
            _ => {}
        }
    }
    let mut plans = up.json("/plan")["plans"].clone();
    without_source(&mut plans);
    plans
}

/// Breaks every file of an example in every way that fits it.
fn breaks(name: &str) {
    let example = Example::new(name);
    let up = Up::start(&[example.folder.path().to_str().unwrap()]);
    up.is_ready();
    let healthy = running(&up);
    let mut open: Vec<Connection> = example.asked.iter().filter_map(|port| Connection::open(*port)).collect();
    let seen: Vec<Vec<String>> = example.asked.iter().map(|port| names(*port)).collect();

    for (file, text) in &example.texts {
        let ways: Vec<_> = MUTATIONS.iter().filter_map(|way| Some((way.name, (way.of)(text)?))).collect();
        assert!(ways.len() >= 10, "{name}/{file} is broken in {} ways only", ways.len());
        for (way, broken) in ways {
            let what = format!("{name}/{file}, {way}");
            let mark = up.program.mark();
            std::fs::write(example.file(file), &broken).unwrap();
            // `[file:line:column]` above the snippet
            let place = format!("{}:", example.file(file).display());
            up.program.awaits(mark, &what, |line| {
                let rest = line.split_once(&place).map(|(_, rest)| rest);
                rest.is_some_and(|rest| {
                    let mut numbers = rest.split(|c: char| !c.is_ascii_digit());
                    let mut number = || numbers.next().is_some_and(|digits| !digits.is_empty());
                    number() && number()
                })
            });
            up.program.awaits(mark, &what, |line| line.trim_start().starts_with("error:"));
            assert_eq!(running(&up), healthy, "{what}: something else runs now");
            open.iter_mut().for_each(Connection::echo);
            for (port, seen) in example.asked.iter().zip(&seen) {
                let found = tally(*port, 1).into_keys().next().unwrap();
                assert!(seen.contains(&found), "{what}: a new connection reaches {found}");
            }

            std::fs::write(example.file(file), text).unwrap();
            eventually(&format!("{what}: repaired"), || {
                let status = up.json("/status");
                let current = |it: &Value| it["inForce"] == "current";
                let no_error = |it: &Value| it["severity"] != "error";
                status["files"].as_array().unwrap().iter().all(current)
                    && status["problems"].as_array().unwrap().iter().all(no_error)
            });
            assert_eq!(running(&up), healthy, "{what}: the repaired file runs");
        }
    }
    open.into_iter().for_each(Connection::close);
}

/// Names of the backends behind a port, from enough tries to meet each at least once.
fn names(port: u16) -> Vec<String> {
    tally(port, 200).into_keys().collect()
}

macro_rules! examples {
    ($($test:ident: $name:literal;)*) => {
        $(#[test] fn $test() { breaks($name); })*

        #[test]
        fn every_example_is_broken() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
            let folders = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
            let folders = folders.filter(|entry| entry.file_type().unwrap().is_dir());
            let mut names: Vec<String> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
            names.sort();
            // it needs two hosts; e2e/zones and the test of pages try it
            names.retain(|name| name != "two-zones");
            assert_eq!(names, [$($name),*]);
        }
    };
}

examples! {
    canary: "canary";
    external_split: "external-split";
    gateway: "gateway";
    health: "health";
    http_route_wins: "http-route-wins";
    labels_and_sections: "labels-and-sections";
    reroute: "reroute";
    sticky_canary: "sticky-canary";
    subset_split: "subset-split";
}

#[test]
fn a_repair_with_other_weights_takes_effect() {
    let example = Example::new("canary");
    let up = Up::start(&[example.folder.path().to_str().unwrap()]);
    up.is_ready();
    let text = &example.texts["route.yaml"];
    let mark = up.program.mark();
    std::fs::write(example.file("route.yaml"), text.replace("weight: 10", "weight: -10")).unwrap();
    up.program.awaits_text(mark, "its last good content stays in force");
    let repaired = text.replace("weight: 10", "weight: 1").replace("weight: 90", "weight: 0");
    std::fs::write(example.file("route.yaml"), repaired).unwrap();
    crate::connection::reaches(example.asked[0], &["canary"]);
    up.program.awaits_text(mark, "repaired, and in force");
}
