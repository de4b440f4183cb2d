//! Failing tests of libtest, parsed from what `cargo test --no-fail-fast` prints.

/// Lines of a failing test's own output that are shown again at the end.
const SHOWN: usize = 60;

/// Tests that failed, where, and what they printed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Failures {
    /// Arguments of cargo that select each target with a failure, such as `--test e2e`; not its package, since features
    /// of dependencies, and so what is built, would be others for a package alone.
    pub(crate) targets: Vec<Vec<String>>,
    /// Names of the tests, in order of their targets.
    pub(crate) tests: Vec<String>,
    /// Ends of the tests' outputs, each under a line with its name.
    pub(crate) outputs: String,
    /// Targets that ran to their end and failed: fewer than `targets` when one of them was killed.
    ended: usize,
}

impl Failures {
    /// Reads the output of `cargo test`. It repeats the outputs of failing tests at the end of each target, then lists
    /// their names, and names the targets at its own end.
    pub(crate) fn read(text: &str) -> Self {
        let mut failures = Self::default();
        let mut lines = text.lines().peekable();
        let mut is_list = false;
        while let Some(line) = lines.next() {
            if let Some(name) = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----"))
            {
                let mut printed = Vec::new();
                while let Some(line) =
                    lines.next_if(|line| !line.starts_with("---- ") && *line != "failures:")
                {
                    printed.push(line);
                }
                let end = printed.len().saturating_sub(SHOWN);
                failures
                    .outputs
                    .push_str(&format!("---- {name}\n{}\n", printed[end..].join("\n").trim_end()));
            } else if line.starts_with("test result: FAILED.") {
                failures.ended += 1;
            } else if line == "failures:" {
                is_list = true;
            } else if is_list {
                match line.strip_prefix("    ") {
                    Some(name) => failures.tests.push(name.to_owned()),
                    None => is_list = false,
                }
            } else if let Some(target) = line.strip_prefix("    `").and_then(|rest| rest.strip_suffix('`')) {
                let words = target.split(' ').map(str::to_owned);
                failures.targets.push(words.skip_while(|word| word == "-p").skip(1).collect());
            }
        }
        failures
    }

    /// Returns `true` if every target with a failure has named the tests that fail.
    pub(crate) fn are_all_named(&self) -> bool {
        self.ended == self.targets.len() && !self.tests.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_targets_and_outputs_are_read() {
        let text = "\
running 3 tests
test a::good ... ok
test a::bad ... FAILED

failures:

---- a::bad stdout ----
it said
thread 'a::bad' panicked at x.rs:1:1:
not so

---- b stdout ----
short


failures:
    a::bad
    b

test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

     Running tests/other.rs (target/debug/deps/other-0)
failures:

---- c stdout ----
third

failures:
    c

test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

error: 2 targets failed:
    `-p meshtcp --test e2e`
    `-p meshtcp-plan --lib`
";
        let failures = Failures::read(text);
        assert_eq!(failures.tests, ["a::bad", "b", "c"]);
        assert_eq!(failures.targets, [vec!["--test", "e2e"], vec!["--lib"]]);
        let outputs = "---- a::bad\nit said\nthread 'a::bad' panicked at x.rs:1:1:\nnot so\n---- b\nshort\n---- c\nthird\n";
        assert_eq!(failures.outputs, outputs);
        assert!(failures.are_all_named());
        let killed = format!("{text}    `-p meshtcp-proxy --test tls`\n");
        assert!(!Failures::read(&killed).are_all_named(), "one ended without a result");
        assert_eq!(Failures::read("test result: ok. 1 passed; 0 failed"), Failures::default());
    }
}
