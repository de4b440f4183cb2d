//! Imports of routes of other systems: one folder for each case, with their documents, the resulting documents, and the
//! notes.
//!
//! `UPDATE=1 cargo test --workspace --test imports` writes the results anew.

#![allow(clippy::unwrap_used)] // a test that cannot go on stops

use std::path::Path;

use meshtcp_change::import::{Imported, Note, SourceSystem, import};
use model::Profile;
use model::draft::{Options, parse, read};

fn result(case: &Path) -> (String, String) {
    let (from, file) = [(SourceSystem::GatewayApi, "gateway-api.yaml"), (SourceSystem::Istio, "istio.yaml")]
        .into_iter()
        .find(|(_, file)| case.join(file).is_file())
        .unwrap();
    let (documents, problems) = read(file, &std::fs::read_to_string(case.join(file)).unwrap());
    assert!(problems.is_empty(), "{}: {problems:?}", case.display());
    let Imported { resources, notes } = import(from, &documents, "default", Profile::default());
    let made = resources.iter().map(|resource| format!("{resource:#}\n")).collect::<String>();
    // the result can be parsed again, and is valid
    let (again, problems) = read("made.json", &made);
    assert!(problems.is_empty() && again.len() == resources.len(), "{problems:?}");
    for document in &again {
        let parsed = parse(document, &Options::default());
        assert!(parsed.problems.is_empty() && parsed.resource.is_some(), "{:?}", parsed.problems);
    }
    let said = |note: &Note| format!("{}{note}\n", if note.refused { "refused: " } else { "" });
    (made, notes.iter().map(said).collect())
}

#[test]
fn every_case_is_imported_as_it_should() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/imports");
    let mut cases: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    let mut wrong = String::new();
    for case in cases {
        let (made, notes) = result(&case);
        for (name, is) in [("made.json", made), ("notes.txt", notes)] {
            let file = case.join(name);
            if std::env::var_os("UPDATE").is_some() {
                std::fs::write(&file, &is).unwrap();
            }
            let wanted = std::fs::read_to_string(&file).unwrap_or_default();
            if is != wanted {
                wrong.push_str(&format!("{}:\n{is}instead of\n{wanted}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_virtual_service_of_many_hosts_and_entries_is_refused_before_it_is_a_large_route() {
    let hosts: String = (0..1_000).map(|at| format!("{}h{at}", if at > 0 { ", " } else { "" })).collect();
    let entry =
        |port| format!("    - match: [{{port: {port}}}]\n      route: [{{destination: {{host: a}}}}]\n");
    let entries: String = (1..1_000).map(entry).collect();
    let text = format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: wide, namespace: default}}\n\
         spec:\n  hosts: [{hosts}]\n  tcp:\n{entries}"
    );
    let (documents, problems) = read("istio.yaml", &text);
    assert!(problems.is_empty(), "{problems:?}");
    let Imported { resources, notes } =
        import(SourceSystem::Istio, &documents, "default", Profile::default());
    let refused: Vec<String> = notes.iter().filter(|note| note.refused).map(ToString::to_string).collect();
    assert!(resources.is_empty() && refused.len() == 1, "{refused:#?}");
    assert!(refused[0].contains("spec.tcp[5]") && refused[0].contains("divide it"), "{refused:#?}");
}
