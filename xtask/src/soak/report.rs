//! Result of a soak as a table, with verdicts.

use std::fmt::Write as _;
use std::time::Duration;

use super::program::{DataPath, Metrics, Sample};
use crate::run::Outcome;

/// Limit on the growth of memory from the second third of the time to the last one, as a factor.
const GROWTH: f64 = 1.10;
/// Growth in KiB below which it is noise: pages that an allocator keeps.
const NOISE: u64 = 2048;
/// Number of descriptors that a pool may keep: 64 pipes a worker, two ends each, two workers.
const POOL: u64 = 2 * 64 * 2;

/// Observations of a run.
pub(super) struct Report {
    pub(super) time: Duration,
    pub(super) seed: u64,
    pub(super) changes: u32,
    /// Data path of the connections.
    pub(super) path: DataPath,
    /// Number of connections that clients tried.
    pub(super) dialled: u64,
    /// Name of the listener that they connected to.
    pub(super) outbound: String,
    pub(super) samples: Vec<(Duration, Sample)>,
    pub(super) idle_before: Sample,
    pub(super) idle_after: Sample,
    pub(super) metrics: Metrics,
    pub(super) log_lines: u64,
}

struct Check {
    what: &'static str,
    seen: String,
    good: bool,
}

impl Report {
    fn checks(&self) -> Vec<Check> {
        let accepted = self.metrics.by("meshtcp_connections_accepted_total", "listener");
        let at_outbound = accepted.get(&self.outbound).copied().unwrap_or(0);
        // listeners come and go with their endpoints; the sums of a proxy stay
        let accepted = self.metrics.by("meshtcp_proxy_connections_accepted_total", "proxy");
        let all: u64 = accepted.values().sum();
        let ended = self.metrics.by("meshtcp_proxy_connections_ended_total", "proxy");
        let dropped = self.metrics.sum("meshtcp_log_lines_dropped_total");
        let of_thirds = |count: fn(&Sample) -> u64| (self.most(1, count), self.most(2, count));
        let (middle, last) = of_thirds(|sample| sample.memory);
        // threads that read files come when they are needed, and go when they are not for ten seconds
        let (few, many) = of_thirds(|sample| sample.threads);
        let (before, after) = (self.idle_before.descriptors, self.idle_after.descriptors);
        let lost = self.metrics.sum("meshtcp_kernel_records_lost_total");
        let in_kernel = self.metrics.by("meshtcp_listener_path", "path").get("kernel").copied().unwrap_or(0);
        let of_kernel = Check {
            what: "the outbound is decided about in the kernel, and no record was lost",
            seen: format!("{in_kernel} listener, {lost} lost"),
            good: in_kernel == 1 && lost == 0,
        };
        let of_kernel = (self.path == DataPath::Auto).then_some(of_kernel);
        let mut checks = vec![
            Check {
                what: "every connection of a client was accepted and counted",
                seen: format!("{} dialled, {at_outbound} accepted", self.dialled),
                good: self.dialled == at_outbound && at_outbound > 0,
            },
            Check {
                what: "every accepted connection ended or was refused for a reason, at each proxy",
                seen: format!("{all} accepted, {} ended", ended.values().sum::<u64>()),
                good: accepted == ended,
            },
            Check {
                what: "every connection has a line in the log",
                seen: format!("{} lines, {dropped} dropped", self.log_lines),
                good: self.log_lines + dropped == all && dropped == 0,
            },
            Check {
                what: "memory is flat: the most in the last third against the third before",
                seen: format!("{last} KiB against {middle} KiB"),
                good: last as f64 <= middle as f64 * GROWTH || last <= middle + NOISE,
            },
            Check {
                what: "threads are flat: the most in the last third against the third before",
                seen: format!("{many} against {few}"),
                good: many <= few,
            },
            Check {
                what: "descriptors come back: idle after against idle before and the pools of pipes",
                seen: format!("{after} against {before} + {POOL}"),
                good: after <= before + POOL,
            },
        ];
        checks.extend(of_kernel);
        checks
    }

    /// Largest figure in a third of the time: 0, 1 or 2.
    fn most(&self, third: usize, figure: fn(&Sample) -> u64) -> u64 {
        let count = self.samples.len();
        let part = &self.samples[count * third / 3..count * (third + 1) / 3];
        part.iter().map(|(_, sample)| figure(sample)).max().unwrap_or(0)
    }

    pub(super) fn verdict(&self) -> Outcome {
        let bad: Vec<&str> =
            self.checks().iter().filter(|check| !check.good).map(|check| check.what).collect();
        if bad.is_empty() { Ok(()) } else { Err(format!("not so: {}", bad.join("; "))) }
    }

    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "# Soak\n\n\
             Written by `{}`. `meshtcp up` with two workers carries a client-side proxy and four inbounds on\n\
             loopback, so that most connections pass two of its listeners{}. For {:.1} minutes clients connect, talk, fall\n\
             silent, reset and stay; weights, what they do to connections that live, and endpoints change every 2 seconds\n\
             ({} times), and applications go away and return. Seed {}.\n\n\
             | | seen | |\n|---|---|---|\n",
            match self.path {
                DataPath::Relay => "cargo xtask soak",
                DataPath::Auto => "cargo xtask soak --data-path auto",
            },
            match self.path {
                DataPath::Relay => "",
                DataPath::Auto => ", the first of which is decided about in the kernel",
            },
            self.time.as_secs_f64() / 60.0,
            self.changes,
            self.seed
        );
        // writing to memory does not fail
        for Check { what, seen, good } in self.checks() {
            let _ = writeln!(text, "| {what} | {seen} | {} |", if good { "yes" } else { "**no**" });
        }
        text.push_str("\n## How connections ended\n\n| reason | connections |\n|---|--:|\n");
        for (reason, count) in self.metrics.by("meshtcp_proxy_connections_ended_total", "ended") {
            let _ = writeln!(text, "| `{reason}` | {count} |");
        }
        text.push_str(
            "\n## Over time\n\n| minute | accepted | living | memory, KiB | descriptors | threads |\n|--:|--:|--:|--:|--:|--:|\n",
        );
        let idle = [(None, &self.idle_before)];
        let samples = self.samples.iter().map(|(at, sample)| (Some(*at), sample));
        for (at, sample) in idle.into_iter().chain(samples).chain([(None, &self.idle_after)]) {
            let Sample { memory, descriptors, threads, active, accepted } = sample;
            let at = at.map_or("idle".to_owned(), |at| format!("{:.1}", at.as_secs_f64() / 60.0));
            let _ = writeln!(text, "| {at} | {accepted} | {active} | {memory} | {descriptors} | {threads} |");
        }
        text
    }
}
