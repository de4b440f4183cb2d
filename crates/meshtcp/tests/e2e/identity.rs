//! Mutual authentication of proxies: ours and a real Envoy, each as client and as server, and OpenSSL as a stranger.
//!
//! `web` dials `redis`, whose application greets and then echoes. See [`neighbours`] for the addresses.

mod domains;
mod egress;
mod lasting;
mod meshtls;
pub(crate) mod neighbours;
mod one_name;
mod outside;
mod permissions;
mod spire;
mod stranger;
mod strangers;
mod workload;

use neighbours::of_every_pair;

/// Runs a test for each case, two at a time.
pub(crate) fn two_at_a_time<C: Copy + Sync + Send>(cases: &[C], test: impl Fn(C) + Sync) {
    for pair in cases.chunks(2) {
        std::thread::scope(|scope| {
            for case in pair {
                scope.spawn(|| test(*case));
            }
        });
    }
}
