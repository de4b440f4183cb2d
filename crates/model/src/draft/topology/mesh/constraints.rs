//! Check of `constraints`: the proxies that may join a mesh. They have no effect on routing, and are only checked.

use crate::draft::Fields;
use crate::draft::topology::tags::{self, TagRules};

/// Checks the tags that proxies must have, and those that they must not have.
pub(super) fn check(mut constraints: Fields<'_>) {
    let mut proxies = constraints.object("dataplaneProxy");
    for list in ["requirements", "restrictions"] {
        for mut rule in proxies.items(list) {
            tags::checked(&mut rule, "tags", TagRules::SOME);
        }
    }
}
