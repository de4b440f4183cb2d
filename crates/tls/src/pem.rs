//! Certificates in PEM, one at a time.

use x509_parser::pem::parse_x509_pem;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// The certificates of a text: each as it is written, and its DER. Anything between them is skipped.
///
/// # Errors
/// The place of the first that cannot be read, counted from 1.
pub(crate) fn certificates(text: &str) -> Result<Vec<(&str, Vec<u8>)>, usize> {
    let read = |(index, block): (usize, _)| {
        let (_, parsed) = parse_x509_pem(str::as_bytes(block)).map_err(|_| index + 1)?;
        Ok((block, parsed.contents))
    };
    blocks(text).enumerate().map(read).collect()
}

/// The certificates of a text as they are written; one without an end goes on to that of the text.
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
