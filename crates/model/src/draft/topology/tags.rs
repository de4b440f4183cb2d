//! Tags, and selectors over them (spec 02 §4.6).

use crate::draft::Fields;
use crate::reference::{SERVICE_TAG, Tags};
use crate::violation::FieldPath;

/// Rules for tags besides their characters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TagRules {
    /// `true`: there must be at least one.
    pub(super) some: bool,
    /// Rule for `kuma.io/service`.
    pub(super) service: ServiceTag,
    /// `true`: values may be `*`, and may have slashes.
    pub(super) selector: bool,
}

/// Rule for `kuma.io/service` among tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServiceTag {
    /// Optional.
    Optional,
    /// Required.
    Required,
    /// Required, and no other tag is allowed.
    Alone,
    /// Forbidden.
    Forbidden,
}

impl TagRules {
    /// Tags of a service.
    pub(super) const OF_SERVICE: Self = Self { some: false, service: ServiceTag::Required, selector: false };
    /// Tags that are added to those of a service.
    pub(super) const BESIDE_SERVICE: Self =
        Self { some: false, service: ServiceTag::Forbidden, selector: false };
    /// Tags without a further rule.
    pub(super) const ANY: Self = Self { some: false, service: ServiceTag::Optional, selector: false };
    /// Selector with a service.
    pub(super) const SELECTOR: Self = Self { some: true, service: ServiceTag::Required, selector: true };
    /// Selector with a service, and nothing else.
    pub(super) const SERVICE_ONLY: Self = Self { some: false, service: ServiceTag::Alone, selector: true };
    /// Selector with at least one tag.
    pub(crate) const SOME: Self = Self { some: true, service: ServiceTag::Optional, selector: true };

    /// Checks tags at a path. Violations come in the order of the keys.
    pub(super) fn check(self, fields: &Fields<'_>, path: &FieldPath, tags: &Tags) {
        if self.some && tags.is_empty() {
            fields.violate_at(path.clone(), "must have at least one tag");
        }
        if self.service == ServiceTag::Alone && (tags.len() != 1 || tags.service().is_none()) {
            let message = format!("must consist of exactly one tag \"{SERVICE_TAG}\"");
            fields.violate_at(path.clone(), message);
        }
        for (key, value) in tags.iter() {
            self.check_key(fields, path, key);
            self.check_value(fields, path, key, value);
        }
        let needed = matches!(self.service, ServiceTag::Required | ServiceTag::Alone);
        if needed && tags.service().is_none() {
            fields.violate_at(path.clone(), format!("mandatory tag \"{SERVICE_TAG}\" is missing"));
        }
    }

    fn check_key(self, fields: &Fields<'_>, path: &FieldPath, key: &str) {
        if key.is_empty() {
            fields.violate_at(path.clone(), "tag name must be non-empty");
        }
        if !key.bytes().all(|byte| is_value_byte(byte) || byte == b'/') {
            let message =
                "tag name must consist of alphanumeric characters, dots, dashes, slashes and underscores";
            fields.violate_at(path.key(key), message);
        }
        match self.service {
            ServiceTag::Alone if key != SERVICE_TAG => {
                fields.violate_at(path.key(key), format!("tag \"{key}\" is not allowed"));
            }
            ServiceTag::Forbidden if key == SERVICE_TAG => {
                fields.violate_at(path.key(key), format!("tag name must not be \"{key}\""));
            }
            _ => {}
        }
    }

    fn check_value(self, fields: &Fields<'_>, path: &FieldPath, key: &str, value: &str) {
        if value.is_empty() {
            fields.violate_at(path.key(key), "tag value must be non-empty");
        }
        let of_selector = |byte| is_value_byte(byte) || byte == b'/';
        let well_made = match self.selector {
            true => value == "*" || value.bytes().all(of_selector),
            false => value.bytes().all(is_value_byte),
        };
        if !well_made {
            let message = "tag value must consist of alphanumeric characters, dots, dashes and underscores";
            fields.violate_at(path.key(key), message);
        }
    }
}

/// Reads tags; none if absent.
pub(super) fn read<'d>(fields: &mut Fields<'d>, name: &'d str) -> Tags {
    fields.map(name).unwrap_or_default()
}

/// Reads and checks tags.
pub(super) fn checked<'d>(fields: &mut Fields<'d>, name: &'d str, rules: TagRules) -> Tags {
    let tags = read(fields, name);
    rules.check(fields, &fields.at(name), &tags);
    tags
}

/// Reads and checks a list of selectors, `[{match: {…}}]`, with at least one.
pub(crate) fn selectors<'d>(fields: &mut Fields<'d>, name: &'d str, rules: TagRules) -> Vec<Tags> {
    let items = fields.items(name);
    if items.is_empty() {
        fields.violate(name, "must have at least one element");
    }
    items.into_iter().map(|mut item| checked(&mut item, "match", rules)).collect()
}

fn is_value_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':')
}
