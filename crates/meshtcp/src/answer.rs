//! The answer of a command to `-o json` or `-o yaml`: one value on standard output, with whatever went wrong in it.
//!
//! What a command complains of is kept. It becomes part of the value where the command has a place for it; a command that ends
//! without a value answers with `errors` alone. What comes on top of a value that has no such place is said on standard error.

use std::sync::{Mutex, OnceLock};

use serde_json::{Map, Value, json};

use crate::format::{Format, structured};
use crate::said::read;
use crate::terminal::{tame, write_error, write_output};

/// A process answers once.
static ANSWER: OnceLock<Mutex<Answer>> = OnceLock::new();

struct Answer {
    format: Format,
    printed: bool,
    complaints: Vec<Complaint>,
}

/// Something to complain of, for people and for programs.
struct Complaint {
    text: String,
    value: Value,
}

/// Answers in this format from now on. A table is for people: nothing changes.
pub(crate) fn begin(format: Format) {
    if format != Format::Table {
        ANSWER.get_or_init(|| Mutex::new(Answer { format, printed: false, complaints: Vec::new() }));
    }
}

fn with<T>(change: impl FnOnce(&mut Answer) -> T) -> Option<T> {
    // one thread of a command speaks; should it have panicked, what it kept is whole
    ANSWER.get().map(|answer| change(&mut answer.lock().unwrap_or_else(std::sync::PoisonError::into_inner)))
}

/// Whether one value is wanted, and no lines for people.
pub(crate) fn is_structured() -> bool {
    ANSWER.get().is_some()
}

/// Remarks that the value was printed.
pub(crate) fn printed() {
    with(|answer| answer.printed = true);
}

/// Keeps a line for people that was meant for standard error. `false`: nobody keeps it, so it has to be printed.
pub(crate) fn keep(text: &str) -> bool {
    let (level, message, help) = read(text);
    let mut members = Map::from_iter([
        ("severity".to_owned(), json!(level.severity())),
        ("message".to_owned(), json!(message)),
    ]);
    members.extend(help.map(|help| ("help".to_owned(), json!(help))));
    keep_problem(tame(text).into_owned(), Value::Object(members))
}

/// The same of a problem that has a place and more.
pub(crate) fn keep_problem(text: String, value: Value) -> bool {
    with(|answer| answer.complaints.push(Complaint { text, value })).is_some()
}

/// What was complained of, to become part of the value that is printed next.
pub(crate) fn complaints() -> Vec<Value> {
    let taken = with(|answer| std::mem::take(&mut answer.complaints)).unwrap_or_default();
    taken.into_iter().map(|complaint| complaint.value).collect()
}

/// Says what nobody said yet, before the process ends.
pub(crate) fn finish() {
    let Some((format, printed, complaints)) =
        with(|answer| (answer.format, answer.printed, std::mem::take(&mut answer.complaints)))
    else {
        return;
    };
    if complaints.is_empty() {
        return;
    }
    if printed {
        return complaints.iter().for_each(|complaint| write_error(&complaint.text));
    }
    let errors: Vec<Value> = complaints.into_iter().map(|complaint| complaint.value).collect();
    write_output(&tame(&structured(format, &json!({ "errors": errors })).unwrap_or_default()));
}
