//! Result of the demo, compared with the promise.

use std::time::Duration;

use super::clients::{Counts, Seen};
use super::story::BACKENDS;
use crate::output::table;

/// Number of standard deviations that a share may be off.
const DEVIATIONS: f64 = 4.0;

/// Complete result.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    pub(super) chapters: Vec<Chapter>,
    pub(super) counts: Counts,
    /// Connections that the proxy reports to have ended.
    pub(super) cut_by_proxy: u64,
}

/// Result under one set of weights.
#[derive(Clone, Debug)]
pub(super) struct Chapter {
    pub(super) weights: [u32; 3],
    pub(super) seen: Seen,
    /// Time from saving until it was live; `None` at the start.
    pub(super) live_after: Option<Duration>,
}

impl Tally {
    /// Returns `true` if no connection was cut and every share is within 4 standard deviations of a fair draw.
    pub(super) fn is_as_promised(&self) -> bool {
        self.counts.cut == 0 && self.cut_by_proxy == 0 && self.chapters.iter().all(Chapter::is_fair)
    }

    /// Table at the end.
    pub(super) fn summary(&self) -> String {
        let row = |(index, chapter): (usize, &Chapter)| {
            let all: usize = chapter.seen.iter().sum();
            let [a, b, c] = chapter.weights;
            let when = match (index, chapter.live_after) {
                (0, _) | (_, None) => "at the start".to_owned(),
                (index, Some(time)) => format!("after change {index} ({} ms)", time.as_millis()),
            };
            let verdict = if chapter.is_fair() { "ok" } else { "OFF" };
            let [x, y, z] = chapter.seen.map(|seen| format!("{seen} ({:.1}%)", percent(seen, all)));
            [when, all.to_string(), format!("{a}/{b}/{c}"), x, y, z, verdict.to_owned()]
        };
        let [v1, v2, v3] = BACKENDS;
        let rows = self.chapters.iter().enumerate().map(row);
        let table = table(["NEW CONNECTIONS", "OPENED", "WANTED", v1, v2, v3, "WITHIN 4σ"], rows);
        let Counts { opened, echoes, cut } = self.counts;
        let cut = cut.max(usize::try_from(self.cut_by_proxy).unwrap_or(usize::MAX));
        format!(
            "{table}\nconnections opened {opened}, lines echoed on them {echoes}, connections cut {cut}\n"
        )
    }
}

impl Chapter {
    fn is_fair(&self) -> bool {
        let all: usize = self.seen.iter().sum();
        let sum: u32 = self.weights.iter().sum();
        all > 0
            && self.weights.iter().zip(self.seen).all(|(weight, seen)| {
                let (share, all) = (f64::from(*weight) / f64::from(sum), all as f64);
                let deviation = (all * share * (1.0 - share)).sqrt();
                (seen as f64 - all * share).abs() <= DEVIATIONS * deviation
            })
    }
}

/// Part of a whole, in percent.
pub(super) fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chapter(weights: [u32; 3], seen: Seen) -> Chapter {
        Chapter { weights, seen, live_after: None }
    }

    #[test]
    fn a_share_may_be_off_by_four_standard_deviations() {
        // 400 at 90 %: one deviation is 6
        assert!(chapter([90, 10, 0], [360, 40, 0]).is_fair());
        assert!(chapter([90, 10, 0], [383, 17, 0]).is_fair());
        assert!(!chapter([90, 10, 0], [385, 15, 0]).is_fair());
        assert!(!chapter([90, 10, 0], [360, 39, 1]).is_fair(), "zero means never");
        assert!(!chapter([90, 10, 0], [0, 0, 0]).is_fair());
    }

    #[test]
    fn one_cut_connection_breaks_the_promise() {
        let chapters = vec![chapter([50, 50, 0], [10, 10, 0])];
        let counts = Counts { opened: 20, echoes: 100, cut: 0 };
        let mut tally = Tally { chapters, counts, cut_by_proxy: 0 };
        assert!(tally.is_as_promised() && tally.summary().contains("connections cut 0"));
        tally.counts.cut = 1;
        assert!(!tally.is_as_promised() && tally.summary().contains("connections cut 1"));
    }
}
