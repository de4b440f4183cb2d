//! Check `validate`: which rules of the reference a document breaks.

use model::draft;
use serde_json::{Value, json};

use crate::documents;
use crate::request::{Failure, Request};

pub(crate) fn answer(request: &Request) -> Result<Value, Failure> {
    let documents = documents::read(request)?;
    let Some(document) = documents.first() else {
        return Err(Failure::Error(format!("{} has no document", request.input.display())));
    };
    let violations = draft::validate(document, request.profile);
    let listed =
        violations.iter().map(|violation| json!({ "field": violation.field, "message": violation.message }));
    Ok(json!({ "valid": violations.is_empty(), "violations": listed.collect::<Vec<_>>() }))
}
