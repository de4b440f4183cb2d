//! Sequential evidence against the claim that a side is healthy; it may be evaluated at any time and any number of
//! times.
//!
//! For several alternatives in which the side is worse than the claim allows, it keeps the likelihood ratio of the
//! observations against the worst case that the claim allows. If the claim is true, the mean of these ratios is a
//! supermartingale: no observation increases it on average, so that it ever reaches N with a probability of at most 1
//! in N (Ville's inequality), however often, and whenever, one stops to look.

use serde::{Deserialize, Serialize};

use super::counts::FailureShare;

/// Factors of the odds in the alternatives, relative to the claim.
const WORLDS: [f64; 7] = [1.2, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0];

/// Logarithms of the likelihood ratios, one for each alternative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence([f64; WORLDS.len()]);

impl Evidence {
    /// Adds observations of one side. Claim: at most `limit` (a fraction between 0 and 1) are bad.
    pub fn of_one(&mut self, limit: f64, FailureShare { bad, all }: FailureShare) {
        let odds = limit / (1.0 - limit);
        for (log, times) in self.0.iter_mut().zip(WORLDS) {
            let worse = odds * times / (1.0 + odds * times);
            *log +=
                bad as f64 * (worse / limit).ln() + (all - bad) as f64 * ((1.0 - worse) / (1.0 - limit)).ln();
        }
    }

    /// Adds observations of both sides in one span of time. Claim: the odds of `to` are at most `times` those of
    /// `from`.
    ///
    /// The sum of bad results on both sides is no evidence for which is worse, so the ratios are conditional on it
    /// (Fisher's noncentral hypergeometric distribution): an influence that makes both sides worse in that span cancels
    /// out.
    pub fn of_two(&mut self, times: f64, from: FailureShare, to: FailureShare) {
        let (least, most) = ((from.bad + to.bad).saturating_sub(from.all), to.all.min(from.bad + to.bad));
        if least == most {
            return;
        }
        let claimed = log_sum(times, from, to);
        for (log, world) in self.0.iter_mut().zip(WORLDS) {
            // both sums begin with the term of `least`
            let terms = (to.bad - least) as f64 * world.ln();
            *log += terms + claimed - log_sum(times * world, from, to);
        }
    }

    /// Logarithm of the mean of the likelihood ratios.
    pub fn log(&self) -> f64 {
        let largest = self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = self.0.iter().map(|log| (log - largest).exp()).sum();
        largest + (sum / WORLDS.len() as f64).ln()
    }
}

/// Logarithm of the sum of C(to, x) C(from, bad − x) odds^(x − least) over all possible x, each divided by the first
/// term.
fn log_sum(odds: f64, from: FailureShare, to: FailureShare) -> f64 {
    let bad = from.bad + to.bad;
    let (least, most) = (bad.saturating_sub(from.all), to.all.min(bad));
    let (mut log_term, mut largest, mut sum) = (0.0_f64, 0.0_f64, 1.0_f64);
    for x in least..most {
        let (good_from, next) = (from.all + x + 1 - bad, x + 1);
        log_term += ((to.all - x) as f64 * (bad - x) as f64 / (next as f64 * good_from as f64) * odds).ln();
        if log_term > largest {
            sum = sum * (largest - log_term).exp() + 1.0;
            largest = log_term;
        } else {
            sum += (log_term - largest).exp();
        }
    }
    largest + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(bad: u64, all: u64) -> FailureShare {
        FailureShare { bad, all }
    }

    fn binomial(n: u64, k: u64) -> f64 {
        (0..k).map(|i| (n - i) as f64 / (i + 1) as f64).product()
    }

    #[test]
    fn given_their_sum_the_ratios_are_one_on_average_where_the_claim_just_holds() {
        let (from_all, to_all, bad, times) = (12, 7, 5, 1.5);
        let probable = |to_bad: u64, odds: f64| {
            binomial(to_all, to_bad) * binomial(from_all, bad - to_bad) * odds.powi(to_bad as i32)
        };
        let all: f64 = (0..=5).map(|x| probable(x, times)).sum();
        for world in 0..WORLDS.len() {
            let mean: f64 = (0..=5)
                .map(|x| {
                    let mut evidence = Evidence::default();
                    evidence.of_two(times, part(bad - x, from_all), part(x, to_all));
                    probable(x, times) / all * evidence.0[world].exp()
                })
                .sum();
            assert!((mean - 1.0).abs() < 1e-9, "{world}: {mean}");
        }
    }

    #[test]
    fn the_ratios_are_one_on_average_where_a_share_is_just_the_limit() {
        let (limit, all) = (0.1_f64, 9);
        for world in 0..WORLDS.len() {
            let mean: f64 = (0..=all)
                .map(|bad| {
                    let mut evidence = Evidence::default();
                    evidence.of_one(limit, part(bad, all));
                    let probable = limit.powi(bad as i32) * (1.0 - limit).powi((all - bad) as i32);
                    binomial(all, bad) * probable * evidence.0[world].exp()
                })
                .sum();
            assert!((mean - 1.0).abs() < 1e-9, "{world}: {mean}");
        }
    }

    #[test]
    fn what_says_nothing_about_the_sides_changes_nothing() {
        let mut evidence = Evidence::default();
        evidence.of_two(1.0, part(0, 100), part(0, 100));
        evidence.of_two(1.0, part(3, 10), part(0, 0));
        evidence.of_two(1.0, part(0, 0), part(7, 10));
        assert_eq!(evidence, Evidence::default());
        assert!(evidence.log().abs() < 1e-12);
    }

    #[test]
    fn many_failures_are_counted_without_overflow() {
        let mut evidence = Evidence::default();
        evidence.of_two(1.2, part(1_000, 100_000), part(3_000, 10_000));
        assert!(evidence.log() > 1_000.0 && evidence.log().is_finite());
    }
}
