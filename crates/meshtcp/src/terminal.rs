//! Standard output and standard error as they are.

use std::borrow::Cow;
use std::io::Write as _;

use xds::Printed;

use crate::streams;

/// Writes to standard output. That nobody reads on is no error of ours.
pub(crate) fn write_output(text: &str) {
    if let Some(queued) = streams::queued() {
        return queued.output(text);
    }
    let mut out = anstream::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// Writes to standard error.
pub(crate) fn write_error(text: &str) {
    if let Some(queued) = streams::queued() {
        return queued.error(text);
    }
    let mut out = anstream::stderr().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// A text without what moves a cursor, sets a title or turns the direction of writing. Lines stay lines: what must not
/// begin one is [`xds::Foreign`] already.
pub(crate) fn tame(text: &str) -> Cow<'_, str> {
    let is_tame =
        |letter: char| matches!(letter, '\n' | '\t') || matches!(Printed::of(letter), Printed::Plain(_));
    if text.chars().all(is_tame) {
        return text.into();
    }
    let mut tamed = String::with_capacity(text.len());
    for letter in text.chars() {
        match is_tame(letter) {
            true => tamed.push(letter),
            false => tamed.push_str(&Printed::of(letter).to_string()),
        }
    }
    tamed.into()
}
