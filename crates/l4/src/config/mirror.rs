//! Where a second copy of what clients send goes.

use std::sync::Arc;

use super::{Origin, Target};
use crate::balance::Draw;

/// A mirror of the connections of a listener: what clients send is copied to it, and what it answers is thrown away.
#[derive(Clone, Debug, PartialEq)]
pub struct Mirror {
    /// The backendRef in words.
    pub reference: Arc<str>,
    /// Where copies go.
    pub target: Target,
    /// Of how many of 10,000 connections.
    pub of_10_000: u32,
    /// How many bytes may wait for it, before it is dropped.
    pub buffer: usize,
    /// The policy that asked for it.
    pub origin: Option<Origin>,
}

impl Mirror {
    /// Whether the connection with a draw is mirrored. The same draw chose its backend, and both are told apart: every backend has
    /// its share of mirrored connections, in any run of connections within a few.
    pub fn takes(&self, Draw(draw): Draw) -> bool {
        /// Makes of the walk of draws, whose step is the golden ratio, a walk in steps of the square root of two.
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
