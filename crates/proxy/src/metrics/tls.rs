//! Metrics of TLS.

use std::collections::BTreeMap;

use l4::ending::Side;

use super::sample::{Family, Labels, Sample, families};
use crate::counters::Handshakes;
use crate::published::Published;

/// Returns handshakes by side and result, and the expiry of the certificate that expires first.
pub(super) fn families(published: &Published) -> Vec<Family<'static>> {
    let end = published.certificate_ends.load().first().copied();
    let end = end.map(|end| (Vec::new(), Sample::Value(end as f64)));
    let shadow_denied = published.counters.iter().map(|worker| worker.handshakes.shadow_denied.value());
    families! {
        "meshtcp_tls_handshakes",
        "TLS handshakes that were done, by the side that they were done with and by version",
            Counter, handshakes(published, "version", |counted, side| counted.done_with(side).collect());
        "meshtcp_tls_handshakes_failed",
        "TLS handshakes that came to nothing, by the side that they were begun with and by why",
            Counter, handshakes(published, "reason", |counted, side| counted.failed_with(side).collect());
        "meshtcp_tls_shadow_denied",
        "Clients that count as if they might not connect, because a permission says so, and that were not denied for it",
            Counter, vec![(Vec::new(), Sample::Count(shadow_denied.sum()))];
        "meshtcp_tls_certificate_end_seconds",
        "When the first of the certificates ends that the proxy proves itself with, in seconds since 1970",
            Gauge, end.into_iter().collect();
    }
}

/// Returns the sums over all workers.
fn handshakes(
    published: &Published,
    key: &'static str,
    of: impl Fn(&Handshakes, Side) -> Vec<(&'static str, u64)>,
) -> Vec<(Labels<'static>, Sample)> {
    let mut samples = Vec::new();
    for (side, name) in [(Side::Client, "client"), (Side::Backend, "backend")] {
        let mut sums: BTreeMap<&'static str, u64> = BTreeMap::new();
        for worker in &published.counters {
            for (value, count) in of(&worker.handshakes, side) {
                *sums.entry(value).or_default() += count;
            }
        }
        let sample = |(value, count)| (vec![("side", name), (key, value)], Sample::Count(count));
        samples.extend(sums.into_iter().map(sample));
    }
    samples
}
