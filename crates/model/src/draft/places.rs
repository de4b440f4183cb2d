//! Access to values of a document by the paths of their fields.

use serde_json::{Map, Value};

use crate::violation::Step;

/// Inserts a value where there is none, into an object that exists. Returns `true` if it did.
pub(super) fn insert(document: &mut Value, steps: &[Step], value: Value) -> bool {
    with_object(document, steps, |object, name| {
        let is_new = object.get(name).is_none_or(Value::is_null);
        if is_new {
            object.insert(name.to_owned(), value);
        }
        is_new
    })
}

/// Sets a value in an object that exists. Returns `true` if there is one.
pub(super) fn put(document: &mut Value, steps: &[Step], value: Value) -> bool {
    with_object(document, steps, |object, name| {
        object.insert(name.to_owned(), value);
        true
    })
}

pub(super) fn with_object(
    document: &mut Value,
    steps: &[Step],
    change: impl FnOnce(&mut Map<String, Value>, &str) -> bool,
) -> bool {
    let Some((Step::Field(name), around)) = steps.split_last() else { return false };
    let around = around.iter().try_fold(document, |value, step| match step {
        Step::Field(name) | Step::Key(name) => value.get_mut(name),
        Step::Index(at) => value.get_mut(at),
    });
    around.and_then(Value::as_object_mut).is_some_and(|object| change(object, name))
}

/// Returns the object that a field is in; `None`: it does not exist.
pub(super) fn around<'v>(document: &'v Value, steps: &[Step]) -> Option<&'v Map<String, Value>> {
    let (_, around) = steps.split_last()?;
    let found = around.iter().try_fold(document, |value, step| match step {
        Step::Field(name) | Step::Key(name) => value.get(name),
        Step::Index(at) => value.get(at),
    });
    found?.as_object()
}
