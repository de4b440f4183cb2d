//! Plot: one small bar chart per axis that has a target. A bar is the median of all rounds; the line across its end
//! goes from the lower to the upper quartile.

use std::fmt::Write as _;

use crate::contestant::Contestant;
use crate::ledger::{Ledger, Quartiles};
use crate::page::figure;
use crate::target::{TARGETS, Target};

const COLUMNS: usize = 2;
const PANEL: (usize, usize) = (440, 178);
const MARGIN: usize = 16;
/// Height of the line above the panels.
const HEAD: usize = 24;
/// Start of the bars, and length of the longest.
const BAR: (usize, usize) = (124, 220);
const ROW: usize = 22;

const BARS: [(Contestant, &str); 5] = [
    (Contestant::Meshtcp, "#1b7f5c"),
    (Contestant::Haproxy, "#8a93a6"),
    (Contestant::HaproxySplice, "#8a93a6"),
    (Contestant::Nginx, "#8a93a6"),
    (Contestant::Envoy, "#8a93a6"),
];

/// SVG of the plot; `date`: day of the measurement.
pub(crate) fn svg(ledger: &Ledger, date: &str) -> String {
    let width = COLUMNS * PANEL.0 + 2 * MARGIN;
    let height = TARGETS.len().div_ceil(COLUMNS) * PANEL.1 + 2 * MARGIN + HEAD;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"system-ui, sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
         <text x=\"{MARGIN}\" y=\"{}\" fill=\"#666666\">Medians, and the quartiles of all rounds. Measured {date}.</text>\n",
        MARGIN + 12,
    );
    for (index, target) in TARGETS.iter().enumerate() {
        let at = (MARGIN + index % COLUMNS * PANEL.0, MARGIN + HEAD + index / COLUMNS * PANEL.1);
        panel(ledger, target, at, &mut text);
    }
    text.push_str("</svg>\n");
    text
}

fn panel(ledger: &Ledger, target: &Target, (x, y): (usize, usize), text: &mut String) {
    let Target { case, metric, .. } = target;
    let (title, unit) = (case.title().split(':').next().unwrap_or_default(), case.heading(*metric));
    let _ = writeln!(
        text,
        "<text x=\"{x}\" y=\"{}\" font-weight=\"600\" fill=\"#222222\">{title}</text>\n\
         <text x=\"{x}\" y=\"{}\" fill=\"#666666\">{unit}, {}</text>",
        y + 14,
        y + 30,
        target.which_is_good(),
    );
    let values = BARS.map(|(contestant, _)| ledger.middle(*case, contestant, *metric));
    let longest = values.iter().flatten().map(|middle| middle.high).fold(0.0, f64::max);
    for (row, ((contestant, colour), value)) in BARS.into_iter().zip(values).enumerate() {
        let Some(Quartiles { low, median, high }) = value else { continue };
        let top = y + 40 + row * ROW;
        let long = |value: f64| if longest > 0.0 { value / longest * BAR.1 as f64 } else { 0.0 };
        let (length, from, to) = (long(median), long(low), long(high));
        let begin = (x + BAR.0) as f64;
        let _ = writeln!(
            text,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\" fill=\"#222222\">{}</text>\n\
             <rect x=\"{}\" y=\"{top}\" width=\"{length:.1}\" height=\"{}\" fill=\"{colour}\"/>\n\
             <path d=\"M{:.1} {middle}H{:.1}\" stroke=\"#222222\"/>\n\
             <text x=\"{:.1}\" y=\"{}\" fill=\"#222222\">{}</text>",
            x + BAR.0 - 6,
            top + 12,
            contestant.name(),
            x + BAR.0,
            ROW - 6,
            begin + from,
            begin + to,
            begin + length.max(to) + 4.0,
            top + 12,
            figure(median),
            middle = top + (ROW - 6) / 2,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Case;
    use crate::window::Sample;

    #[test]
    fn the_longest_bar_is_the_greatest_value() {
        let mut ledger = Ledger::default();
        for (contestant, work) in [(Contestant::Meshtcp, 5.0), (Contestant::Nginx, 1.0)] {
            let sample = Sample { work, seconds: 1.0, cpu_seconds: 1.0, ..Sample::default() };
            ledger.note(Case::Bulk4, contestant, 0, sample);
        }
        let picture = svg(&ledger, "2026-11-25");
        assert!(picture.contains("Measured 2026-11-25"), "{picture}");
        assert!(picture.contains("width=\"220.0\"") && picture.contains("width=\"44.0\""), "{picture}");
    }
}
