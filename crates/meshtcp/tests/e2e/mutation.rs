//! Named ways to break a file of resources.

/// One way to break a file.
pub(crate) struct Mutation {
    /// Name of the mutation, for messages of the test.
    pub(crate) name: &'static str,
    /// Function that returns the broken text; `None`: the file has nothing to break in this way.
    pub(crate) of: fn(&str) -> Option<Vec<u8>>,
}

/// All mutations.
pub(crate) const MUTATIONS: &[Mutation] = &[
    Mutation { name: "bad indentation", of: |text| text_of(edit(text, "name: ", |line| format!(" {line}"))) },
    Mutation {
        name: "tab as indentation",
        of: |text| text_of(indented(text, |line| format!("\t{}", line.trim_start()))),
    },
    Mutation { name: "unknown field at the top", of: |text| text_of(before(text, "name: ", "colour: red")) },
    Mutation {
        name: "unknown field inside",
        of: |text| text_of(indented(text, |line| format!("{}colour: red\n{line}", margin(line)))),
    },
    Mutation { name: "unknown kind", of: |text| text_of(replace(text, "type: Mesh", "type: Mash")) },
    Mutation { name: "no kind", of: |text| text_of(drop_line(text, "type: ")) },
    Mutation { name: "no name", of: |text| text_of(drop_line(text, "name: ")) },
    Mutation {
        name: "name of a wrong type",
        of: |text| text_of(edit(text, "name: ", |_| "name: [a, b]".to_owned())),
    },
    Mutation {
        name: "key twice",
        of: |text| text_of(edit(text, "name: ", |line| format!("{line}\n{line}"))),
    },
    Mutation {
        name: "quote that is not closed",
        of: |text| text_of(edit(text, "name: ", |_| "name: \"open".to_owned())),
    },
    Mutation {
        name: "bracket that is not closed",
        of: |text| text_of(edit(text, "name: ", |_| "name: [open".to_owned())),
    },
    Mutation {
        name: "merge conflict",
        of: |text| {
            text_of(edit(text, "name: ", |line| {
                format!("<<<<<<< HEAD\n{line}\n=======\n{line}\n>>>>>>> other")
            }))
        },
    },
    Mutation { name: "not UTF-8", of: |text| Some([text.as_bytes(), b"# \xff\xfe\n"].concat()) },
    Mutation { name: "resource twice", of: twice },
    Mutation {
        name: "wrong kind of a reference",
        of: |text| text_of(replace(text, "kind: MeshService\n", "kind: MeshSurface\n")),
    },
    Mutation {
        name: "no backendRefs",
        of: |text| text_of(cut_from(text, "backendRefs:", "backendRefs: []")),
    },
    Mutation {
        name: "backendRefs that are no list",
        of: |text| text_of(cut_from(text, "backendRefs:", "backendRefs: all")),
    },
    Mutation {
        name: "default beside targetRef",
        of: |text| text_of(cut_from(text, "rules:", "default: {}")),
    },
    Mutation { name: "name that resolves to nothing", of: |text| text_of(last_reference(text)) },
    Mutation { name: "negative weight", of: |text| text_of(edit_value(text, "weight: ", "-90")) },
    Mutation { name: "weight in words", of: |text| text_of(edit_value(text, "weight: ", "most")) },
    Mutation { name: "weight with a fraction", of: |text| text_of(edit_value(text, "weight: ", "0.5")) },
    Mutation { name: "port in words", of: |text| text_of(edit_value(text, "- port: ", "http")) },
    Mutation { name: "port out of range", of: |text| text_of(edit_value(text, "- port: ", "99999")) },
    Mutation { name: "two listeners on a port", of: two_listeners },
    Mutation { name: "no address", of: |text| text_of(drop_line(text, "  address: ")) },
    Mutation { name: "tags that are no map", of: |text| text_of(cut_below(text, "tags:", "tags: web")) },
];

fn text_of(text: Option<String>) -> Option<Vec<u8>> {
    text.map(String::into_bytes)
}

/// Replaces the first line that begins with `start` (ignoring indentation, if `start` has none).
fn edit(text: &str, start: &str, to: impl Fn(&str) -> String) -> Option<String> {
    let at = text.lines().position(|line| line.starts_with(start))?;
    Some(with_line(text, at, &to(text.lines().nth(at)?)))
}

fn with_line(text: &str, at: usize, to: &str) -> String {
    let lines = text.lines().enumerate();
    lines.map(|(index, line)| if index == at { format!("{to}\n") } else { format!("{line}\n") }).collect()
}

/// Replaces the first line that is indented and is no list item.
fn indented(text: &str, to: impl Fn(&str) -> String) -> Option<String> {
    let is_field = |line: &str| line.starts_with("  ") && !line.trim_start().starts_with(['-', '#']);
    let at = text.lines().position(is_field)?;
    Some(with_line(text, at, &to(text.lines().nth(at)?)))
}

fn margin(line: &str) -> &str {
    &line[..line.len() - line.trim_start().len()]
}

fn before(text: &str, start: &str, line: &str) -> Option<String> {
    edit(text, start, |found| format!("{line}\n{found}"))
}

fn replace(text: &str, what: &str, by: &str) -> Option<String> {
    text.contains(what).then(|| text.replacen(what, by, 1))
}

fn drop_line(text: &str, start: &str) -> Option<String> {
    let at = text.lines().position(|line| line.starts_with(start))?;
    Some(
        text.lines()
            .enumerate()
            .filter(|(index, _)| *index != at)
            .map(|(_, line)| format!("{line}\n"))
            .collect(),
    )
}

/// Replaces the value behind the first `key`.
fn edit_value(text: &str, key: &str, value: &str) -> Option<String> {
    let at = text.lines().position(|line| line.trim_start().starts_with(key))?;
    let line = text.lines().nth(at)?;
    let start = line.find(key)? + key.len();
    Some(with_line(text, at, &format!("{}{value}", &line[..start])))
}

/// In the first MeshTCPRoute, replaces the first line with `key`, and the lines indented below it, by `by`.
fn cut_from(text: &str, key: &str, by: &str) -> Option<String> {
    // in a MeshHTTPRoute it may be optional
    let start = text.find("type: MeshTCPRoute")?;
    Some(format!("{}{}", &text[..start], cut_below(&text[start..], key, by)?))
}

/// Replaces the first line with `key` by `by`, and removes the lines indented below it.
fn cut_below(text: &str, key: &str, by: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let at = lines.iter().position(|line| line.trim_start().starts_with(key))?;
    let depth = margin(lines[at]).len();
    let end = (at + 1..lines.len()).find(|index| margin(lines[*index]).len() <= depth).unwrap_or(lines.len());
    let middle = format!("{}{by}", margin(lines[at]));
    let kept = lines[..at].iter().copied().chain([middle.as_str()]).chain(lines[end..].iter().copied());
    Some(kept.map(|line| format!("{line}\n")).collect())
}

/// Repeats the last document.
fn twice(text: &str) -> Option<Vec<u8>> {
    let last = text.rsplit("---\n").next()?;
    Some(format!("{text}---\n{last}").into_bytes())
}

/// Changes the last name that a backendRef or an outbound refers to into one that does not exist.
fn last_reference(text: &str) -> Option<String> {
    let inside = text.find("backendRefs:")?;
    let at = text[inside..].rfind(" name: ")? + inside + " name: ".len();
    let end = text[at..].find('\n')? + at;
    Some(format!("{}nobody-has-this-name{}", &text[..at], &text[end..]))
}

/// Gives the second inbound the port of the first.
fn two_listeners(text: &str) -> Option<Vec<u8>> {
    let key = "    - port: ";
    let first = text.find(key)? + key.len();
    let port = text[first..].lines().next()?;
    // an outbound has no second line with servicePort
    let mut from = first;
    loop {
        let at = text[from..].find(key)? + from + key.len();
        let end = text[at..].find('\n')? + at;
        if text[end + 1..].lines().next()?.trim_start().starts_with("servicePort:") {
            return Some(format!("{}{port}{}", &text[..at], &text[end..]).into_bytes());
        }
        from = end;
    }
}
