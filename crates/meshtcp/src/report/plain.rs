//! Problems as values for programs.

use model::problems::{SHOWN, Shown};
use model::{Problem, Problems, Severity};
use serde::Serialize;

use super::more_in_words;

/// Problem as a value for programs.
#[derive(Debug, Serialize)]
pub(crate) struct Plain<'a> {
    severity: &'static str,
    file: &'a str,
    line: Option<u32>,
    column: Option<u32>,
    resource: Option<&'a str>,
    field: &'a str,
    message: String,
    help: Option<&'a str>,
    /// In the last problem of a list: number of problems that are not in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) more: Option<usize>,
}

/// First problems; the last one has the number of the others.
pub(crate) fn plain(problems: &Problems) -> Vec<Plain<'_>> {
    let Shown { problems: shown, more } = problems.shown(SHOWN);
    // errors come first
    let shown_errors = shown.iter().filter(|problem| problem.severity == Severity::Error).count();
    let rest = Plain {
        severity: word(if problems.errors() > shown_errors { Severity::Error } else { Severity::Warning }),
        file: "",
        line: None,
        column: None,
        resource: None,
        field: "",
        message: more_in_words(more),
        help: None,
        more: Some(more),
    };
    shown.into_iter().map(Plain::from).chain((more > 0).then_some(rest)).collect()
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

impl<'a> From<&'a Problem> for Plain<'a> {
    fn from(problem: &'a Problem) -> Self {
        let Problem { source, position, severity, resource, violation, help } = problem;
        Self {
            severity: word(*severity),
            file: source,
            line: position.map(|at| at.line),
            column: position.map(|at| at.column),
            resource: resource.as_deref(),
            field: &violation.field,
            message: violation.message.clone(),
            help: help.as_deref(),
            more: None,
        }
    }
}
