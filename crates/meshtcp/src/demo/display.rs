//! Display of the running demo: bars on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::clients::{Counts, Seen};
use super::story::BACKENDS;
use super::tally::percent;
use crate::output::print;
use crate::terminal::draws;

/// Interval between plain lines.
const PLAIN_RHYTHM: Duration = Duration::from_secs(1);
/// Interval between redraws of the bars.
const RHYTHM: Duration = Duration::from_millis(100);

pub(super) struct Display {
    bars: Option<Bars>,
    weights: [u32; 3],
    drawn: Instant,
}

struct Bars {
    all: MultiProgress,
    backends: Vec<ProgressBar>,
    counts: ProgressBar,
}

impl Display {
    pub(super) fn new() -> Self {
        let bars = std::io::stdout().is_terminal().then(Bars::new);
        Self { bars, weights: [0; 3], drawn: Instant::now() }
    }

    /// Begins a chapter with these weights.
    pub(super) fn chapter(&mut self, weights: [u32; 3], live_after: Option<Duration>) {
        self.weights = weights;
        let [a, b, c] = weights;
        let text = match live_after {
            None => format!("weights {a}/{b}/{c}"),
            Some(time) => {
                format!("route.yaml saved: weights {a}/{b}/{c}, live after {} ms", time.as_millis())
            }
        };
        match &self.bars {
            Some(bars) => {
                // shown on a terminal only, if that is possible
                let _ = bars.all.println(text);
            }
            None => print(&format!("{text}\n")),
        }
    }

    /// Shows the current state; at once if `last`, otherwise at intervals.
    pub(super) fn update(&mut self, seen: &Seen, counts: Counts, last: bool) {
        let rhythm = if self.bars.is_some() { RHYTHM } else { PLAIN_RHYTHM };
        if !last && self.drawn.elapsed() < rhythm {
            return;
        }
        self.drawn = Instant::now();
        let all: usize = seen.iter().sum();
        let Counts { opened, echoes, cut } = counts;
        let status = format!("{opened} open, {echoes} echoes, {cut} cut");
        let sides = BACKENDS.iter().zip(seen).zip(self.weights);
        match &self.bars {
            Some(bars) => {
                for (((name, seen), wanted), bar) in sides.zip(&bars.backends) {
                    let share = percent(*seen, all);
                    bar.set_position(share.round() as u64);
                    bar.set_message(format!("{name}  wanted {wanted:>3}%  seen {share:>5.1}%  {seen}"));
                }
                bars.counts.set_message(status);
            }
            None => {
                let sides = sides.map(|((name, seen), wanted)| {
                    format!("{name} wanted {wanted}% seen {:.1}%", percent(*seen, all))
                });
                print(&format!("  {status}; {}\n", sides.collect::<Vec<_>>().join(", ")));
            }
        }
    }

    pub(super) fn finish(&mut self) {
        if let Some(bars) = self.bars.take() {
            bars.backends.iter().for_each(ProgressBar::finish_and_clear);
            bars.counts.finish_and_clear();
        }
        print("\n");
    }
}

impl Bars {
    fn new() -> Self {
        let all = MultiProgress::new();
        let style = |template: &str| {
            ProgressStyle::with_template(template)
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars(if draws() { "█▌ " } else { "#: " })
        };
        let bar = |_| all.add(ProgressBar::new(100).with_style(style("  {bar:40} {msg}")));
        let backends = BACKENDS.iter().map(bar).collect();
        let counts = all.add(ProgressBar::new_spinner().with_style(style("  {msg}")));
        Self { all, backends, counts }
    }
}
