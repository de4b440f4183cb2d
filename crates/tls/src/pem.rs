//! Certificates in PEM, one at a time.

use x509_parser::pem::parse_x509_pem;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// Certificates of a text: PEM and DER of each. Anything between them is skipped.
///
/// # Errors
/// Position of the first that cannot be read, counted from 1.
pub(crate) fn certificates(text: &str) -> Result<Vec<(&str, Vec<u8>)>, usize> {
    let read = |(index, block): (usize, _)| {
        let (_, parsed) = parse_x509_pem(str::as_bytes(block)).map_err(|_| index + 1)?;
        Ok((block, parsed.contents))
    };
    blocks(text).enumerate().map(read).collect()
}

/// PEM blocks of the certificates of a text; one without an end extends to that of the text.
pub(crate) fn blocks(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let begin = rest.find(BEGIN)?;
        let end = rest[begin..].find(END).map_or(rest.len(), |end| begin + end + END.len());
        let block = &rest[begin..end];
        rest = &rest[end..];
        Some(block)
    })
}
