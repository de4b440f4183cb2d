//! Words that a crate's sources must not contain: each would show that a concern has moved into the wrong crate.

use std::path::{Path, PathBuf};

/// Sources, and words that they must not contain.
struct Silence {
    sources: &'static str,
    words: &'static [&'static str],
    why: &'static str,
}

const ENVOY: &[&str] =
    &["envoy", "tcp_proxy", "filter_chain", "filterchain", "filter chain", "clusterloadassignment"];
const POLICY_KINDS: &[&str] = &[
    "meshtcproute",
    "meshhttproute",
    "trafficroute",
    "meshtimeout",
    "meshretry",
    "meshaccesslog",
    "meshcircuitbreaker",
    "meshhealthcheck",
    "meshloadbalancingstrategy",
    "meshtls",
    "meshtrafficpermission",
    "trafficlog",
];
const WORLD: &[&str] = &[
    "std::fs",
    "std::env",
    "std::process",
    "tcpstream",
    "tcplistener",
    "udpsocket",
    "systemtime",
    "instant::now",
    "zoned::now",
    "timestamp::now",
    "println!",
    "eprintln!",
    "async fn",
];

const THREADS: &[&str] = &["std::thread"];

const SNAPSHOT: &[&str] = &["snapshot"];

const SILENCES: [Silence; 16] = [
    Silence {
        sources: "crates/plan/src",
        words: ENVOY,
        why: "a plan is said in Envoy's words by `dialect` only",
    },
    Silence {
        sources: "crates/plan/src/routing",
        words: SNAPSHOT,
        why: "what is planned is read by a `Reader`, which records it",
    },
    Silence {
        sources: "crates/plan/src/matching",
        words: SNAPSHOT,
        why: "what is planned is read by a `Reader`, which records it",
    },
    Silence {
        sources: "crates/plan/src/merge",
        words: SNAPSHOT,
        why: "what is planned is read by a `Reader`, which records it",
    },
    Silence {
        sources: "crates/dialect/src",
        words: POLICY_KINDS,
        why: "a dialect knows plans, not policies",
    },
    Silence { sources: "crates/model/src", words: WORLD, why: "`model` does no IO" },
    Silence { sources: "crates/plan/src", words: WORLD, why: "`plan` does no IO" },
    Silence { sources: "crates/dialect/src", words: WORLD, why: "`dialect` does no IO" },
    Silence { sources: "crates/xds/src", words: WORLD, why: "`xds` does no IO" },
    Silence { sources: "crates/l4/src", words: WORLD, why: "`l4` does no IO, and is told the time" },
    Silence { sources: "crates/model/src", words: THREADS, why: "`model` is asked by threads, and has none" },
    Silence { sources: "crates/plan/src", words: THREADS, why: "`plan` is asked by threads, and has none" },
    Silence {
        sources: "crates/dialect/src",
        words: THREADS,
        why: "`dialect` is asked by threads, and has none",
    },
    Silence { sources: "crates/xds/src", words: THREADS, why: "`xds` is asked by threads, and has none" },
    Silence { sources: "crates/l4/src", words: THREADS, why: "`l4` is asked by threads, and has none" },
    Silence { sources: "crates/change/src", words: WORLD, why: "`change` does no IO, and is told the time" },
];

/// Occurrences of forbidden words below `root`, as `file:line: word: why`.
pub(super) fn forbidden(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for Silence { sources, words, why } in &SILENCES {
        let mut files = Vec::new();
        rust_files(&root.join(sources), &mut files);
        files.sort();
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            let shown = file.strip_prefix(root).unwrap_or(&file).display();
            for (line, word) in spoken(&text, words) {
                found.push(format!("{shown}:{line}: `{word}`: {why}"));
            }
        }
    }
    found
}

/// Line numbers and forbidden words in a text; unit tests at its end are ignored.
fn spoken<'a>(text: &str, words: &[&'a str]) -> Vec<(usize, &'a str)> {
    let program = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let mut found = Vec::new();
    for (index, line) in program.lines().enumerate() {
        let line = line.to_lowercase();
        found.extend(words.iter().filter(|word| line.contains(**word)).map(|word| (index + 1, *word)));
    }
    found
}

/// Adds the source files below a folder; those of tests are left out.
pub(super) fn rust_files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            rust_files(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            into.push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_outside_tests_only() {
        let text = "//! plans\nfn envoy_name() {}\n#[cfg(test)]\nmod tests { /* Envoy */ }\n";
        assert_eq!(spoken(text, ENVOY), [(2, "envoy")]);
    }
}
