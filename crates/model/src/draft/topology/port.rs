//! Ports: numbers from 1 to 65535.

use crate::draft::Fields;
use crate::violation::FieldPath;

/// Reads a port as written; 0 if absent, and not checked yet.
pub(super) fn read<'d>(fields: &mut Fields<'d>, name: &'d str) -> u64 {
    fields.number(name).unwrap_or_default()
}

/// Reads and checks a required port.
pub(super) fn required<'d>(fields: &mut Fields<'d>, name: &'d str) -> u16 {
    let port = read(fields, name);
    check_at(fields, fields.at(name), port)
}

/// Checks an optional port; 0 is the same as absent.
pub(super) fn check_optional(fields: &Fields<'_>, name: &str, port: u64) -> Option<u16> {
    (port != 0).then(|| check_at(fields, fields.at(name), port))
}

/// Checks that a number is a port.
pub(super) fn check_at(fields: &Fields<'_>, path: FieldPath, port: u64) -> u16 {
    let port = u16::try_from(port).unwrap_or_default();
    if port == 0 {
        fields.violate_at(path, "port must be in the range [1, 65535]");
    }
    port
}
