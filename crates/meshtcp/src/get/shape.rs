//! `-o` of stored resources, in kubectl's terms.

use std::path::PathBuf;
use std::str::FromStr;

use control::plain_file;
use model::draft::did_you_mean;
use serde_json::Value;

use super::json_path::{Path, Template};
use crate::output::{self, Format};

/// Output format of stored resources.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    /// Table for people.
    Table,
    /// Table for people with a wide screen.
    Wide,
    /// YAML documents that can be applied again.
    Yaml,
    /// JSON for programs.
    Json,
    /// KIND/NAME, one per line.
    Name,
    /// Text of a template.
    JsonPath(Template),
    /// User-defined columns.
    Columns(Vec<Column>),
}

/// Heading of a column, and the path of its values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    heading: String,
    path: Path,
}

/// Available formats, for help.
pub(crate) const WORDS: [&str; 8] =
    ["table", "wide", "yaml", "json", "name", "jsonpath=", "jsonpath-file=", "custom-columns="];

/// Text in a column for a missing value.
const NOTHING: &str = "<none>";

impl Shape {
    /// Format of the answer: one value for programs, or a table.
    pub(crate) fn format(&self) -> Format {
        match self {
            Self::Json => Format::Json,
            Self::Yaml => Format::Yaml,
            Self::Table | Self::Wide | Self::Name | Self::JsonPath(_) | Self::Columns(_) => Format::Table,
        }
    }
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (word, rest) = text.split_once('=').map_or((text, None), |(word, rest)| (word, Some(rest)));
        match (word, rest) {
            ("table", None) => Ok(Self::Table),
            ("wide", None) => Ok(Self::Wide),
            ("yaml", None) => Ok(Self::Yaml),
            ("json", None) => Ok(Self::Json),
            ("name", None) => Ok(Self::Name),
            ("jsonpath", Some(template)) => template.parse().map(Self::JsonPath),
            ("jsonpath-file", Some(file)) => {
                let file = PathBuf::from(file);
                let text = plain_file::text_named(&file);
                let text = text.map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
                text.trim_end_matches('\n').parse().map(Self::JsonPath)
            }
            ("custom-columns", Some(columns)) => {
                columns.split(',').map(str::parse).collect::<Result<_, _>>().map(Self::Columns)
            }
            ("jsonpath", None) => Err("write jsonpath='{.items[*].name}'".to_owned()),
            ("custom-columns", None) => Err("write custom-columns=NAME:.name,MESH:.mesh".to_owned()),
            _ => {
                let near = did_you_mean(word, WORDS.iter().map(|word| word.trim_end_matches('=')));
                Err(near.unwrap_or_else(|| {
                    format!(
                        "there are {}",
                        WORDS
                            .map(|word| match word.strip_suffix('=') {
                                Some(word) => format!("{word}=…"),
                                None => word.to_owned(),
                            })
                            .join(", ")
                    )
                }))
            }
        }
    }
}

impl FromStr for Column {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let column = text.split_once(':').filter(|(heading, path)| !heading.is_empty() && !path.is_empty());
        let (heading, path) = column.ok_or_else(|| format!("`{text}` is no column: write NAME:.name"))?;
        Ok(Self { heading: heading.to_owned(), path: path.parse()? })
    }
}

/// User-defined columns, aligned.
pub(super) fn columns(columns: &[Column], found: &[&Value]) -> String {
    let cell = |column: &Column, resource: &Value| {
        let words = column.path.words(resource, ",");
        if words.is_empty() { NOTHING.to_owned() } else { words }
    };
    let row = |resource: &&Value| columns.iter().map(|column| cell(column, resource)).collect::<Vec<_>>();
    output::aligned(columns.iter().map(|column| column.heading.clone()).collect(), found.iter().map(row))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_say_what_is_missing() {
        let Ok(Shape::Columns(wanted)) = "custom-columns=NAME:.name,PORTS:.ports[*].port".parse() else {
            panic!()
        };
        let (one, two) =
            (json!({ "name": "a", "ports": [{"port": 1}, {"port": 2}] }), json!({ "name": "bcdef" }));
        assert_eq!(columns(&wanted, &[&one, &two]), "NAME   PORTS\na      1,2\nbcdef  <none>\n");
    }

    #[test]
    fn a_shape_that_there_is_none_is_told_with_what_to_write() {
        for (text, why) in [
            ("jsn", "did you mean `json`"),
            ("go-template=x", "jsonpath=…"),
            ("custom-columns=NAME", "NAME:.name"),
            ("jsonpath", "jsonpath='{.items"),
        ] {
            let error = text.parse::<Shape>().unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
