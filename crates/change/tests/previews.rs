//! Previews of changes: one folder for each case, with the state in force, the proposed documents, the open connections
//! where some are known, and the expected text.
//!
//! `UPDATE=1 cargo test -p meshtcp-change --test previews` writes the texts anew.

#![allow(clippy::unwrap_used)] // a test that cannot go on stops

use std::collections::BTreeSet;
use std::path::Path;

use dialect::envoy::EnvoyOptions;
use meshtcp_change::preview::{LiveConnection, LiveConnections, OpenConnections, State, overlay, preview};
use meshtcp_change::{Content, Ledger, Options};
use plan::Context;
use serde_json::Value;

fn load(case: &Path, name: &str) -> Ledger {
    let content = Content::read(name, &std::fs::read(case.join(name)).unwrap(), &Options::default());
    assert!(!content.problems.has_errors(), "{}/{name}: {:?}", case.display(), content.problems);
    content.entries.into_iter().collect()
}

fn live(case: &Path) -> OpenConnections {
    let Ok(text) = std::fs::read_to_string(case.join("live.json")) else { return OpenConnections::new() };
    let listeners: Vec<Value> = serde_json::from_str(&text).unwrap();
    let one = |it: Value| {
        let key =
            (it["proxy"].as_str().unwrap().parse().unwrap(), it["listener"].as_str().unwrap().to_owned());
        let backends = it["backends"].as_object().unwrap().iter();
        let first = it["firstBackend"].as_str();
        let uris = |uris: &Vec<Value>| uris.iter().map(|uri| uri.as_str().unwrap().to_owned()).collect();
        let peer: Option<Vec<String>> = it["peerUris"].as_array().map(uris);
        // draws spread evenly, as proxies make them
        let of_backend = |(backend, count): (&String, &Value)| {
            let backend = backend.clone();
            let draw = move |at: u64| at.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let draws = (0..count.as_u64().unwrap()).map(draw);
            let peer = peer.clone();
            let connection = move |draw| LiveConnection {
                client: ([127, 0, 0, 1], 1).into(),
                server_name: None,
                peer: peer.clone(),
                backend: backend.clone(),
                first_backend: first.map(str::to_owned),
                draw: Some(draw),
            };
            draws.map(connection).collect::<Vec<_>>()
        };
        let open = backends.flat_map(of_backend).collect();
        (key, LiveConnections { open, age_seconds: it["ageSeconds"].as_f64().unwrap() })
    };
    let mut live = OpenConnections::new();
    for (key, LiveConnections { open, age_seconds }) in listeners.into_iter().map(one) {
        let counted = live.entry(key).or_default();
        counted.open.extend(open);
        counted.age_seconds = age_seconds;
    }
    live
}

#[test]
fn every_case_is_foretold_as_it_should() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/previews");
    let mut cases: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    let mut wrong = String::new();
    for case in cases {
        let in_force = load(&case, "in-force.yaml");
        let put = load(&case, "proposed.yaml").as_written();
        let (context, envoy) = (Context::default(), EnvoyOptions::default());
        let proposed =
            State::of(overlay(&in_force, &put, &BTreeSet::new(), context.profile), &context, envoy);
        let in_force = State::of(in_force, &context, envoy);
        let said = preview(&in_force, &proposed, &live(&case)).to_string();
        assert!(preview(&proposed, &proposed, &OpenConnections::new()).is_empty());
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
