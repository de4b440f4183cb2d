//! Names of services, which become DNS labels.

use crate::draft::names::LABEL;
use crate::draft::{Body, Context};
use crate::profile::ServiceNameRule;
use crate::violation::FieldPath;

const LONGEST: usize = 63;

/// Checks the display name of a service.
pub(super) fn check(body: &Body<'_>, context: &Context<'_>) {
    let name = context.meta.display_name();
    let violate = |message: &str| body.spec.violate_at(FieldPath::root().field("name"), message);
    match context.profile.service_name_rule() {
        ServiceNameRule::Short if name.len() > LONGEST => violate("must not be longer than 63 characters"),
        ServiceNameRule::Short => {}
        ServiceNameRule::Rfc1035 => check_rfc1035(name, violate),
    }
}

/// Checks that a name is an RFC 1035 label; in the words of Kubernetes.
pub(super) fn check_rfc1035(name: &str, violate: impl Fn(&str)) {
    if name.len() > LONGEST {
        violate("must be no more than 63 characters");
    }
    let made_well = name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !made_well {
        violate(LABEL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_what_rfc_1035_says() {
        let is_good = |name: &str| {
            let good = std::cell::Cell::new(true);
            check_rfc1035(name, |_| good.set(false));
            good.get()
        };
        assert!(is_good("a") && is_good("my-name") && is_good("abc-123"));
        assert!(!is_good("") && !is_good("1a") && !is_good("a.b") && !is_good("a-") && !is_good("A"));
        assert!(is_good(&"b".repeat(63)) && !is_good(&"b".repeat(64)));
    }
}
