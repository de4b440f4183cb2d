//! Names given on a command line: checked without a document, by the rules common to all profiles.

/// Limit on the length of a name, in bytes.
const LONGEST: usize = 253;
/// Limit on the length of a label's value, in bytes.
const LONGEST_VALUE: usize = 63;

/// Reason why text is not a valid name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no name of a {what}: {rule}")]
pub struct InvalidName {
    text: String,
    what: &'static str,
    rule: &'static str,
}

/// Checks the name of a zone: it becomes the value of the label `kuma.io/zone`, and a part of identifiers.
///
/// # Errors
/// The text is not valid as the name of a zone.
pub fn zone(text: &str) -> Result<&str, InvalidName> {
    let rule = "write 1 to 63 lowercase letters, digits, `-` and `.`, with a letter or digit at both ends and beside each `.`";
    let is_name = text.len() <= LONGEST_VALUE && text.split('.').all(is_label);
    named(text, "zone", rule, is_name)
}

/// Checks the name of a mesh.
///
/// # Errors
/// The text is not valid as the name of a mesh in any profile.
pub fn mesh(text: &str) -> Result<&str, InvalidName> {
    let rule = "write 1 to 253 lowercase letters, digits, `-`, `_` and `.`";
    named(text, "mesh", rule, text.len() <= LONGEST && is_plain(text))
}

/// Checks the stored name of a resource, which on Kubernetes ends in its namespace.
///
/// # Errors
/// The text is not valid as the name of a resource in any profile.
pub fn resource(text: &str) -> Result<&str, InvalidName> {
    let rule = "write at most 253 lowercase letters, digits, `-`, `_` and `.`, and on Kubernetes `.` and the namespace behind them";
    named(text, "resource", rule, text.len() <= LONGEST + 1 + LONGEST_VALUE && is_plain(text))
}

fn named<'t>(
    text: &'t str,
    what: &'static str,
    rule: &'static str,
    is_name: bool,
) -> Result<&'t str, InvalidName> {
    if is_name { Ok(text) } else { Err(InvalidName { text: text.escape_debug().to_string(), what, rule }) }
}

fn is_plain(text: &str) -> bool {
    let is_known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    !text.is_empty() && text.chars().all(is_known)
}

fn is_label(text: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    ends(text.chars().next()) && ends(text.chars().next_back()) && text.chars().all(inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_a_name_is_told_from_other_text() {
        let (fits, too_long) = ("z".repeat(63), "z".repeat(64));
        for name in ["east", "eu-west.1", "1", &fits] {
            assert_eq!(zone(name), Ok(name));
        }
        for text in ["", "Zone A", "zone/1", "zone_1", "-a", "a-", "a..b", ".a", "a\n", "ö", &too_long] {
            assert!(zone(text).is_err(), "{text}");
        }
        for name in ["default", "a.b", "_a-", &too_long] {
            assert_eq!((mesh(name), resource(name)), (Ok(name), Ok(name)));
        }
        for text in ["", "My Mesh", "a/b", "A", "..%2f", &"m".repeat(254)] {
            assert!(mesh(text).is_err(), "{text}");
        }
        assert!(resource(&"m".repeat(254)).is_ok() && resource(&"m".repeat(318)).is_err());
        let told = zone("Zone\x1b A").unwrap_err().to_string();
        assert!(
            told.starts_with("`Zone\\u{1b} A` is no name of a zone: write 1 to 63 lowercase letters"),
            "{told}"
        );
    }
}
