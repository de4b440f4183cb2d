//! Certificates in PEM, one at a time.

use x509_parser::pem::parse_x509_pem;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// The certificates of a text: each as it is written, and its DER. Anything between them is skipped.
///
/// # Errors
/// The place of the first that cannot be read, counted from 1.
pub(crate) fn certificates(text: &str) -> Result<Vec<(&str, Vec<u8>)>, usize> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(begin) = rest.find(BEGIN) {
        let end = rest[begin..].find(END).map(|end| begin + end + END.len());
        let block = &rest[begin..end.ok_or(found.len() + 1)?];
        let (_, parsed) = parse_x509_pem(block.as_bytes()).map_err(|_| found.len() + 1)?;
        found.push((block, parsed.contents));
        rest = &rest[begin + block.len()..];
    }
    Ok(found)
}
