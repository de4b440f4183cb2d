//! Rendering of a tree as YAML: block style, plain text wherever that parses as the same text.

use serde_json::Value;

/// Renders the tree as one document that parses as the very same tree: YAML, or JSON where YAML would change it.
pub fn exact(tree: &Value) -> String {
    let text = document(tree);
    // as text: the order of members matters, and an integer is no fraction
    let json = tree.to_string();
    let is_same = read_one("", &text).is_ok_and(|read| json == format!("{read}"));
    if is_same { text } else { format!("{tree:#}\n") }
}

/// Parses a text that is one document, as written by [`exact`] or by people.
///
/// # Errors
/// In words: it cannot be parsed, or contains no or several documents.
pub fn read_one(name: &str, text: &str) -> Result<Value, String> {
    if text.trim_start().starts_with('{')
        && let Ok(document) = serde_json::from_str(text)
    {
        return Ok(document);
    }
    let (documents, problems) = model::draft::read(name, text);
    if let Some(problem) = problems.first() {
        return Err(problem.to_string());
    }
    match documents.as_slice() {
        [document] => Ok(document.value().clone()),
        [] => Err("there is no resource in it".into()),
        several => Err(format!("there are {} resources in it, and one is expected", several.len())),
    }
}

/// Renders the tree as one document.
pub fn document(tree: &Value) -> String {
    let mut out = String::new();
    match tree {
        Value::Object(members) if !members.is_empty() => block(tree, 0, &mut out),
        Value::Array(items) if !items.is_empty() => block(tree, 0, &mut out),
        flat => {
            out.push_str(&inline(flat));
            out.push('\n');
        }
    }
    out
}

fn block(tree: &Value, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match tree {
        Value::Object(members) => {
            for (key, value) in members {
                out.push_str(&pad);
                out.push_str(&text(key));
                out.push(':');
                after(value, indent, out);
            }
        }
        Value::Array(items) => {
            for item in items {
                out.push_str(&pad);
                out.push('-');
                match item {
                    Value::Object(members) if !members.is_empty() => {
                        // the first member follows the dash
                        let mut below = String::new();
                        block(item, indent + 2, &mut below);
                        out.push(' ');
                        out.push_str(below.trim_start());
                    }
                    other => after(other, indent, out),
                }
            }
        }
        flat => out.push_str(&inline(flat)),
    }
}

fn after(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            out.push('\n');
            block(value, indent + 2, out);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            block(value, indent + 2, out);
        }
        flat => {
            out.push(' ');
            out.push_str(&inline(flat));
            out.push('\n');
        }
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(string) => text(string),
        Value::Object(_) => "{}".to_owned(),
        Value::Array(_) => "[]".to_owned(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

fn text(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { xds::escape_quoted(Value::from(text).to_string()) }
}

/// Returns `true` if text without quotes is the same text for every reader of YAML.
fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 9] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    let starts = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '/' || c == '_');
    let inside = |c: char| c.is_ascii_alphanumeric() || " ./_-:=+()%,@".contains(c);
    starts
        && text.chars().all(inside)
        && !text.contains(": ")
        && !text.ends_with([':', ' '])
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_tree_is_written_so_that_it_reads_back() {
        let tree = json!({
            "proxy": "default/web-1", "empty": [], "none": null, "port": 5432, "odd": "5432", "yes": "yes",
            "split": [{"backend": "ledger v=1", "share": 0.5}, {"backend": "a: b"}], "nested": [[1, 2], "x"],
            "quotes": "say \"hi\"\n",
        });
        let text = document(&tree);
        assert!(
            text.contains("split:\n  - backend: ledger v=1\n    share: 0.5\n  - backend: \"a: b\"\n"),
            "{text}"
        );
        let (documents, problems) = model::draft::read("test.yaml", &text);
        assert!(problems.is_empty(), "{problems:?}\n{text}");
        assert_eq!(*documents[0].value(), tree);
    }
}
