//! What meshtcp wants to reach, as ratios to each rival.

use crate::case::{Case, Metric};
use crate::contestant::Contestant;
use crate::ledger::{Ledger, Middle};
use crate::load::Load;

/// Which way is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    AtMost,
    AtLeast,
}

/// A row of targets: a bound for each of [`Contestant::RIVALS`].
pub(crate) struct Target {
    pub(crate) case: Case,
    pub(crate) metric: Metric,
    bound: Bound,
    ratios: [f64; 4],
}

const fn at_most(case: Case, metric: Metric, ratios: [f64; 4]) -> Target {
    Target { case, metric, bound: Bound::AtMost, ratios }
}

const fn at_least(case: Case, metric: Metric, ratios: [f64; 4]) -> Target {
    Target { case, metric, bound: Bound::AtLeast, ratios }
}

/// Takes no part in the case.
const ABSENT: f64 = f64::NAN;

/// In the order HAProxy, HAProxy + splice, nginx, Envoy.
pub(crate) const TARGETS: [Target; 15] = [
    at_most(Case::Bulk4, Metric::Cpu, [0.25, 1.00, 0.25, 0.40]),
    at_least(Case::Bulk4, Metric::Rate, [3.5, 1.0, 3.5, 2.2]),
    at_most(Case::Rr64, Metric::Cpu, [0.92, 0.72, 0.97, 0.62]),
    at_most(Case::Rr64, Metric::P99, [1.0, 0.8, 1.0, 0.55]),
    at_most(Case::Rr1, Metric::P50, [0.90, 0.85, 0.95, 0.88]),
    at_most(Case::Crr, Metric::Cpu, [0.90, 0.90, 0.95, 0.58]),
    at_least(Case::Crr, Metric::Rate, [1.07, 1.07, 1.03, 1.6]),
    at_least(Case::Mix, Metric::Rate, [6.0, 1.0, 6.0, 1.0]),
    at_most(Case::Idle, Metric::Memory, [0.15, 0.15, 0.05, 0.03]),
    at_most(Case::TlsRr64, Metric::Cpu, [0.76, ABSENT, ABSENT, 0.66]),
    at_most(Case::TlsRr64, Metric::P99, [0.95, ABSENT, ABSENT, 0.65]),
    at_most(Case::TlsCrr, Metric::Cpu, [0.45, ABSENT, ABSENT, 0.90]),
    at_most(Case::TlsBulk4, Metric::Cpu, [0.52, ABSENT, ABSENT, 0.80]),
    at_most(Case::TlsBulk1, Metric::Cpu, [0.52, ABSENT, ABSENT, 0.95]),
    at_most(Case::TlsIdle, Metric::Memory, [0.52, ABSENT, ABSENT, 0.43]),
];

/// The most memory for an idle connection, in KiB.
pub(crate) const IDLE_KIB: f64 = 0.5;
/// The most that the large configuration may cost, against the small one: what a duel can still tell from nothing.
pub(crate) const LARGE_CONFIGURATION: f64 = 1.03;

/// The most that an ingress may cost which has read its hello, against the plain relay.
pub(crate) const INGRESS: f64 = 1.05;

/// What ours may be beside another one of ours, or beside no proxy at all.
pub(crate) struct Beside {
    pub(crate) case: Case,
    pub(crate) metric: Metric,
    pub(crate) one: Contestant,
    pub(crate) to: Contestant,
    wanted: f64,
}

const fn beside(case: Case, metric: Metric, [one, to]: [Contestant; 2], wanted: f64) -> Beside {
    Beside { case, metric, one, to, wanted }
}

/// The kernel path, and mirrors that nobody reads. Of the machine counts what clients and backends use, too: the kernel path
/// has no process of its own.
pub(crate) const BESIDE: [Beside; 6] = [
    beside(Case::Crr, Metric::Machine, [Contestant::MeshtcpKernel, Contestant::Direct], 1.10),
    beside(Case::Crr, Metric::Machine, [Contestant::MeshtcpKernel, Contestant::Haproxy], 0.55),
    beside(Case::Rr64, Metric::Machine, [Contestant::MeshtcpKernel, Contestant::Direct], 1.02),
    beside(Case::Bulk4, Metric::Machine, [Contestant::MeshtcpKernel, Contestant::Direct], 1.02),
    beside(Case::Crr, Metric::Machine, [Contestant::Foreign, Contestant::Direct], 1.03),
    beside(Case::Rr64, Metric::P99, [Contestant::MeshtcpMirrorHangs, Contestant::Meshtcp], 1.05),
];

impl Beside {
    /// How it stands; `None` when it was not measured.
    pub(crate) fn verdict(&self, ledger: &Ledger) -> Option<Verdict> {
        let seen = ledger.ratio(self.case, self.metric, self.one, self.to)?;
        Some(Verdict { bound: Bound::AtMost, wanted: self.wanted, seen })
    }
}

/// A target, and what was seen.
pub(crate) struct Verdict {
    pub(crate) bound: Bound,
    pub(crate) wanted: f64,
    pub(crate) seen: Middle,
}

impl Verdict {
    pub(crate) fn is_met(&self) -> bool {
        // as it is printed, so that nobody reads "1.00, at most 1.00, missed"
        let seen = (self.seen.median * 100.0).round() / 100.0;
        match self.bound {
            Bound::AtMost => seen <= self.wanted,
            Bound::AtLeast => seen >= self.wanted,
        }
    }
}

impl Target {
    /// What a reader of a chart has to know.
    pub(crate) fn which_is_good(&self) -> &'static str {
        match self.bound {
            Bound::AtMost => "less is better",
            Bound::AtLeast => "more is better",
        }
    }

    /// How the target against a rival stands; `None` when it was not measured.
    pub(crate) fn verdict(&self, ledger: &Ledger, rival: usize) -> Option<Verdict> {
        let (wanted, to) = (*self.ratios.get(rival)?, *Contestant::RIVALS.get(rival)?);
        let seen = ledger.ratio(self.case, self.metric, Contestant::Meshtcp, to)?;
        Some(Verdict { bound: self.bound, wanted, seen })
    }
}

/// The same load with the large configuration, against the small one.
pub(crate) fn large_configuration(ledger: &Ledger, case: Case) -> Option<Verdict> {
    of_ours(ledger, case, Contestant::MeshtcpLarge, LARGE_CONFIGURATION)
}

/// The same load through the ingress of a zone, against the plain relay. What begins each connection with a hello is not
/// compared.
pub(crate) fn ingress(ledger: &Ledger, case: Case) -> Option<Verdict> {
    match case.load()? {
        Load::Visit(_) => None,
        Load::Bulk(..) | Load::Ask(_) | Load::Mixed => {
            of_ours(ledger, case, Contestant::MeshtcpIngress, INGRESS)
        }
    }
}

fn of_ours(ledger: &Ledger, case: Case, one: Contestant, wanted: f64) -> Option<Verdict> {
    let seen = ledger.ratio(case, Metric::Cpu, one, Contestant::Meshtcp)?;
    Some(Verdict { bound: Bound::AtMost, wanted, seen })
}
