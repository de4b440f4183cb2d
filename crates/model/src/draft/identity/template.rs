//! Go templates, as far as trust domains and paths of identities use them: actions in braces, each a pipeline.

use crate::topology::{Template, TemplatePiece};

/// Functions that a template may call: those of the language, and `label`.
const FUNCTIONS: [&str; 20] = [
    "and", "call", "eq", "ge", "gt", "html", "index", "js", "label", "le", "len", "lt", "ne", "not", "or",
    "print", "printf", "println", "slice", "urlquery",
];

/// Returns the reason why a text is not a template, in the words of the language; `None`: it is one.
pub(super) fn broken_by(text: &str) -> Option<String> {
    let mut rest = text;
    while let Some((_, from)) = rest.split_once("{{") {
        let Some((action, after)) = from.split_once("}}") else { return Some("unclosed action".into()) };
        if let Some(why) = broken_pipeline(action) {
            return Some(why);
        }
        rest = after;
    }
    None
}

/// Parses a template: fields and `label "KEY"` are interpreted, other actions are kept as written.
pub(super) fn read(text: &str) -> Template {
    let mut pieces = Vec::new();
    let mut rest = text.to_owned();
    while let Some((before, from)) = rest.split_once("{{") {
        let Some((action, after)) = from.split_once("}}") else { break };
        // a dash trims the space on its side of the action
        let (before, action) = match action.strip_prefix("- ") {
            Some(action) => (before.trim_end(), action),
            None => (before, action),
        };
        let (action, after) = match action.strip_suffix(" -") {
            Some(action) => (action, after.trim_start()),
            None => (action, after),
        };
        pieces.push(TemplatePiece::Text(before.to_owned()));
        pieces.push(piece(action.trim()));
        rest = after.to_owned();
    }
    pieces.push(TemplatePiece::Text(rest));
    pieces.retain(|piece| !matches!(piece, TemplatePiece::Text(text) if text.is_empty()));
    Template(pieces)
}

fn piece(action: &str) -> TemplatePiece {
    match action {
        ".Mesh" => TemplatePiece::Mesh,
        ".Zone" => TemplatePiece::Zone,
        ".Namespace" => TemplatePiece::Namespace,
        ".ServiceAccount" => TemplatePiece::ServiceAccount,
        ".Workload" => TemplatePiece::Workload,
        _ => match action.strip_prefix("label ").map(str::trim).and_then(quoted) {
            Some(key) => TemplatePiece::Label(key.to_owned()),
            None => TemplatePiece::Unknown(action.to_owned()),
        },
    }
}

/// Returns the text between quotes; keys of labels need no escapes.
fn quoted(text: &str) -> Option<&str> {
    let within = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    within('"').or_else(|| within('`')).filter(|key| !key.contains(['"', '`', '\\']))
}

fn broken_pipeline(action: &str) -> Option<String> {
    let action = action.trim_start_matches("- ").trim_end_matches(" -");
    for (at, command) in action.split('|').enumerate() {
        let stage = at + 1;
        let Some(word) = command.split_whitespace().next() else {
            return Some(match stage {
                1 => "missing value for command".into(),
                _ => format!("missing value for command in pipeline stage {stage}"),
            });
        };
        let is_name = word.starts_with(|first: char| first.is_alphabetic() || first == '_');
        let is_constant = matches!(word, "true" | "false" | "nil");
        if is_name && !is_constant && !FUNCTIONS.contains(&word) {
            return Some(format!("function \"{word}\" not defined"));
        }
        // fields and methods may take the result of the previous command, a value cannot
        let takes = (is_name && !is_constant) || (word.starts_with(['.', '$']) && word.len() > 1);
        if stage > 1 && !takes {
            return Some(format!("non executable command in pipeline stage {stage}"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_labels_are_filled_in_and_other_actions_are_kept() {
        let text = |text: &str| TemplatePiece::Text(text.into());
        let cases = [
            ("", vec![]),
            ("depot.example", vec![text("depot.example")]),
            (
                "{{.Mesh}}.{{ .Zone }}.d",
                vec![TemplatePiece::Mesh, text("."), TemplatePiece::Zone, text(".d")],
            ),
            (
                "/a {{- label \"team\" -}} /b",
                vec![text("/a"), TemplatePiece::Label("team".into()), text("/b")],
            ),
            ("{{label `k8s.io/x`}}", vec![TemplatePiece::Label("k8s.io/x".into())]),
            ("{{ .Mesh | len }}", vec![TemplatePiece::Unknown(".Mesh | len".into())]),
        ];
        for (written, pieces) in cases {
            assert_eq!(read(written), Template(pieces), "{written}");
        }
    }

    #[test]
    fn templates_are_read_as_the_language_reads_them() {
        for fine in
            ["", "depot.example", "{{ .Mesh }}.{{.Zone}}", "/ns/{{ label \"team\" }}", "{{ .Mesh | len }}"]
        {
            assert_eq!(broken_by(fine), None, "{fine}");
        }
        for (text, why) in [
            ("{{ .Namespace | upcase }}", "function \"upcase\" not defined"),
            ("{{ .Mesh|1 }}", "non executable command in pipeline stage 2"),
            ("{{ .Mesh", "unclosed action"),
            ("{{ }}", "missing value for command"),
        ] {
            assert_eq!(broken_by(text).as_deref(), Some(why), "{text}");
        }
    }
}
