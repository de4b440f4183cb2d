//! Index from key-value pairs to the resources that have them.

use model::Kind;
use xxhash_rust::xxh3::Xxh3;

/// Index from a kind and a key-value pair to positions. It keeps hashes, not text: two pairs may share a hash, so
/// callers still compare.
#[derive(Debug, Default)]
pub(crate) struct PairIndex(Vec<(u64, u32)>);

impl PairIndex {
    /// Adds a pair of the resource at a position.
    pub(crate) fn add(&mut self, kind: Kind, key: &str, value: &str, at: u32) {
        self.0.push((hash(kind, key, value), at));
    }

    /// Sorts the index; required before lookups.
    pub(crate) fn finish(&mut self) {
        self.0.sort_unstable();
        self.0.dedup();
    }

    /// Returns positions, ascending, among which is every resource that has all the pairs: those of the rarest
    /// pair. `None`: there is no pair to look for.
    pub(crate) fn shortest<'a>(
        &self,
        kind: Kind,
        pairs: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Option<&[(u64, u32)]> {
        pairs.map(|(key, value)| self.with(hash(kind, key, value))).min_by_key(|found| found.len())
    }

    fn with(&self, hash: u64) -> &[(u64, u32)] {
        let start = self.0.partition_point(|(found, _)| *found < hash);
        let length = self.0[start..].partition_point(|(found, _)| *found == hash);
        &self.0[start..start + length]
    }
}

fn hash(kind: Kind, key: &str, value: &str) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(&[kind as u8]);
    hash.update(key.as_bytes());
    hash.update(&[0]);
    hash.update(value.as_bytes());
    hash.digest()
}
