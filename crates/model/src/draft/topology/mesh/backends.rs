//! Readers of the backends of a mesh: a list of named backends, and the chosen one.

use crate::draft::Fields;

/// Reads the names of backends, which must be unique.
pub(super) fn names(backends: &mut [Fields<'_>]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for backend in backends {
        let name = backend.string("name");
        if names.contains(&name) {
            backend.violate("name", format!("\"{name}\" name is already used for another backend"));
        }
        names.push(name);
    }
    names
}

/// Reads the chosen backend, which must be one of them.
pub(super) fn chosen<'d>(
    fields: &mut Fields<'d>,
    name: &'d str,
    backends: &[String],
    message: &str,
) -> Option<String> {
    let chosen = fields.text(name)?;
    if !backends.contains(&chosen) {
        fields.violate(name, message);
    }
    Some(chosen)
}
