//! Own diagnostics for developers, on standard error: warnings and above by default.

mod line;

use std::ffi::OsString;

use anstream::{AutoStream, ColorChoice};
use line::{JsonLine, write_field};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::format::debug_fn;

use crate::streams;

/// What to say about the program itself, and how.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Diagnostics {
    /// What to say about the program itself on standard error: error, warn, info, debug, trace, or by part, e.g.
    /// warn,meshtcp_proxy=debug
    #[arg(long, global = true, default_value = "warn", value_parser = level, value_name = "LEVEL", env = "MESHTCP_LOG", help_heading = "Diagnostics")]
    log_level: String,
    /// How to say it
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORMAT",
        env = "MESHTCP_DIAGNOSTICS",
        help_heading = "Diagnostics"
    )]
    diagnostics: Form,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// A line for people
    #[default]
    Text,
    /// An object a line, with the time
    Json,
}

fn level(text: &str) -> Result<String, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let is_level = |word: &str| LEVELS.contains(&word.to_lowercase().as_str());
    // a single word would be taken for a module of the program, and enable nothing
    let wrong = text.split(',').find(|word| !word.contains('=') && !is_level(word));
    match wrong {
        Some(word) => Err(format!("`{word}` is no level: write one of {}", LEVELS.join(", "))),
        None => EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|error| error.to_string()),
    }
}

impl Diagnostics {
    /// Returns `true` if diagnostics are JSON objects.
    pub(crate) fn json(&self) -> bool {
        self.diagnostics == Form::Json
    }
}

/// Returns `true` if the environment or a command line, which may otherwise be invalid, asks for JSON objects.
pub(crate) fn wants_json(arguments: &[OsString]) -> bool {
    let words: Vec<_> = arguments.iter().map(|word| word.to_string_lossy()).collect();
    let flag = words.iter().any(|word| word == "--diagnostics=json")
        || words.windows(2).any(|pair| pair[0] == "--diagnostics" && pair[1] == "json");
    flag || std::env::var_os("MESHTCP_DIAGNOSTICS").is_some_and(|form| form == "json")
}

/// Starts writing diagnostics.
pub(crate) fn start(Diagnostics { log_level, diagnostics }: &Diagnostics) {
    let filter = EnvFilter::try_new(log_level).unwrap_or_else(|_| EnvFilter::new("warn"));
    let colours = AutoStream::choice(&std::io::stderr()) != ColorChoice::Never;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| streams::Diagnostics);
    match diagnostics {
        Form::Text => {
            let fields = debug_fn(write_field).delimited(" ");
            lines.fmt_fields(fields).with_ansi(colours).without_time().with_target(false).init();
        }
        Form::Json => lines.event_format(JsonLine).init(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_a_level() {
        for good in ["debug", "WARN", "warn,meshtcp_proxy=trace"] {
            assert!(level(good).is_ok(), "{good}");
        }
        for bad in ["debgu", "meshtcp_proxy", ""] {
            assert!(level(bad).is_err(), "{bad}");
        }
    }
}
