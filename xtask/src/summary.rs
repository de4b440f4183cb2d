//! Numbers of passed and failed tests, parsed from the output of the runners.

/// Counts of tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Summary {
    /// Adds up the closing lines of nextest and of libtest in `text`.
    ///
    /// nextest closes with `Summary [ 1.2s] 9 tests run: 8 passed, 1 failed, 0 skipped`, each libtest binary with
    /// `test result: ok. 3 passed; 0 failed; …`.
    pub(crate) fn read(text: &str) -> Self {
        let mut total = Summary::default();
        for line in text.lines().map(plain) {
            let line = line.trim_start();
            if line.starts_with("Summary [") || line.starts_with("test result:") {
                total.passed += before(line, "passed");
                total.failed += before(line, "failed") + before(line, "timed");
            }
        }
        total
    }
}

impl std::ops::Add for Summary {
    type Output = Summary;

    fn add(self, other: Summary) -> Summary {
        Summary { passed: self.passed + other.passed, failed: self.failed + other.failed }
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// Returns the number in front of `word`; 0 if there is none.
fn before(line: &str, word: &str) -> u64 {
    let words: Vec<&str> = line.split(|c: char| c.is_whitespace() || ",;:.".contains(c)).collect();
    let here = words.iter().position(|at| *at == word).filter(|at| *at > 0);
    here.and_then(|at| words[at - 1].parse().ok()).unwrap_or(0)
}

/// Line without terminal colours.
fn plain(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        if c == '\u{1b}' {
            rest.by_ref().find(char::is_ascii_alphabetic);
        } else {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_closing_lines_of_both_runners() {
        let text = "\
     Summary [   1.202s] 9 tests run: 7 passed (1 slow), 1 failed, 1 timed out, 0 skipped
\u{1b}[32;1m     Summary\u{1b}[0m [   0.1s] 2 tests run: 2 passed, 0 skipped
test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
a test said: 5 failed";
        assert_eq!(Summary::read(text), Summary { passed: 12, failed: 2 });
    }
}
