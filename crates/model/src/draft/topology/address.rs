//! Addresses: IP addresses and DNS names.

use std::net::IpAddr;

use crate::draft::Fields;

/// Returns `true` if text is an IP address, of version 4 or 6.
pub(super) fn is_ip(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

/// Returns `true` if text is a DNS name, and not an IP address: labels of 1 to 63 letters, digits, `-` and `_` that
/// do not begin with `-`, and perhaps one more `.` at the end; 255 characters without the dots.
pub(super) fn is_dns_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    !is_ip(text) && text.len() - text.matches('.').count() <= 255 && name.split('.').all(is_label)
}

/// Returns `true` if connections to these two addresses may meet: they are equal, or one is "all addresses". Names
/// never are.
pub(super) fn overlap(left: &str, right: &str) -> bool {
    let parse = |text: &str| text.parse::<IpAddr>().ok().map(|address| address.to_canonical());
    let is_all = |address: &Option<IpAddr>| address.is_some_and(|address| address.is_unspecified());
    let (left, right) = (parse(left), parse(right));
    is_all(&left) || is_all(&right) || (left.is_some() && left == right)
}

/// Checks an address that other proxies connect to: required, an IP address or a DNS name, and not a wildcard.
pub(super) fn check(fields: &Fields<'_>, name: &str, address: &str) {
    let message = match address {
        "" => "address can't be empty",
        "0.0.0.0" | "::" => "must not be 0.0.0.0 or ::",
        _ if is_ip(address) || is_dns_name(address) => return,
        _ => "address has to be valid IP address or domain name",
    };
    fields.violate(name, message);
}

/// Checks an address that is listened on: an IP address, or left out.
pub(super) fn check_ip(fields: &Fields<'_>, name: &str, address: Option<&str>) {
    if address.is_some_and(|address| !is_ip(address)) {
        let what = if name == "address" { "address" } else { name };
        fields.violate(name, format!("{what} has to be valid IP address"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dns_names_are_told_from_addresses_and_from_other_text() {
        for name in ["example.com", "a", "a_b.c-d", "_srv.example.com", "example.com.", "123"] {
            assert!(is_dns_name(name), "{name}");
        }
        let long = format!("{}.com", "f".repeat(64));
        for text in ["", ".", "10.0.0.7", "::1", "-a", "a..b", "not-valid!", "*.example.com", &long] {
            assert!(!is_dns_name(text), "{text}");
        }
    }

    #[test]
    fn all_addresses_overlap_with_each_of_them() {
        assert!(overlap("127.0.0.1", "0.0.0.0"));
        assert!(overlap("::ffff:127.0.0.1", "127.0.0.1"));
        assert!(!overlap("127.0.0.1", "10.0.0.7"));
        assert!(!overlap("", "example.com"));
    }
}
