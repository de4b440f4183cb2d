//! Two zones without a Global: a control plane each, with copies of what the other zone offers.
//!
//! `web` in the east dials `redis`, which is in both zones or in the west alone. See [`places`] for the addresses.

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

/// Mixes of client, ingress and server: ours and Envoy in every role, next to ours and next to Envoy.
const MIXES: [(Sort, Sort, Sort); 4] =
    [(Ours, Ours, Ours), (Envoy, Envoy, Envoy), (Ours, Envoy, Ours), (Envoy, Ours, Envoy)];

/// Runs a test with each mix of client, ingress and server, two at a time.
fn of_every_mix(test: impl Fn((Sort, Sort, Sort)) + Sync) {
    two_at_a_time(&MIXES, |mix| {
        println!("client, ingress, server: {mix:?}");
        test(mix);
    });
}
