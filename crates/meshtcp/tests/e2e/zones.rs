//! Two zones without a Global: a control plane each, that knows copies of what the other offers.
//!
//! `web` in the east dials `redis`, which is in both or in the west alone. See [`places`] for who stands where.

mod applications;
mod cut;
mod gates;
mod listeners;
mod names;
mod outside;
mod places;
mod services;
mod tags;

use crate::identity::neighbours::Sort::{self, Envoy, Ours};
use crate::identity::two_at_a_time;

/// Who dials, who is the ingress, and who serves: ours and Envoy in every place, beside ours and beside Envoy.
const MIXES: [(Sort, Sort, Sort); 4] =
    [(Ours, Ours, Ours), (Envoy, Envoy, Envoy), (Ours, Envoy, Ours), (Envoy, Ours, Envoy)];

/// Runs a test with each mix of client, ingress and server, two at a time.
fn of_every_mix(test: impl Fn((Sort, Sort, Sort)) + Sync) {
    two_at_a_time(&MIXES, |mix| {
        println!("client, ingress, server: {mix:?}");
        test(mix);
    });
}
