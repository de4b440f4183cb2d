//! Environment variables, and warnings about them.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use super::{Reading, Settings};
use crate::signal::Signal;

/// Environment variables, and warnings about them.
pub(super) struct Variables<'a> {
    read: &'a dyn Fn(&str) -> Option<String>,
    /// Warnings about invalid values.
    warnings: Vec<String>,
}

impl<'a> Variables<'a> {
    pub(super) fn new(read: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { read, warnings: Vec::new() }
    }

    /// Finishes reading, with the warnings.
    pub(super) fn reading(self, settings: Option<Settings>) -> Reading {
        let mut warnings = Vec::new();
        for warning in self.warnings {
            // a variable for all signals is read for each
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
        Reading { settings, warnings }
    }

    /// Text of a variable; an empty one counts as unset.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        (self.read)(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// Value of the variable for one signal, or else of that for all: `OTEL_EXPORTER_OTLP_{SIGNAL_}…`; with its name.
    pub(super) fn of_exporter(&self, signal: Signal, name: &str) -> Option<(String, String)> {
        let names = [
            format!("OTEL_EXPORTER_OTLP_{}_{name}", signal.in_variables()),
            format!("OTEL_EXPORTER_OTLP_{name}"),
        ];
        names.into_iter().find_map(|name| Some((self.text(&name)?, name)))
    }

    pub(super) fn warn(&mut self, name: &str, said: &str, wrong: impl Display) {
        let shown: String = said.chars().take(100).collect();
        self.warnings.push(format!("{name}: {shown:?} {wrong}"));
    }

    /// Returns `true` if a variable is `true`.
    pub(super) fn is_true(&mut self, name: &str) -> bool {
        let Some(said) = self.text(name) else { return false };
        let is_true = said.eq_ignore_ascii_case("true");
        if !is_true && !said.eq_ignore_ascii_case("false") {
            self.warn(name, &said, "is neither `true` nor `false`: it counts as `false`");
        }
        is_true
    }

    /// Whole number of at least 1; `otherwise` if the variable is absent or invalid.
    pub(super) fn number<T: FromStr + PartialOrd + From<u8> + Display>(
        &mut self,
        name: &str,
        otherwise: T,
    ) -> T {
        let Some(said) = self.text(name) else { return otherwise };
        match said.parse() {
            Ok(number) if number >= T::from(1) => number,
            Ok(_) | Err(_) => {
                self.warn(name, &said, format_args!("is no whole number above 0: {otherwise} is used"));
                otherwise
            }
        }
    }

    /// Time in milliseconds.
    pub(super) fn time(&mut self, name: &str, otherwise: Duration) -> Duration {
        let otherwise = u64::try_from(otherwise.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.number(name, otherwise))
    }
}
