//! Measured cases, and their units.

use clap::ValueEnum;

use crate::load::{BulkDirection, Load};
use crate::window::Sample;

/// A case: every contestant goes through the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Case {
    /// 4 streams to the client
    Bulk4,
    /// 1 stream to the client
    Bulk1,
    /// 4 streams to the backend
    Up4,
    /// 1 stream to the backend
    Up1,
    /// 64 connections that ask 64 bytes
    Rr64,
    /// 1 connection that asks, proxy and load on one CPU
    Rr1,
    /// 1 connection that asks, proxy and load on two CPUs
    Rr1x,
    /// Connect, ask, close; 32 at a time
    Crr,
    /// 16 connections that ask beside 2 GB/s
    Mix,
    /// 9,000 connections that rest
    Idle,
    /// 4 streams to the client, two threads
    Bulk4t2,
    /// 64 connections that ask, two threads
    Rr64t2,
    /// Connect, ask, close; two threads
    Crrt2,
    /// 4 streams to the client, over TLS
    TlsBulk4,
    /// 1 stream to the client, over TLS
    TlsBulk1,
    /// 64 connections that ask 64 bytes, over TLS
    TlsRr64,
    /// Connect, shake hands, ask, close; 16 at a time
    TlsCrr,
    /// 3,000 connections that rest, over TLS
    TlsIdle,
    /// The same as tls-crr, with sessions that may be resumed
    TlsCrrResumed,
}

/// Protocol between the two ends of a contestant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// Plaintext; the contestant has one end only, which dials the backends.
    Plaintext,
    /// TLS with certificates on both sides.
    Tls {
        /// `true`: sessions may be resumed.
        resumes: bool,
    },
}

impl Wire {
    pub(crate) const ALL: [Self; 3] =
        [Self::Plaintext, Self::Tls { resumes: false }, Self::Tls { resumes: true }];
}

/// Quantity of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Metric {
    /// Work per second.
    Rate,
    /// CPU time of the proxy per unit of work.
    Cpu,
    /// CPU time of the whole machine per unit of work.
    Machine,
    /// Median latency.
    P50,
    /// 99th percentile of the latency.
    P99,
    /// CPU usage of the proxy, as a share of one CPU.
    Busy,
    /// Gigabytes per second carried beside the requests.
    Beside,
    /// Memory per idle connection.
    Memory,
    /// Memory without any connection.
    Base,
}

impl Case {
    /// Load of the case; `None`: connections rest.
    pub(crate) fn load(self) -> Option<Load> {
        match self {
            Self::Bulk4 | Self::Bulk4t2 | Self::TlsBulk4 => Some(Load::Bulk(4, BulkDirection::Down)),
            Self::Bulk1 | Self::TlsBulk1 => Some(Load::Bulk(1, BulkDirection::Down)),
            Self::Up4 => Some(Load::Bulk(4, BulkDirection::Up)),
            Self::Up1 => Some(Load::Bulk(1, BulkDirection::Up)),
            Self::Rr64 | Self::Rr64t2 | Self::TlsRr64 => Some(Load::Ask(64)),
            Self::Rr1 | Self::Rr1x => Some(Load::Ask(1)),
            Self::Crr | Self::Crrt2 => Some(Load::Visit(32)),
            Self::TlsCrr | Self::TlsCrrResumed => Some(Load::Visit(16)),
            Self::Mix => Some(Load::Mixed),
            Self::Idle | Self::TlsIdle => None,
        }
    }

    /// Protocol between the ends of a contestant.
    pub(crate) fn wire(self) -> Wire {
        match self {
            Self::TlsBulk4 | Self::TlsBulk1 | Self::TlsRr64 | Self::TlsCrr | Self::TlsIdle => {
                Wire::Tls { resumes: false }
            }
            Self::TlsCrrResumed => Wire::Tls { resumes: true },
            Self::Bulk4 | Self::Bulk1 | Self::Up4 | Self::Up1 | Self::Bulk4t2 => Wire::Plaintext,
            Self::Rr64 | Self::Rr1 | Self::Rr1x | Self::Rr64t2 => Wire::Plaintext,
            Self::Crr | Self::Crrt2 | Self::Mix | Self::Idle => Wire::Plaintext,
        }
    }

    /// Number of resting connections in the cases where connections rest.
    pub(crate) fn resting(self) -> usize {
        // both ends of each are in one process
        if self.wire() == Wire::Plaintext { 9_000 } else { 3_000 }
    }

    /// Number of threads of the proxies; with one they are pinned to a CPU, with more nothing is.
    pub(crate) fn threads(self) -> usize {
        match self {
            Self::Bulk4t2 | Self::Rr64t2 | Self::Crrt2 => 2,
            Self::Bulk4 | Self::Bulk1 | Self::Up4 | Self::Up1 => 1,
            Self::Rr64 | Self::Rr1 | Self::Rr1x | Self::Crr | Self::Mix | Self::Idle => 1,
            Self::TlsBulk4
            | Self::TlsBulk1
            | Self::TlsRr64
            | Self::TlsCrr
            | Self::TlsIdle
            | Self::TlsCrrResumed => 1,
        }
    }

    /// Returns `true` if other configurations of ours are compared, too.
    pub(crate) fn compares_configurations(self) -> bool {
        matches!(self, Self::Bulk4 | Self::Rr64 | Self::Crr)
    }

    /// Returns `true` if mirrored clients are compared, too: data from clients is what a mirror copies.
    pub(crate) fn compares_mirrors(self) -> bool {
        matches!(self, Self::Up4 | Self::Up1 | Self::Rr64 | Self::Crr)
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Bulk4 => "bulk down, 4 streams",
            Self::Bulk1 => "bulk down, 1 stream",
            Self::Up4 => "bulk up, 4 streams",
            Self::Up1 => "bulk up, 1 stream",
            Self::Rr64 => "request/response 64 B, 64 connections",
            Self::Rr1 => "request/response 64 B, 1 connection, all on one CPU",
            Self::Rr1x => "request/response 64 B, 1 connection, over two CPUs",
            Self::Crr => "connect, request, close, 32 at a time",
            Self::Mix => "small beside big: 16 ping-pong beside 4 × 500 MB/s",
            Self::Idle => "9,000 idle connections",
            Self::Bulk4t2 => "bulk down, 4 streams, two threads",
            Self::Rr64t2 => "request/response 64 B, 64 connections, two threads",
            Self::Crrt2 => "connect, request, close, 32 at a time, two threads",
            Self::TlsBulk4 => "TLS: bulk down, 4 streams",
            Self::TlsBulk1 => "TLS: bulk down, 1 stream",
            Self::TlsRr64 => "TLS: request/response 64 B, 64 connections",
            Self::TlsCrr => "TLS: connect, full handshake, request, close, 16 at a time",
            Self::TlsIdle => "TLS: 3,000 idle connections",
            Self::TlsCrrResumed => "TLS: connect, request, close, 16 at a time, rivals resume sessions",
        }
    }

    /// Metrics of the case, in the order of a table.
    pub(crate) fn metrics(self) -> &'static [Metric] {
        match self {
            Self::Bulk4 | Self::Bulk1 | Self::Up4 | Self::Up1 | Self::Bulk4t2 => {
                &[Metric::Rate, Metric::Cpu, Metric::Machine]
            }
            Self::Rr64 | Self::Rr64t2 | Self::Rr1 | Self::Rr1x | Self::Crr | Self::Crrt2 => {
                &[Metric::Rate, Metric::Cpu, Metric::Machine, Metric::P50, Metric::P99]
            }
            Self::TlsBulk4 | Self::TlsBulk1 => &[Metric::Rate, Metric::Cpu],
            Self::TlsRr64 | Self::TlsCrr | Self::TlsCrrResumed => {
                &[Metric::Rate, Metric::Cpu, Metric::P50, Metric::P99]
            }
            Self::Mix => &[Metric::Rate, Metric::P50, Metric::P99, Metric::Beside, Metric::Busy],
            Self::Idle | Self::TlsIdle => &[Metric::Memory, Metric::Base],
        }
    }

    /// Column heading of a metric, with its unit in this case.
    pub(crate) fn heading(self, metric: Metric) -> &'static str {
        let (rate, cpu) = match self.load() {
            Some(Load::Bulk(..)) | None => ("GB/s", "CPU-s/GB"),
            Some(Load::Ask(_) | Load::Mixed) => ("requests/s", "CPU µs/request"),
            Some(Load::Visit(_)) => ("connections/s", "CPU µs/connection"),
        };
        match metric {
            Metric::Rate => rate,
            Metric::Cpu => cpu,
            Metric::Machine => "of all",
            Metric::P50 => "p50 µs",
            Metric::P99 => "p99 µs",
            Metric::Busy => "CPUs busy",
            Metric::Beside => "GB/s beside",
            Metric::Memory => "KiB/connection",
            Metric::Base => "KiB without connections",
        }
    }

    /// Value of a metric; `None`: the sample has none.
    pub(crate) fn value(self, metric: Metric, sample: &Sample) -> Option<f64> {
        let cpu_scale = if matches!(self.load(), Some(Load::Bulk(..))) { 1.0 } else { 1e6 };
        let value = match metric {
            Metric::Rate => sample.work / sample.seconds,
            Metric::Cpu => sample.cpu_seconds * cpu_scale / sample.work,
            Metric::Machine => sample.machine_seconds * cpu_scale / sample.work,
            Metric::P50 => sample.p50,
            Metric::P99 => sample.p99,
            Metric::Busy => sample.cpu_seconds / sample.seconds,
            Metric::Beside => sample.beside,
            Metric::Memory => sample.memory,
            Metric::Base => sample.base,
        };
        (value.is_finite() && value > 0.0).then_some(value)
    }
}
