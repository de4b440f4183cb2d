//! Check of `conf.http[]`: routes of HTTP requests. They do not affect TCP, and are only checked.

mod modify;

use crate::draft::Fields;
use crate::draft::topology::CANNOT_BE_EMPTY;
use crate::draft::topology::traffic_route::destination;
use crate::violation::FieldPath;

/// Checks all HTTP routes.
pub(super) fn check(conf: &mut Fields<'_>) {
    for mut route in conf.items("http") {
        check_match(route.object("match"));
        destination(&mut route);
        modify::check(route.object("modify"));
    }
}

fn check_match(mut fields: Fields<'_>) {
    let criteria = ["method", "path", "headers"];
    if !criteria.iter().any(|name| fields.has(name)) {
        fields.violate_here(
            "must be present and contain at least one of the elements: \"method\", \"path\" or \"headers\"",
        );
    }
    for name in ["method", "path"] {
        let path = fields.at(name);
        check_matcher(fields.object(name), &path);
    }
    let mut headers = fields.object("headers");
    let mut names: Vec<&str> = headers.names().collect();
    names.sort_unstable();
    if headers.is_present() && names.is_empty() {
        fields.violate("headers", "must contain at least one element");
    }
    for name in names {
        let path = fields.at("headers").key(name);
        if name.is_empty() {
            fields.violate_at(path.clone(), CANNOT_BE_EMPTY);
        }
        check_matcher(headers.object(name), &path);
    }
}

/// Checks a string matcher, if set.
fn check_matcher(mut matcher: Fields<'_>, path: &FieldPath) {
    let ways = ["prefix", "exact", "regex"];
    matcher.known(&ways);
    if matcher.is_present() && !ways.iter().any(|way| matcher.has(way)) {
        // The reference says "split" for "prefix".
        let message = "cannot be empty. Available options: \"exact\", \"split\" or \"regex\"";
        matcher.violate_at(path.clone(), message);
    }
    for way in ways {
        if matcher.has(way) && matcher.text(way).is_none() {
            matcher.violate_at(path.field(way), CANNOT_BE_EMPTY);
        }
    }
}
