//! Certificates and keys as PEM (RFC 7468).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use x509_parser::asn1_rs::{FromDer as _, Sequence};

/// Length of a line, in characters.
const LINE: usize = 64;

/// DER as PEM, under a label such as `CERTIFICATE`.
pub fn pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in STANDARD.encode(der).as_bytes().chunks(LINE) {
        text.extend(line.iter().map(|letter| char::from(*letter)));
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}

/// Certificates in DER, one after another, as PEM; `None`: something there is no structure in DER. Their content is
/// not read.
pub fn pem_of_certificates(mut der: &[u8]) -> Option<String> {
    let mut text = String::new();
    while !der.is_empty() {
        let (rest, _) = Sequence::from_der(der).ok()?;
        let (certificate, rest) = der.split_at(der.len() - rest.len());
        text += &pem("CERTIFICATE", certificate);
        der = rest;
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_in_a_row_are_told_apart_by_their_lengths() {
        let both = [&[0x30, 3, 1, 2, 3][..], &[0x30, 0x81, 1, 9]].concat();
        let text = pem_of_certificates(&both).unwrap();
        let (first, second) = text.split_at(text.len() / 2);
        assert_eq!(first, "-----BEGIN CERTIFICATE-----\nMAMBAgM=\n-----END CERTIFICATE-----\n");
        assert_eq!(second, "-----BEGIN CERTIFICATE-----\nMIEBCQ==\n-----END CERTIFICATE-----\n");
        assert_eq!(pem_of_certificates(&[]).as_deref(), Some(""));
        for broken in [&[0x30, 5, 1][..], &[1, 2, 3], &[0x30]] {
            assert_eq!(pem_of_certificates(broken), None);
        }
    }

    #[test]
    fn no_line_is_longer_than_readers_expect() {
        for length in [0, 47, 48, 49, 96, 500] {
            let text = pem("PRIVATE KEY", &vec![0xff; length]);
            assert!(text.ends_with("\n-----END PRIVATE KEY-----\n"), "{text}");
            assert_eq!(text.lines().count(), 2 + length.div_ceil(48));
            assert!(text.lines().all(|line| line.len() <= LINE), "{text}");
        }
    }
}
