//! Problems for people: what is wrong, shown in the text that it is in, and what to do.

use std::fmt;
use std::io::IsTerminal;
use std::sync::Arc;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, ReportHandler,
    Severity as Level, SourceCode, ThemeCharacters, ThemeStyles,
};
use model::{Problem, Severity};
use serde::Serialize;

use crate::output::complain;

/// Draws problems, with colours where standard error is a terminal that wants them.
pub(crate) struct Reporter {
    handler: GraphicalReportHandler,
}

impl Reporter {
    pub(crate) fn new() -> Self {
        let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let mut characters = ThemeCharacters::unicode();
        characters.error = "error:".into();
        characters.warning = "warning:".into();
        let styles = if colours { ThemeStyles::ansi() } else { ThemeStyles::none() };
        let theme = GraphicalTheme { characters, styles };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_wrap_lines(false)
            .with_links(false)
            .with_context_lines(1);
        Self { handler }
    }

    /// A problem in the text that it is in, where that is known.
    pub(crate) fn draw(&self, problem: &Problem, text: Option<Arc<str>>) -> String {
        let shown = Shown::of(problem, text);
        let mut out = String::new();
        match fmt::write(&mut out, format_args!("{}", Drawn(&self.handler, &shown))) {
            Ok(()) => format!("{}\n", out.trim_matches('\n')),
            Err(_) => format!("{problem}\n"),
        }
    }

    /// Says a problem on standard error, in the text that it is in, where that is known.
    pub(crate) fn tell(&self, problem: &Problem, text: Option<Arc<str>>) {
        complain(&format!("{}\n", self.draw(problem, text)));
    }
}

struct Drawn<'a>(&'a GraphicalReportHandler, &'a Shown);

impl fmt::Display for Drawn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Debugged<'a>(&'a GraphicalReportHandler, &'a Shown);
        impl fmt::Debug for Debugged<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.debug(self.1, f)
            }
        }
        write!(f, "{:?}", Debugged(self.0, self.1))
    }
}

/// A problem as miette wants it.
#[derive(Debug)]
struct Shown {
    message: String,
    help: Option<String>,
    level: Level,
    text: Option<NamedSource<String>>,
    span: Option<LabeledSpan>,
}

impl Shown {
    fn of(problem: &Problem, text: Option<Arc<str>>) -> Self {
        let Problem { source, position, severity, resource, violation, help } = problem;
        let span = position.map(|at| LabeledSpan::new(None, at.offset, at.length.max(1)));
        let text = text.filter(|text| position.is_some_and(|at| at.offset <= text.len()));
        let violation = violation.to_string();
        let resource = match resource {
            // of stored resources the source is the resource
            Some(resource) if **source == **resource => String::new(),
            Some(resource) if !violation.starts_with(resource.as_str()) => format!("{resource}: "),
            Some(_) | None => String::new(),
        };
        let place = match (&text, position) {
            (Some(_), _) => String::new(),
            (None, Some(at)) => format!("{source}:{}:{}: ", at.line, at.column),
            (None, None) if source.is_empty() => String::new(),
            (None, None) => format!("{source}: "),
        };
        Self {
            message: format!("{place}{resource}{violation}"),
            help: help.clone(),
            level: match severity {
                Severity::Error => Level::Error,
                Severity::Warning => Level::Warning,
            },
            // a span of one behind the last character needs that character
            text: text.map(|text| NamedSource::new(source, format!("{text}\n"))),
            span,
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Shown {}

impl Diagnostic for Shown {
    fn severity(&self) -> Option<Level> {
        Some(self.level)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.text.as_ref().map(|text| text as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.text.as_ref()?;
        let span = self.span.clone()?;
        Some(Box::new(std::iter::once(span)))
    }
}

/// A problem for programs.
#[derive(Serialize)]
pub(crate) struct Plain<'a> {
    severity: &'static str,
    file: &'a str,
    line: Option<u32>,
    column: Option<u32>,
    resource: Option<&'a str>,
    field: &'a str,
    message: &'a str,
    help: Option<&'a str>,
}

impl<'a> From<&'a Problem> for Plain<'a> {
    fn from(problem: &'a Problem) -> Self {
        let Problem { source, position, severity, resource, violation, help } = problem;
        Self {
            severity: match severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            file: source,
            line: position.map(|at| at.line),
            column: position.map(|at| at.column),
            resource: resource.as_deref(),
            field: &violation.field,
            message: &violation.message,
            help: help.as_deref(),
        }
    }
}

/// How many errors and warnings there are, in words: `2 errors, 1 warning`.
pub(crate) fn count_in_words(problems: &[Problem]) -> String {
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    let warnings = problems.len() - errors;
    let some = |number: usize, word: &str| match number {
        1 => format!("1 {word}"),
        number => format!("{number} {word}s"),
    };
    match (errors, warnings) {
        (0, 0) => "no problems".to_owned(),
        (errors, 0) => some(errors, "error"),
        (0, warnings) => some(warnings, "warning"),
        (errors, warnings) => format!("{}, {}", some(errors, "error"), some(warnings, "warning")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_shown_in_its_text_at_file_line_and_column() {
        let text = "type: Mesh\nnäme: x\nweigth: 1\n";
        let offset = text.find("weigth").unwrap();
        let problem = Problem {
            source: "shop/mesh.yaml".into(),
            position: Some(model::violation::Position { line: 3, column: 1, offset, length: 6 }),
            severity: Severity::Error,
            resource: Some("Mesh default".into()),
            violation: model::Violation::new(model::FieldPath::root().field("weigth"), "unknown field"),
            help: Some("did you mean `weight`?".into()),
        };
        let drawn = Reporter::new().draw(&problem, Some(text.into()));
        for part in
            ["error: Mesh default: weigth: unknown field", "[shop/mesh.yaml:3:1]", "help: did you mean"]
        {
            assert!(drawn.contains(part), "{part} is not in\n{drawn}");
        }
        assert!(Reporter::new().draw(&problem, None).contains("shop/mesh.yaml:3:1: Mesh default: weigth"));
        let stored = Problem { source: "Mesh default".into(), position: None, ..problem };
        assert!(Reporter::new().draw(&stored, None).contains("error: Mesh default: weigth: unknown field"));
    }
}
