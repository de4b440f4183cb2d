//! Text of resources from a user: documents, and resources of every profile.

use model::draft::{self, Document, Options, UnknownFields};
use model::{Profile, Severity, violation::Problem};

/// Parses bytes as a file of resources, by the rules of every profile.
///
/// For any bytes: problems with positions are returned, never a panic; a resource is returned exactly if there is no
/// error; and parsing twice gives the same result twice.
pub fn draft(bytes: &[u8]) {
    let (documents, problems) = draft::read_bytes("fuzz.yaml", bytes);
    let (again, problems_again) = draft::read_bytes("fuzz.yaml", bytes);
    assert_eq!(documents, again, "reading twice gives the same documents");
    assert_eq!(problems, problems_again, "reading twice gives the same problems");
    for problem in &problems {
        assert!(problem.position.is_some(), "a problem of reading has a position: {problem}");
        check_position(problem, bytes.len());
    }
    for document in &documents {
        for profile in Profile::ALL {
            parse(document, profile, bytes.len());
        }
    }
}

fn parse(document: &Document, profile: Profile, length: usize) {
    let unknown_fields = match length % 3 {
        0 => UnknownFields::Refuse,
        1 => UnknownFields::Warn,
        _ => UnknownFields::Ignore,
    };
    let options = Options { profile, unknown_fields, ..Options::default() };
    let parsed = draft::parse(document, &options);
    assert_eq!(parsed, draft::parse(document, &options), "parsing twice gives the same");
    let errors = parsed.problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    assert!(parsed.resource.is_none() || errors == 0, "a resource with an error: {:?}", parsed.problems);
    for problem in &parsed.problems {
        check_position(problem, length);
        assert!(!problem.violation.message.is_empty(), "a problem says what is wrong: {problem:?}");
    }
    let _ = draft::parse_unchecked(document, profile);
    let violations = draft::validate(document, profile);
    if parsed.resource.is_some() {
        assert!(violations.is_empty(), "a valid resource that the reference refuses: {violations:?}");
    }
}

fn check_position(problem: &Problem, length: usize) {
    let Some(position) = problem.position else { return };
    assert!(position.offset + position.length <= length, "a position is inside the text: {problem}");
    assert!(position.line >= 1 && position.column >= 1, "lines and columns count from 1: {problem}");
}
