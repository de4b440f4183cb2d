//! Answer of a command to `-o json` or `-o yaml`: one value on standard output, including everything that went wrong.
//!
//! Complaints of a command are kept. They become part of the value where the command has a place for them; a command
//! that ends without a value answers with `errors` alone. Complaints about a value without such a place go to standard
//! error.

use std::sync::{Mutex, OnceLock};

use serde_json::{Map, Value, json};

use crate::format::{Format, structured};
use crate::said::read;
use crate::terminal::{tame, write_error, write_output};

/// Answer of this process, which answers once.
static ANSWER: OnceLock<Mutex<Answer>> = OnceLock::new();

struct Answer {
    format: Format,
    printed: bool,
    complaints: Vec<Complaint>,
}

/// Complaint, as text for people and as a value for programs.
struct Complaint {
    text: String,
    value: Value,
}

/// Sets the format of the answer. Without effect for a table, which is for people.
pub(crate) fn begin(format: Format) {
    if format != Format::Table {
        ANSWER.get_or_init(|| Mutex::new(Answer { format, printed: false, complaints: Vec::new() }));
    }
}

fn with<T>(change: impl FnOnce(&mut Answer) -> T) -> Option<T> {
    // a command has one thread that writes; after a panic the kept complaints are still complete
    ANSWER.get().map(|answer| change(&mut answer.lock().unwrap_or_else(std::sync::PoisonError::into_inner)))
}

/// Returns `true` if one value is wanted instead of lines for people.
pub(crate) fn is_structured() -> bool {
    ANSWER.get().is_some()
}

/// Records that the value was printed.
pub(crate) fn printed() {
    with(|answer| answer.printed = true);
}

/// Keeps a line that was meant for standard error. Returns `false` if nothing keeps it, so that it has to be printed.
pub(crate) fn keep(text: &str) -> bool {
    let (level, message, help) = read(text);
    let mut members = Map::from_iter([
        ("severity".to_owned(), json!(level.severity())),
        ("message".to_owned(), json!(message)),
    ]);
    members.extend(help.map(|help| ("help".to_owned(), json!(help))));
    keep_problem(tame(text).into_owned(), Value::Object(members))
}

/// Keeps a problem with a source position and other members, like [`keep`].
pub(crate) fn keep_problem(text: String, value: Value) -> bool {
    with(|answer| answer.complaints.push(Complaint { text, value })).is_some()
}

/// Takes the complaints, to become part of the value that is printed next.
pub(crate) fn complaints() -> Vec<Value> {
    let taken = with(|answer| std::mem::take(&mut answer.complaints)).unwrap_or_default();
    taken.into_iter().map(|complaint| complaint.value).collect()
}

/// Prints the complaints that are left, before the process ends.
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
