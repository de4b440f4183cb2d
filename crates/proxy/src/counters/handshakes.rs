//! Counters of TLS handshakes.

use l4::config::TlsVersion;
use l4::ending::Side;
use tls::Failure;

use super::Count;

/// TLS versions in use.
pub(crate) const VERSIONS: [TlsVersion; 2] = [TlsVersion::Tls12, TlsVersion::Tls13];

/// Counters of one worker for TLS handshakes, by the side of the handshake.
#[derive(Debug, Default)]
pub(crate) struct Handshakes {
    done: [[Count; VERSIONS.len()]; 2],
    failed: [[Count; Failure::WORDS.len()]; 2],
    /// Clients that a shadow rule denies, whether or not they were accepted.
    pub(crate) shadow_denied: Count,
}

impl Handshakes {
    /// Counts a completed handshake.
    pub(crate) fn done(&self, side: Side, version: TlsVersion) {
        self.done[side as usize][version as usize].add(1);
    }

    /// Counts a failed handshake.
    pub(crate) fn failed(&self, side: Side, why: &Failure) {
        let word = why.word();
        if let Some(at) = Failure::WORDS.iter().position(|known| *known == word) {
            self.failed[side as usize][at].add(1);
        }
    }

    /// Returns the numbers of completed handshakes with a side, by version.
    pub(crate) fn done_with(&self, side: Side) -> impl Iterator<Item = (&'static str, u64)> {
        VERSIONS
            .into_iter()
            .zip(&self.done[side as usize])
            .map(|(version, count)| (version.as_str(), count.value()))
    }

    /// Returns the numbers of failed handshakes with a side, by the word for the reason.
    pub(crate) fn failed_with(&self, side: Side) -> impl Iterator<Item = (&'static str, u64)> {
        Failure::WORDS.into_iter().zip(&self.failed[side as usize]).map(|(word, count)| (word, count.value()))
    }
}
