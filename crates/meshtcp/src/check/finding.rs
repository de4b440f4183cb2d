//! Finding of a check, with advice.

use serde::Serialize;
use xds::Foreign;

use crate::client::Failed;
use crate::output;

/// Severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// Everything is in order.
    Ok,
    /// It works, but needs attention.
    Warn,
    /// It does not work.
    Fail,
}

/// Finding about one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(super) level: Level,
    /// Thing that was checked.
    pub(super) what: String,
    /// State of the thing, in words.
    pub(super) says: String,
    /// Advice; `None`: there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) help: Option<String>,
}

impl Finding {
    pub(super) fn new(level: Level, what: impl Into<String>, says: impl Into<String>) -> Self {
        Self { level, what: what.into(), says: says.into(), help: None }
    }

    pub(super) fn ok(what: impl Into<String>, says: impl Into<String>) -> Self {
        Self::new(Level::Ok, what, says)
    }

    pub(super) fn warn(what: impl Into<String>, says: impl Into<String>) -> Self {
        Self::new(Level::Warn, what, says)
    }

    pub(super) fn fail(what: impl Into<String>, says: impl Into<String>) -> Self {
        Self::new(Level::Fail, what, says)
    }

    /// Adds advice.
    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// Finding that the thing could not be checked.
    pub(super) fn failed(what: impl Into<String>, failed: &Failed) -> Self {
        let words = failed.to_string();
        match words.split_once("\n  help: ") {
            Some((says, help)) => Self::fail(what, says).help(help),
            None => Self::fail(what, words),
        }
    }
}

/// Formats the findings, one per line, with the advice below it.
pub(super) fn table(findings: &[Finding]) -> String {
    let word = |level: Level| match level {
        Level::Ok => "ok",
        Level::Warn => "warn",
        Level::Fail => "fail",
    };
    let row = |it: &Finding| [word(it.level).to_owned(), it.what.clone(), it.says.clone()];
    let table = output::table(["IS", "WHAT", "SAYS"], findings.iter().map(row));
    let mut lines = table.lines();
    let mut text = format!("{}\n", lines.next().unwrap_or_default());
    for (line, finding) in lines.zip(findings) {
        text.push_str(&format!("{line}\n"));
        if let Some(help) = &finding.help {
            text.push_str(&format!("      help: {}\n", Foreign::message(help)));
        }
    }
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    text.push_str(&format!(
        "\n{} ok, {} to look at, {} failed\n",
        count(Level::Ok),
        count(Level::Warn),
        count(Level::Fail)
    ));
    text
}
