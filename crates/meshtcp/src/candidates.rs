//! Completion candidates for the beginning of a word.

use std::ffi::OsStr;

use clap_complete::engine::CompletionCandidate;

/// Candidates of `all` that begin with the typed text.
pub(crate) fn candidates<'c>(
    all: impl IntoIterator<Item = &'c str>,
    current: &OsStr,
) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    let fitting = all.into_iter().filter(|it| it.starts_with(&*current));
    fitting.map(|it| CompletionCandidate::new(it.to_owned())).collect()
}
