//! Targets of meshtcp, as ratios to each rival.

use crate::case::{Case, Metric};
use crate::contestant::Contestant;
use crate::ledger::{Ledger, Quartiles};
use crate::load::Load;

/// Kind of limit: upper or lower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    AtMost,
    AtLeast,
}

/// Row of targets: a limit for each of [`Contestant::RIVALS`].
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

/// Entry of a rival that takes no part in the case.
const ABSENT: f64 = f64::NAN;

/// Targets relative to HAProxy, HAProxy + splice, nginx and Envoy, in this order.
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

/// Upper limit on the memory of an idle connection, in KiB.
pub(crate) const IDLE_KIB: f64 = 0.5;
/// Upper limit on the cost of the large configuration relative to the small one: the smallest difference that a duel
/// can show.
pub(crate) const LARGE_CONFIGURATION: f64 = 1.03;

/// Upper limit on the cost of an ingress after it has read the hello, relative to the plain relay.
pub(crate) const INGRESS: f64 = 1.05;

/// Target for a contestant of ours relative to another one of ours, to a rival, or to no proxy at all.
pub(crate) struct RelativeTarget {
    pub(crate) case: Case,
    pub(crate) metric: Metric,
    pub(crate) one: Contestant,
    pub(crate) to: Contestant,
    wanted: f64,
}

const fn beside(case: Case, metric: Metric, [one, to]: [Contestant; 2], wanted: f64) -> RelativeTarget {
    RelativeTarget { case, metric, one, to, wanted }
}

/// Targets of the kernel path, and of mirrors that are never read. `Machine` includes the usage of clients and
/// backends: the kernel path has no process of its own.
pub(crate) const BESIDE: [RelativeTarget; 6] = [
    beside(Case::Crr, Metric::Machine, [Contestant::MeshtcpKernel, Contestant::Direct], 1.10),
    beside(Case::Crr, Metric::Machine, [Contestant::MeshtcpKernel, Contestant::Haproxy], 0.55),
    beside(Case::Rr64, Metric::Machine, [Contestant::MeshtcpKernel, Contestant::Direct], 1.02),
    beside(Case::Bulk4, Metric::Machine, [Contestant::MeshtcpKernel, Contestant::Direct], 1.02),
    beside(Case::Crr, Metric::Machine, [Contestant::Foreign, Contestant::Direct], 1.03),
    beside(Case::Rr64, Metric::P99, [Contestant::MeshtcpMirrorHangs, Contestant::Meshtcp], 1.05),
];

impl RelativeTarget {
    /// Verdict on the target; `None`: it was not measured.
    pub(crate) fn verdict(&self, ledger: &Ledger) -> Option<Verdict> {
        let seen = ledger.ratio(self.case, self.metric, self.one, self.to)?;
        Some(Verdict { bound: Bound::AtMost, wanted: self.wanted, seen })
    }
}

/// Target and measurement.
pub(crate) struct Verdict {
    pub(crate) bound: Bound,
    pub(crate) wanted: f64,
    pub(crate) seen: Quartiles,
}

impl Verdict {
    pub(crate) fn is_met(&self) -> bool {
        // rounded as printed, so that "1.00, at most 1.00, missed" is impossible
        let seen = (self.seen.median * 100.0).round() / 100.0;
        match self.bound {
            Bound::AtMost => seen <= self.wanted,
            Bound::AtLeast => seen >= self.wanted,
        }
    }
}

impl Target {
    /// Caption of a chart that says which direction is better.
    pub(crate) fn which_is_good(&self) -> &'static str {
        match self.bound {
            Bound::AtMost => "less is better",
            Bound::AtLeast => "more is better",
        }
    }

    /// Verdict on the target against a rival; `None`: it was not measured.
    pub(crate) fn verdict(&self, ledger: &Ledger, rival: usize) -> Option<Verdict> {
        let (wanted, to) = (*self.ratios.get(rival)?, *Contestant::RIVALS.get(rival)?);
        let seen = ledger.ratio(self.case, self.metric, Contestant::Meshtcp, to)?;
        Some(Verdict { bound: self.bound, wanted, seen })
    }
}

/// Verdict on the large configuration relative to the small one under the same load.
pub(crate) fn large_configuration(ledger: &Ledger, case: Case) -> Option<Verdict> {
    of_ours(ledger, case, Contestant::MeshtcpLarge, LARGE_CONFIGURATION)
}

/// Verdict on the ingress of a zone relative to the plain relay under the same load. Cases in which each connection
/// begins with a hello are not compared.
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
