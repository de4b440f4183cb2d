//! Sampling of traces.

/// Sampler of traces. Traces here have no parent elsewhere: a TCP connection has no trace context.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Sampler {
    /// All traces.
    All,
    /// No trace.
    None,
    /// Share of traces, 0 to 1, by their IDs: every process that samples the same share exports the same ones.
    Share(f64),
}

impl Sampler {
    /// Returns `true` if a trace with this ID is exported.
    pub(crate) fn takes(self, trace: u128) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Share(share) => {
                // the lower 63 bits, as in other libraries
                let drawn = (trace as u64) >> 1;
                (drawn as f64) < share * (1u64 << 63) as f64
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_taken_by_id() {
        let of = |share: f64| (0..10_000u64).filter(|it| taken(share, *it)).count();
        fn taken(share: f64, number: u64) -> bool {
            Sampler::Share(share).takes(u128::from(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
        }
        assert_eq!((of(0.0), of(1.0)), (0, 10_000));
        let tenth = of(0.1);
        assert!((900..1_100).contains(&tenth), "{tenth}");
        assert!((0..10_000).filter(|it| taken(0.1, *it)).all(|it| taken(0.5, it)), "less is a part of more");
        assert!(Sampler::All.takes(1) && !Sampler::None.takes(1));
    }
}
