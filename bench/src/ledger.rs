//! Samples by case, contestant and round.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::ValueEnum;

use crate::case::{Case, Metric};
use crate::contestant::Contestant;
use crate::window::Sample;

/// All samples of a run.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    samples: BTreeMap<(Case, Contestant), BTreeMap<usize, Sample>>,
}

/// Median, with the quartiles around it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Quartiles {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl Quartiles {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let last = values.len().checked_sub(1)?;
        let at = |share: f64| {
            let position = last as f64 * share;
            let (below, above) = (values[position.floor() as usize], values[position.ceil() as usize]);
            below + (above - below) * position.fract()
        };
        Some(Self { low: at(0.25), median: at(0.5), high: at(0.75) })
    }
}

impl Ledger {
    pub(crate) fn note(&mut self, case: Case, contestant: Contestant, round: usize, sample: Sample) {
        self.samples.entry((case, contestant)).or_default().insert(round, sample);
    }

    /// Median and quartiles of a metric; `None`: no sample has it.
    pub(crate) fn middle(&self, case: Case, contestant: Contestant, metric: Metric) -> Option<Quartiles> {
        let samples = self.samples.get(&(case, contestant))?.values();
        Quartiles::of(samples.filter_map(|sample| case.value(metric, sample)).collect())
    }

    /// Median and quartiles of the ratio `of` to `to`, taken round by round; `None`: no round has both.
    pub(crate) fn ratio(
        &self,
        case: Case,
        metric: Metric,
        of: Contestant,
        to: Contestant,
    ) -> Option<Quartiles> {
        let (ours, theirs) = (self.samples.get(&(case, of))?, self.samples.get(&(case, to))?);
        let ratios = ours.iter().filter_map(|(round, sample)| {
            Some(case.value(metric, sample)? / case.value(metric, theirs.get(round)?)?)
        });
        Quartiles::of(ratios.collect())
    }

    /// Cases with samples.
    pub(crate) fn cases(&self) -> Vec<Case> {
        let mut cases: Vec<Case> = self.samples.keys().map(|(case, _)| *case).collect();
        cases.dedup();
        cases
    }

    /// Contestants with samples of a case.
    pub(crate) fn contestants(&self, case: Case) -> impl Iterator<Item = Contestant> {
        self.samples.keys().filter(move |(known, _)| *known == case).map(|(_, contestant)| *contestant)
    }

    /// Largest number of rounds of a contestant in a case.
    pub(crate) fn rounds(&self, case: Case) -> usize {
        let of_case = self.samples.iter().filter(|((known, _), _)| *known == case);
        of_case.map(|(_, rounds)| rounds.len()).max().unwrap_or(0)
    }

    /// Tab-separated text with one line per sample, for closer inspection.
    pub(crate) fn raw(&self) -> String {
        let mut text = String::from(
            "case\tcontestant\tround\twork\tseconds\tcpu_seconds\tmachine_seconds\tsleeps\tp50_us\tp99_us\tbeside\tmemory_kib\tbase_kib\n",
        );
        for ((case, contestant), rounds) in &self.samples {
            for (round, sample) in rounds {
                let Sample {
                    work,
                    seconds,
                    cpu_seconds,
                    machine_seconds,
                    sleeps,
                    p50,
                    p99,
                    beside,
                    memory,
                    base,
                } = sample;
                let case = case.to_possible_value();
                let contestant = contestant.to_possible_value();
                let _ = writeln!(
                    text,
                    "{}\t{}\t{round}\t{work}\t{seconds}\t{cpu_seconds}\t{machine_seconds}\t{sleeps}\t{p50}\t{p99}\t{beside}\t{memory}\t{base}",
                    case.as_ref().map_or("", |case| case.get_name()),
                    contestant.as_ref().map_or("", |contestant| contestant.get_name()),
                );
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_taken_round_by_round() {
        let mut ledger = Ledger::default();
        for (round, slow) in [(0, 1.0), (1, 10.0), (2, 2.0)] {
            let sample = |work| Sample { work: work / slow, seconds: 1.0, ..Sample::default() };
            ledger.note(Case::Bulk4, Contestant::Meshtcp, round, sample(6.0));
            ledger.note(Case::Bulk4, Contestant::Nginx, round, sample(2.0));
        }
        // a rival that missed the last round is compared in the others
        ledger.note(
            Case::Bulk4,
            Contestant::Envoy,
            0,
            Sample { work: 3.0, seconds: 1.0, ..Sample::default() },
        );
        let ratio =
            |to| ledger.ratio(Case::Bulk4, Metric::Rate, Contestant::Meshtcp, to).map(|middle| middle.median);
        assert_eq!((ratio(Contestant::Nginx), ratio(Contestant::Envoy)), (Some(3.0), Some(2.0)));
        assert_eq!(ratio(Contestant::Haproxy), None);
    }
}
