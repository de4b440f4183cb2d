//! Seeded mutations: a simple fuzzer, cheap enough for every test run.

use std::path::{Path, PathBuf};

/// Texts made from seeds by small changes; the same number gives the same texts.
#[derive(Debug)]
pub struct Mutations {
    random: u64,
    seeds: Vec<Vec<u8>>,
    words: Vec<Vec<u8>>,
}

impl Mutations {
    /// Creates mutations of `seeds`. The words of the seeds are the dictionary.
    pub fn new(number: u64, seeds: Vec<Vec<u8>>) -> Self {
        let mut words: Vec<Vec<u8>> = WORDS.iter().map(|word| word.as_bytes().to_vec()).collect();
        for seed in &seeds {
            let parts = seed.split(|byte| !byte.is_ascii_alphanumeric() && !b"-_./".contains(byte));
            words.extend(parts.filter(|part| part.len() > 1).map(<[u8]>::to_vec));
        }
        words.sort();
        words.dedup();
        Self { random: number, seeds, words }
    }

    /// Next number of SplitMix64: small, and good enough for choices.
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.random;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// Returns a number below `end`; 0 if `end` is 0.
    fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { (self.random() % end as u64) as usize }
    }

    fn mutate(&mut self, text: &mut Vec<u8>) {
        let at = self.below(text.len() + 1);
        let end = (at + 1 + self.below(24)).min(text.len()).max(at);
        match self.below(9) {
            0 => drop(text.drain(at..end)),
            1 if at < text.len() => text[at] = self.random() as u8,
            2 if at < text.len() => text[at] ^= 1 << self.below(8),
            3 => {
                let copy = text[at..end].to_vec();
                text.splice(at..at, copy);
            }
            4 | 5 => {
                let word = self.below(self.words.len());
                let word = self.words.get(word).cloned().unwrap_or_default();
                text.splice(at..end, word);
            }
            6 => self.swap_lines(text),
            7 => {
                let other = self.below(self.seeds.len());
                let other = self.seeds.get(other).cloned().unwrap_or_default();
                let from = self.below(other.len() + 1);
                text.splice(at.., other[from..].iter().copied());
            }
            _ => text.truncate(at),
        }
    }

    fn swap_lines(&mut self, text: &mut Vec<u8>) {
        let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
        let (one, other) = (self.below(lines.len()), self.below(lines.len()));
        lines.swap(one, other);
        *text = lines.join(&b'\n');
    }
}

/// Further words, which seeds may lack and parsers find hard.
const WORDS: [&str; 24] = [
    "\n---\n",
    "\n",
    "  ",
    "\t",
    ": ",
    "- ",
    "[]",
    "{}",
    "null",
    "~",
    "-1",
    "4294967296",
    "1e400",
    "0x10",
    "\"",
    "'",
    "&a ",
    "*a",
    "<<: *a",
    "!!str ",
    "| ",
    "\u{feff}",
    "\u{2028}",
    "é",
];

impl Iterator for Mutations {
    type Item = Vec<u8>;

    /// Seed with one to eight changes; the iterator never ends.
    fn next(&mut self) -> Option<Vec<u8>> {
        let seed = self.below(self.seeds.len());
        let mut text = self.seeds.get(seed).cloned().unwrap_or_default();
        for _ in 0..=self.below(8) {
            self.mutate(&mut text);
        }
        Some(text)
    }
}

/// Contents of every YAML and JSON file below a folder of the repository, in the order of their paths.
pub fn files_below(folder: &str) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut paths = Vec::new();
    collect(&root.join(folder), &mut paths);
    paths.sort();
    paths.iter().filter_map(|path| std::fs::read(path).ok()).collect()
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "yaml" || extension == "json") {
            into.push(path);
        }
    }
}
