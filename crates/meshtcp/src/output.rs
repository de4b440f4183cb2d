//! What is listed, as a table for people, or as YAML or JSON for programs.

use std::borrow::Cow;
use std::io::Write as _;

use comfy_table::{ContentArrangement, Table, presets};
use control::yaml;
use serde::Serialize;
use xds::{Foreign, Printed, escape_quoted};

use crate::streams;

/// How to print what is listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Table,
    /// For people and programs
    Yaml,
    /// For programs
    Json,
}

/// How to print stored resources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Shape {
    /// For people
    #[default]
    Table,
    /// For people with a wide screen
    Wide,
    /// Documents that can be applied again
    Yaml,
    /// For programs
    Json,
    /// KIND/NAME, one a line
    Name,
}

/// Prints to standard output. That nobody reads on is no error of ours.
pub(crate) fn print(text: &str) {
    print_drawn(&tame(text));
}

/// Prints to standard output what has colours, and whose parts were tamed one by one.
pub(crate) fn print_drawn(text: &str) {
    if let Some(queued) = streams::queued() {
        return queued.output(text);
    }
    let mut out = anstream::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// Prints to standard error.
pub(crate) fn complain(text: &str) {
    complain_drawn(&tame(text));
}

/// Prints to standard error what has colours, and whose parts were escaped one by one.
pub(crate) fn complain_drawn(text: &str) {
    if let Some(queued) = streams::queued() {
        return queued.error(text);
    }
    let mut out = anstream::stderr().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// A text without what moves a cursor, sets a title or turns the direction of writing. Lines stay lines: what must not
/// begin one is [`Foreign`] already.
pub(crate) fn tame(text: &str) -> Cow<'_, str> {
    let is_tame =
        |letter: char| matches!(letter, '\n' | '\t') || matches!(Printed::of(letter), Printed::Plain(_));
    if text.chars().all(is_tame) {
        return text.into();
    }
    let mut tamed = String::with_capacity(text.len());
    for letter in text.chars() {
        match is_tame(letter) {
            true => tamed.push(letter),
            false => tamed.push_str(&Printed::of(letter).to_string()),
        }
    }
    tamed.into()
}

/// Prints a value as YAML or JSON; `None` for a table, which only the caller can draw.
pub(crate) fn structured<T: Serialize>(format: Format, value: &T) -> Option<String> {
    // a value of ours has text keys only: it always has a tree
    let tree = serde_json::to_value(value).unwrap_or_default();
    match format {
        Format::Table => None,
        Format::Yaml => Some(yaml::document(&tree)),
        Format::Json => Some(escape_quoted(format!("{tree:#}\n"))),
    }
}

/// A tree as one YAML document.
pub(crate) fn yaml(tree: &serde_json::Value) -> String {
    yaml::document(tree)
}

/// An aligned table without lines.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    for row in rows {
        table.add_row(row.map(|cell| Foreign::message(cell).to_string()));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines = table.lines().map(|line| format!("{}\n", line.trim_end()));
    lines.collect()
}
