//! Time in which a slice is measured, after a warm-up, and the usage of the proxy in that time.

use std::time::{Duration, Instant};

use crate::process::{Processes, machine_cpu};

/// Durations of the warm-up and of the measurement of a slice, and the watched processes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) warm_up: Duration,
    pub(crate) length: Duration,
    pub(crate) watched: Processes,
}

/// Phase of a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    WarmUp,
    /// First look after the warm-up.
    Begins,
    Measured,
    Over,
}

/// Clock that tells the phase.
pub(crate) struct Watch {
    window: Window,
    warm: Instant,
    begun: Option<(Instant, Duration, Duration, u64)>,
}

/// Measurements of one slice.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sample {
    /// Work in gigabytes, requests or connections.
    pub(crate) work: f64,
    pub(crate) seconds: f64,
    /// CPU time of the proxy, in seconds.
    pub(crate) cpu_seconds: f64,
    /// CPU time of the whole machine, in seconds: clients, backends and the proxy.
    pub(crate) machine_seconds: f64,
    /// Number of times that the proxy's threads went to sleep.
    pub(crate) sleeps: f64,
    /// Latencies in microseconds, if there are any.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// Gigabytes per second carried beside the requests.
    pub(crate) beside: f64,
    /// Resident memory per idle connection, in KiB.
    pub(crate) memory: f64,
    /// Resident memory without connections, in KiB.
    pub(crate) base: f64,
}

impl Watch {
    pub(crate) fn start(window: Window) -> Self {
        Self { window, warm: Instant::now() + window.warm_up, begun: None }
    }

    pub(crate) fn phase(&mut self, now: Instant) -> Phase {
        match self.begun {
            None if now < self.warm => Phase::WarmUp,
            None => {
                let watched = self.window.watched;
                self.begun = Some((Instant::now(), watched.cpu(), machine_cpu(), watched.sleeps()));
                Phase::Begins
            }
            Some((begun, ..)) if now < begun + self.window.length => Phase::Measured,
            Some(_) => Phase::Over,
        }
    }

    /// Sample of the slice, once it is over; latencies in nanoseconds.
    pub(crate) fn sample(self, work: f64, latencies: &mut [u32]) -> Sample {
        let Some((begun, cpu, machine, sleeps)) = self.begun else { return Sample::default() };
        let watched = self.window.watched;
        latencies.sort_unstable();
        Sample {
            work,
            seconds: begun.elapsed().as_secs_f64(),
            cpu_seconds: watched.cpu().saturating_sub(cpu).as_secs_f64(),
            machine_seconds: machine_cpu().saturating_sub(machine).as_secs_f64(),
            sleeps: watched.sleeps().saturating_sub(sleeps) as f64,
            p50: quantile(latencies, 0.5),
            p99: quantile(latencies, 0.99),
            ..Sample::default()
        }
    }
}

/// Quantile of sorted nanoseconds, in microseconds.
fn quantile(sorted: &[u32], share: f64) -> f64 {
    let index = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(index).map_or(0.0, |nanoseconds| f64::from(*nanoseconds) / 1000.0)
}

/// Nanoseconds since `start`, capped at about four seconds.
pub(crate) fn nanoseconds_since(start: Instant, now: Instant) -> u32 {
    u32::try_from(now.saturating_duration_since(start).as_nanos()).unwrap_or(u32::MAX)
}
