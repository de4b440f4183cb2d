//! A seeded knock on every door, in every test run. A failure prints the input that broke the law.

use std::panic::{AssertUnwindSafe, catch_unwind};

use meshtcp_doors::{Mutations, draft, files_below};

fn knock(door: fn(&[u8]), inputs: impl Iterator<Item = Vec<u8>>) {
    for input in inputs {
        if catch_unwind(AssertUnwindSafe(|| door(&input))).is_err() {
            panic!("this input broke a law (see above):\n{}", input.escape_ascii());
        }
    }
}

fn our_files() -> Vec<Vec<u8>> {
    let mut files = files_below("examples");
    assert!(!files.is_empty(), "there are examples");
    files.extend(files_below("cases"));
    files
}

#[test]
fn draft_as_written() {
    knock(draft, our_files().into_iter());
}

#[test]
fn draft_mutated() {
    knock(draft, Mutations::new(1, our_files()).take(3000));
}
