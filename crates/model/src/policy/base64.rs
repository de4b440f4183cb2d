//! Bytes in text: the standard alphabet of RFC 4648, with padding.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Decodes base64; `None`: not valid. There is one text for each value: padding is required, and its bits are 0.
pub fn parse_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_the_standard_read() {
        let cases = [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("UElORw0K", "PING\r\n")];
        for (text, bytes) in cases {
            assert_eq!(parse_base64(text).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        for text in ["Zg", "Zg=", "Zg==Zg==", "====", "Z===", "Zh==", "PING\n", "Zm9_"] {
            assert_eq!(parse_base64(text), None, "{text}");
        }
    }
}
