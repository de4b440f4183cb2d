//! Checks of our own labels: they must be known, on the right kind, and with a valid value.

use crate::declared::{DECLARATIONS, Declaration, PREFIX, Values, declaration};
use crate::draft::envelope::{Envelope, Format};
use crate::draft::findings::{Findings, Note, NoteSort};
use crate::draft::nearest;
use crate::policy::format_duration;
use crate::violation::FieldPath;

/// Notes every label of ours that has no effect: a mistyped one would be silently ignored.
pub(crate) fn check(envelope: &Envelope<'_>, findings: &Findings<'_>) {
    for (key, value) in envelope.meta.labels.iter().filter(|(key, _)| key.starts_with(PREFIX)) {
        let path = written_at(key, envelope.format, findings);
        let error =
            |message, help| findings.note(Note { sort: NoteSort::Error, path: path.clone(), message, help });
        let Some(Declaration { label: _, values, on }) = declaration(key) else {
            let known = DECLARATIONS.iter().map(|known| known.label);
            let all = || {
                format!("there are {}", DECLARATIONS.iter().map(|d| d.label).collect::<Vec<_>>().join(", "))
            };
            error(format!("there is no label `{key}`"), Some(nearest::help(key, known).unwrap_or_else(all)));
            continue;
        };
        if !values.contain(value) {
            let (message, help) = refusal(value, values);
            error(message, help);
        }
        if !on.contains(&envelope.kind) {
            let kinds: Vec<&str> = on.iter().map(|kind| kind.as_str()).collect();
            findings.note(Note {
                sort: NoteSort::Warning,
                path: path.clone(),
                message: format!("`{key}` has no effect on a {}", envelope.kind),
                help: Some(format!("it is for {}", kinds.join(", "))),
            });
        }
    }
}

fn refusal(value: &str, values: &Values) -> (String, Option<String>) {
    match values {
        Values::Words(words) => {
            let help = nearest::help(value, words.iter().copied());
            (format!("`{value}` is not one of {}", words.join(", ")), help)
        }
        Values::Duration { least, most } => (
            format!("`{value}` is no duration that is allowed here"),
            Some(format!(
                "write a number and a unit, such as 30s or 5m, from {} to {}; 0s switches it off",
                format_duration(*least),
                format_duration(*most)
            )),
        ),
    }
}

/// Returns the path where a label of ours was written: annotations may be labels too.
fn written_at(key: &str, format: Format, findings: &Findings<'_>) -> FieldPath {
    let root = FieldPath::root();
    if format == Format::Universal {
        return root.field("labels").key(key);
    }
    let metadata = root.field("metadata");
    let is_annotation = |root: &serde_json::Value| {
        root.get("metadata").and_then(|m| m.get("annotations")).is_some_and(|a| a.get(key).is_some())
    };
    let place = if is_annotation(findings.document().value()) { "annotations" } else { "labels" };
    metadata.field(place).key(key)
}
