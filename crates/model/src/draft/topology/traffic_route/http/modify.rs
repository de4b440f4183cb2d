//! Check of `modify`: changes of a request that matches.

use crate::draft::Fields;
use crate::draft::topology::CANNOT_BE_EMPTY;

/// Checks the changes, if there are any.
pub(super) fn check(mut fields: Fields<'_>) {
    check_rewrite(fields.object("path"), "rewritePrefix", "regex");
    check_rewrite(fields.object("host"), "value", "fromPath");
    for side in ["requestHeaders", "responseHeaders"] {
        check_headers(fields.object(side));
    }
}

/// Checks a change to a text: a constant, or a regular expression and the replacement of its match.
fn check_rewrite<'d>(mut fields: Fields<'d>, constant: &'d str, regex: &'d str) {
    if fields.is_present() && !fields.has(constant) && !fields.has(regex) {
        let message = format!("cannot be empty. Available options: \"{constant}\" or \"{regex}\"");
        fields.violate_here(message);
    }
    if fields.text(constant).is_none() && fields.has(constant) {
        fields.violate(constant, CANNOT_BE_EMPTY);
    }
    let mut regex = fields.object(regex);
    for name in ["pattern", "substitution"] {
        if regex.text(name).is_none() && regex.is_present() {
            regex.violate(name, CANNOT_BE_EMPTY);
        }
    }
}

fn check_headers(mut fields: Fields<'_>) {
    for mut added in fields.items("add") {
        added.known(&["append"]);
        check_header_name(&mut added);
        if added.text("value").is_none() {
            added.violate("value", CANNOT_BE_EMPTY);
        }
    }
    for mut removed in fields.items("remove") {
        check_header_name(&mut removed);
    }
}

fn check_header_name(header: &mut Fields<'_>) {
    let name = header.string("name");
    if name.is_empty() {
        header.violate("name", CANNOT_BE_EMPTY);
    } else if name.starts_with(':') || name.eq_ignore_ascii_case("host") {
        header.violate("name", "host header and HTTP/2 pseudo-headers are not allowed to be modified");
    }
}
