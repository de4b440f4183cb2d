//! Reader of `probes`: health checks of Kubernetes that pass through the proxy. They have no effect on routing, and
//! are only checked.

use crate::draft::Fields;
use crate::draft::topology::port;

/// Checks the probes of a dataplane; a builtin gateway has none.
pub(super) fn read(dataplane: &mut Fields<'_>, networking: &Fields<'_>, is_builtin_gateway: bool) {
    let mut probes = dataplane.object("probes");
    if !probes.is_present() {
        return;
    }
    if is_builtin_gateway {
        // The reference reports it there, though the field is beside `networking`.
        networking.violate("probes", "probes cannot be defined for builtin gateways");
        probes.know_the_rest();
        return;
    }
    port::required(&mut probes, "port");
    for mut endpoint in probes.items("endpoints") {
        port::required(&mut endpoint, "inboundPort");
        for path in ["inboundPath", "path"] {
            if !is_request_uri(&endpoint.string(path)) {
                endpoint.violate(path, "should be a valid URL Path");
            }
        }
    }
}

/// Returns `true` if text is valid in the first line of an HTTP request: an absolute path or an absolute URL.
fn is_request_uri(text: &str) -> bool {
    let has_scheme = text.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
    });
    let escapes_are_whole = text.split('%').skip(1).all(|after| {
        let mut digits = after.bytes();
        let mut is_digit = || digits.next().is_some_and(|byte| byte.is_ascii_hexdigit());
        is_digit() && is_digit()
    });
    let printable = !text.bytes().any(|byte| byte.is_ascii_control());
    (text == "*" || text.starts_with('/') || has_scheme) && escapes_are_whole && printable
}

#[cfg(test)]
mod tests {
    use super::is_request_uri;

    #[test]
    fn a_request_asks_for_an_absolute_path_or_url() {
        assert!(["/healthz", "/a?b=c", "http://x/y", "*", "/%20"].into_iter().all(is_request_uri));
        assert!(!["", "healthz", "8080/healthz", "/%2", "/a\n"].into_iter().any(is_request_uri));
    }
}
