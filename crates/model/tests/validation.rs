//! Each folder of `cases/validation` holds documents, and their expected problems.
//!
//! The first part of a snapshot is the answer of the reference's server, profile by profile; the second part is the
//! output of `draft::parse` in the newest 2.x profile.

use meshtcp_model::Profile;
use meshtcp_model::draft::{Document, Options, parse, read, validate_by_stage};

#[test]
fn what_is_said_about_each_case() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../cases/validation");
    insta::glob!(folder, "*/resource.yaml", |path| {
        let text = std::fs::read_to_string(path).unwrap();
        let (documents, problems) = read("resource.yaml", &text);
        let mut said = String::new();
        for document in &documents {
            said.push_str(&format!("# the document at line {}\n", document.start().unwrap().line));
            answers(document, &mut said);
        }
        said.push_str(&format!("# told by {}\n", Profile::V2_14));
        let options = Options::default();
        let parsed = documents.iter().flat_map(|document| parse(document, &options).problems);
        for problem in problems.into_iter().chain(parsed) {
            said.push_str(&format!("{problem}\n"));
        }
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(path.parent().unwrap());
        settings.set_prepend_module_to_snapshot(false);
        settings.set_snapshot_suffix("");
        settings.set_omit_expression(true);
        settings.remove_input_file();
        settings.remove_info();
        settings.bind(|| insta::assert_snapshot!("said", said));
    });
}

/// Writes the answer of each profile, under the first profile that gives it.
fn answers(document: &Document, said: &mut String) {
    let mut last = None;
    for profile in Profile::ALL {
        let options = Options { profile, ..Options::default() };
        let violations = validate_by_stage(document, &options);
        let lines: String = violations.iter().map(|violation| format!("  {violation}\n")).collect();
        if last.as_ref() != Some(&lines) {
            let answer = if lines.is_empty() { "  accepted\n" } else { &lines };
            said.push_str(&format!("from {profile}:\n{answer}"));
        }
        last = Some(lines);
    }
}
