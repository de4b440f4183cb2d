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
