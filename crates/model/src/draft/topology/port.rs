//! Ports: numbers from 1 to 65535.

use crate::draft::Fields;
use crate::violation::FieldPath;

/// Reads a port as it was written; 0 when absent, and checked by nobody yet.
pub(super) fn read<'d>(fields: &mut Fields<'d>, name: &'d str) -> u64 {
    fields.number(name).unwrap_or_default()
}

/// Reads and checks a port that has to be there.
pub(super) fn required<'d>(fields: &mut Fields<'d>, name: &'d str) -> u16 {
    let port = read(fields, name);
    check_at(fields, fields.at(name), port)
}

/// Checks a port that may be left out; 0 is the same as left out.
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
