//! Section of the performance page that this tool writes.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;

use crate::case::{Case, Metric};
use crate::contestant::Contestant;
use crate::ledger::Ledger;
use crate::target::{self, BESIDE, Bound, IDLE_KIB, RelativeTarget, TARGETS, Verdict};
use crate::{Arguments, machine};

const BEGIN: &str = "<!-- written by `cargo xtask bench`, from here -->";
const END: &str = "<!-- to here -->";

/// Data that the section is made from.
pub(crate) struct Page<'a> {
    pub(crate) ledger: &'a Ledger,
    pub(crate) arguments: &'a Arguments,
    pub(crate) absent: &'a [String],
    pub(crate) took: Duration,
}

impl Page<'_> {
    /// Section in Markdown.
    pub(crate) fn section(&self) -> String {
        let mut text = String::new();
        let date = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC");
        let versions = Contestant::value_variants().iter().filter_map(|one| one.version(self.arguments));
        let _ = writeln!(
            text,
            "Measured {date} by `{}` in {} minutes on {}; {}.",
            self.arguments.command,
            self.took.as_secs().div_ceil(60),
            machine::in_words(),
            versions.collect::<Vec<_>>().join(", "),
        );
        for absent in self.absent {
            let _ = writeln!(text, "\n**Not compared: {absent}.**");
        }
        text.push_str("\n![each axis, all proxies](performance.svg)\n");
        self.targets(&mut text);
        for case in self.ledger.cases() {
            self.case(case, &mut text);
        }
        text
    }

    fn targets(&self, text: &mut String) {
        let rows: Vec<String> = TARGETS.iter().filter_map(|target| self.target(target)).collect();
        if rows.is_empty() {
            return;
        }
        text.push_str(
            "\n### Targets\n\nmeshtcp divided by the rival, slice by slice of one round; median, in brackets its quartiles, then \
             what is wanted.\n\n| |",
        );
        for rival in Contestant::RIVALS {
            let _ = write!(text, " {} |", rival.name());
        }
        text.push_str("\n|---|---|---|---|---|\n");
        text.push_str(&rows.concat());
        if let Some(memory) = self.ledger.middle(Case::Idle, Contestant::Meshtcp, Metric::Memory) {
            let met = if memory.median <= IDLE_KIB { "met" } else { "**missed**" };
            let _ = writeln!(
                text,
                "\nUser memory for an idle connection: {:.2} KiB, at most {IDLE_KIB}: {met}.",
                memory.median
            );
        }
        self.of_ours(
            text,
            "With 1,000 listeners and 1,000 endpoints, CPU per unit divided by that of the small configuration",
            target::large_configuration,
        );
        self.of_ours(
            text,
            "As the ingress of a zone, which has read a client hello and passes on what follows, CPU per unit divided by that \
             of the plain relay",
            target::ingress,
        );
        let beside =
            BESIDE.iter().filter_map(|it| Some((it, it.verdict(self.ledger)?))).map(|(it, verdict)| {
                let RelativeTarget { case, metric, one, to, .. } = it;
                let (one, to, unit) = (one.name(), to.name(), case.heading(*metric));
                format!("* {}, {unit}: {one} divided by {to}: {}\n", case.title(), in_words(&verdict))
            });
        let beside: String = beside.collect();
        if !beside.is_empty() {
            let _ = write!(text, "\nThe kernel path, and a mirror that hangs:\n\n{beside}");
        }
    }

    /// Adds the cost of a configuration of ours relative to the plain one, case by case.
    fn of_ours(&self, text: &mut String, what: &str, verdict: fn(&Ledger, Case) -> Option<Verdict>) {
        let cases = Case::value_variants().iter().copied().filter(|case| case.compares_configurations());
        let verdicts: Vec<_> = cases.filter_map(|case| Some((case, verdict(self.ledger, case)?))).collect();
        if !verdicts.is_empty() {
            let _ = write!(text, "\n{what}:\n\n");
            for (case, verdict) in verdicts {
                let _ = writeln!(text, "* {}: {}", case.title(), in_words(&verdict));
            }
        }
    }

    fn target(&self, target: &target::Target) -> Option<String> {
        let cells: Vec<Option<String>> = (0..Contestant::RIVALS.len())
            .map(|rival| target.verdict(self.ledger, rival).map(|verdict| in_words(&verdict)))
            .collect();
        if cells.iter().all(Option::is_none) {
            return None;
        }
        let mut row = format!("| {}: {} |", target.case.title(), target.case.heading(target.metric));
        for cell in cells {
            let _ = write!(row, " {} |", cell.as_deref().unwrap_or("–"));
        }
        row.push('\n');
        Some(row)
    }

    fn case(&self, case: Case, text: &mut String) {
        let metrics = case.metrics();
        let _ = write!(
            text,
            "\n### {}\n\nMedian of {} rounds; in brackets meshtcp divided by it.\n\n| |",
            capital(case.title()),
            self.ledger.rounds(case)
        );
        for metric in metrics {
            let _ = write!(text, " {} |", case.heading(*metric));
        }
        let _ = write!(text, "\n|---|{}\n", "---|".repeat(metrics.len()));
        for contestant in self.ledger.contestants(case) {
            let _ = write!(text, "| {} |", contestant.name());
            for metric in metrics {
                let middle = self.ledger.middle(case, contestant, *metric);
                let _ = write!(text, " {}", middle.map_or("–".into(), |middle| figure(middle.median)));
                let ratio = self.ledger.ratio(case, *metric, Contestant::Meshtcp, contestant);
                match ratio.filter(|_| contestant != Contestant::Meshtcp) {
                    Some(ratio) => {
                        let _ = write!(text, " ({:.2}) |", ratio.median);
                    }
                    None => text.push_str(" |"),
                }
            }
            text.push('\n');
        }
    }

    /// Replaces the text between the marks by the section, and keeps the rest of the page.
    pub(crate) fn write(&self, path: &Path, section: &str) -> Result<(), String> {
        let fault = |error: std::io::Error| format!("{}: {error}", path.display());
        let page = match fs::read_to_string(path) {
            Ok(page) => page,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => "# Performance\n".to_owned(),
            Err(error) => return Err(fault(error)),
        };
        fs::write(path, with_section(&page, section)).map_err(fault)
    }
}

fn with_section(page: &str, section: &str) -> String {
    let section = format!("{BEGIN}\n{}\n{END}", section.trim_end());
    match (page.find(BEGIN), page.find(END)) {
        (Some(begin), Some(end)) if begin < end => {
            format!("{}{section}{}", &page[..begin], &page[end + END.len()..])
        }
        _ => format!("{}\n\n## Side by side\n\n{section}\n", page.trim_end()),
    }
}

fn in_words(verdict: &Verdict) -> String {
    let Verdict { bound, wanted, seen } = verdict;
    let sign = match bound {
        Bound::AtMost => '≤',
        Bound::AtLeast => '≥',
    };
    let met = if verdict.is_met() { "met" } else { "**missed**" };
    format!("{:.2} [{:.2}–{:.2}], {sign} {wanted}: {met}", seen.median, seen.low, seen.high)
}

/// Formats a number with three significant digits; large numbers as thousands.
pub(crate) fn figure(value: f64) -> String {
    match value {
        value if value >= 99_950.0 => format!("{:.0}k", value / 1000.0),
        value if value >= 9_995.0 => format!("{:.1}k", value / 1000.0),
        value if value >= 99.95 => format!("{value:.0}"),
        value if value >= 9.995 => format!("{value:.1}"),
        value if value >= 0.9995 => format!("{value:.2}"),
        value => format!("{value:.3}"),
    }
}

fn capital(title: &str) -> String {
    let mut letters = title.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_section_changes() {
        let first = with_section("# Performance\n\nabove\n", "old");
        let page = first.replace("above", "above, edited") + "\n## Soak\n\nbelow\n";
        let second = with_section(&page, "new");
        assert_eq!(second, page.replace("old", "new"));
        assert!(second.contains("above, edited") && second.contains("below") && !second.contains("old"));
    }

    #[test]
    fn figures_have_three_digits() {
        let figures = [0.1482, 5.604, 12.53, 936.2, 12_450.0, 123_456.0].map(figure);
        assert_eq!(figures, ["0.148", "5.60", "12.5", "936", "12.4k", "123k"]);
    }
}
