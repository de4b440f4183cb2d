//! Output format of lists: for people, or as YAML or JSON for programs.

use control::yaml;
use serde::Serialize;
use xds::escape_quoted;

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

/// Formats a value as YAML or JSON; `None` for a table, which only the caller can format.
pub(crate) fn structured<T: Serialize>(format: Format, value: &T) -> Option<String> {
    // our own values have text keys only, so they always convert to a tree
    let tree = serde_json::to_value(value).unwrap_or_default();
    match format {
        Format::Table => None,
        Format::Yaml => Some(yaml::document(&tree)),
        Format::Json => Some(escape_quoted(format!("{tree:#}\n"))),
    }
}

/// Formats a tree as one YAML document.
pub(crate) fn yaml(tree: &serde_json::Value) -> String {
    yaml::document(tree)
}
