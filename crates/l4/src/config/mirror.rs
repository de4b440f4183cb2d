//! Mirrors: destinations of a second copy of what clients send.

use std::sync::Arc;

use super::{Origin, Target};
use crate::balance::Draw;

/// Mirror of a listener's connections: client bytes are copied to it, and its answers are discarded.
#[derive(Clone, Debug, PartialEq)]
pub struct Mirror {
    /// Description of the backendRef, for humans.
    pub reference: Arc<str>,
    /// Destination of the copies.
    pub target: Target,
    /// Share of mirrored connections, of 10,000.
    pub of_10_000: u32,
    /// Limit on buffered bytes, after which the copy is dropped.
    pub buffer: usize,
    /// Policy that configured it.
    pub origin: Option<Origin>,
}

impl Mirror {
    /// Returns `true` if the connection with this draw is mirrored. The draw also chose the connection's backend; a
    /// second step makes both choices independent: every backend has its share of mirrored connections, in any run of
    /// connections within a few.
    pub fn takes(&self, Draw(draw): Draw) -> bool {
        /// Factor that turns the walk of draws, whose step is the golden ratio, into a walk in steps of the square root
        /// of two.
        const OTHER_STEP: u64 = 0xfa78_16e1_7439_f225;
        let position = (u128::from(draw.wrapping_mul(OTHER_STEP)) * 10_000) >> 64;
        position < u128::from(self.of_10_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::{Draws, Split};

    #[test]
    fn each_backend_has_its_share_of_mirrored_connections_soon_and_in_the_long_run() {
        let split = Split::new([90, 10]);
        for (seed, of_10_000) in [(1, 2_500), (0xdead_beef, 100), (u64::MAX / 3, 5_000)] {
            let target = Target::Unavailable("".into());
            let mirror = Mirror { reference: "m".into(), target, of_10_000, buffer: 4096, origin: None };
            let mut draws = Draws::starting_at(seed);
            let (mut all, mut mirrored) = ([0u32; 2], [0u32; 2]);
            for _ in 0..20_000 {
                let draw = draws.next_draw();
                let backend = split.choose(draw).unwrap();
                all[backend] += 1;
                mirrored[backend] += u32::from(mirror.takes(draw));
            }
            for (all, mirrored) in all.into_iter().zip(mirrored) {
                let wanted = f64::from(all) * f64::from(of_10_000) / 10_000.0;
                assert!(
                    (f64::from(mirrored) - wanted).abs() < 20.0,
                    "{seed} {of_10_000}: {mirrored} of {wanted}"
                );
            }
        }
        let mirror = |of_10_000| Mirror {
            reference: "m".into(),
            target: Target::Unavailable("".into()),
            of_10_000,
            buffer: 4096,
            origin: None,
        };
        assert!(mirror(10_000).takes(Draw(u64::MAX)) && mirror(10_000).takes(Draw(0)));
        assert!(!mirror(0).takes(Draw(0)) && !mirror(0).takes(Draw(12345)));
    }
}
