//! SPIFFE IDs: `spiffe://<trust domain>/<path>` (SPIFFE-ID §2).

/// Returns the reason why a text is not a SPIFFE ID, in the words of the reference; `None`: it is one.
pub fn broken_by(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("cannot be empty");
    }
    let Some(rest) = text.strip_prefix("spiffe://") else { return Some("scheme is missing or invalid") };
    let (domain, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let is_domain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
    let is_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/');
    if domain.is_empty() {
        return Some("trust domain is missing");
    }
    if !domain.chars().all(is_domain) {
        return Some(
            "trust domain characters are limited to lowercase letters, numbers, dots, dashes, and underscores",
        );
    }
    if path.is_empty() {
        return None;
    }
    if path.ends_with('/') {
        return Some("path cannot have a trailing slash");
    }
    let mut segments = path.split('/').skip(1);
    if segments.clone().any(str::is_empty) {
        return Some("path cannot contain empty segments");
    }
    if segments.any(|segment| matches!(segment, "." | "..")) {
        return Some("path cannot contain dot segments");
    }
    (!path.chars().all(is_path))
        .then_some("path segment characters are limited to letters, numbers, dots, dashes, and underscores")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_a_scheme_a_domain_and_a_plain_path() {
        for fine in ["spiffe://depot", "spiffe://depot.example/ns/billing"] {
            assert_eq!(broken_by(fine), None, "{fine}");
        }
        for wrong in
            ["", "billing", "spiffe://", "spiffe://Depot", "spiffe://a/", "spiffe://a//b", "spiffe://a/.."]
        {
            assert!(broken_by(wrong).is_some(), "{wrong}");
        }
        assert_eq!(broken_by("http://a"), Some("scheme is missing or invalid"));
    }
}
