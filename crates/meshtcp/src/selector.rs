//! `-l`: label selector in kubectl's notation.

use std::str::FromStr;

use serde_json::Value;

/// Which resources are meant, by their labels.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Selector {
    /// Only resources with this label: KEY=VALUE, KEY!=VALUE, or KEY with any value; several by commas, or repeated
    #[arg(short = 'l', long = "selector", value_name = "KEY=VALUE", value_delimiter = ',')]
    terms: Vec<Term>,
}

/// Term of a selector.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Term {
    /// The key exists.
    Has(String),
    /// The key exists with this value.
    Is(String, String),
    /// The key does not exist with this value.
    IsNot(String, String),
}

impl FromStr for Term {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (key, term): (&str, fn(String, String) -> Self) = match text.split_once('=') {
            None => (text, |key, _| Self::Has(key)),
            Some((key, _)) => match key.strip_suffix('!') {
                Some(key) => (key, Self::IsNot),
                None => (key, Self::Is),
            },
        };
        let value = text.split_once('=').map_or("", |(_, value)| value.strip_prefix('=').unwrap_or(value));
        if key.is_empty() {
            return Err("this is no selector: write KEY=VALUE".to_owned());
        }
        Ok(term(key.to_owned(), value.to_owned()))
    }
}

impl Selector {
    /// Returns `true` if the selector has no terms, and so selects every resource.
    pub(crate) fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Returns `true` if the selector selects a resource.
    pub(crate) fn admits(&self, resource: &Value) -> bool {
        let label = |key: &str| resource.get("labels")?.get(key)?.as_str();
        self.terms.iter().all(|term| match term {
            Term::Has(key) => label(key).is_some(),
            Term::Is(key, value) => label(key) == Some(value),
            Term::IsNot(key, value) => label(key) != Some(value),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn labels_select() {
        let resource = json!({ "name": "x", "labels": { "team": "shop", "meshtcp.io/existing": "keep" } });
        for (text, admits) in [
            ("team=shop", true),
            ("team==shop", true),
            ("team=depot", false),
            ("team!=depot", true),
            ("tier!=db", true),
            ("team", true),
            ("tier", false),
        ] {
            let selector = Selector { terms: vec![text.parse().unwrap()] };
            assert_eq!(selector.admits(&resource), admits, "{text}");
        }
        assert!("=x".parse::<Term>().is_err() && "".parse::<Term>().is_err());
    }
}
