//! What was counted of TLS handshakes.

use l4::config::TlsVersion;
use l4::ending::Side;
use tls::Failure;

use super::Count;

/// The versions that are spoken.
pub(crate) const VERSIONS: [TlsVersion; 2] = [TlsVersion::Tls12, TlsVersion::Tls13];

/// What one worker counted of TLS handshakes, by the side that it shook hands with.
#[derive(Debug, Default)]
pub(crate) struct Handshakes {
    done: [[Count; VERSIONS.len()]; 2],
    failed: [[Count; Failure::WORDS.len()]; 2],
    /// Clients that count as if they might not connect, whatever was done with them.
    pub(crate) shadow_denied: Count,
}

impl Handshakes {
    /// Counts one that was done.
    pub(crate) fn done(&self, side: Side, version: TlsVersion) {
        self.done[side as usize][version as usize].add(1);
    }

    /// Counts one that came to nothing.
    pub(crate) fn failed(&self, side: Side, why: &Failure) {
        let word = why.word();
        if let Some(at) = Failure::WORDS.iter().position(|known| *known == word) {
            self.failed[side as usize][at].add(1);
        }
    }

    /// How many were done with a side, by version.
    pub(crate) fn done_with(&self, side: Side) -> impl Iterator<Item = (&'static str, u64)> {
        VERSIONS
            .into_iter()
            .zip(&self.done[side as usize])
            .map(|(version, count)| (version.as_str(), count.value()))
    }

    /// How many came to nothing with a side, by the word for why.
    pub(crate) fn failed_with(&self, side: Side) -> impl Iterator<Item = (&'static str, u64)> {
        Failure::WORDS.into_iter().zip(&self.failed[side as usize]).map(|(word, count)| (word, count.value()))
    }
}
