//! Text that somebody wrote: documents, and resources of every profile.

use model::draft;

/// Reads bytes as a file of resources. Whatever they are, problems come back, never a panic, and the same twice.
pub fn draft(bytes: &[u8]) {
    let (documents, problems) = draft::read_bytes("fuzz.yaml", bytes);
    let (again, problems_again) = draft::read_bytes("fuzz.yaml", bytes);
    assert_eq!(documents, again, "reading twice gives the same documents");
    assert_eq!(problems, problems_again, "reading twice gives the same problems");
    for problem in &problems {
        let position = problem.position.expect("a problem of reading has a position");
        assert!(position.offset <= bytes.len(), "a position is inside the text: {problem}");
        assert!(position.line >= 1 && position.column >= 1, "lines and columns count from 1: {problem}");
    }
}
