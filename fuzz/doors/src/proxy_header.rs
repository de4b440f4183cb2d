//! First bytes of a connection at a listener that expects a PROXY header.

use l4::proxy_protocol::{HeaderVersion, MAX_HEADER, read_header, write_header};

/// Parses bytes as a PROXY header, all at once and growing. A decision does not change when more bytes arrive, at most
/// [`MAX_HEADER`] bytes are ever waited for, and a parsed header can be written and parsed again.
pub fn proxy_header(bytes: &[u8]) {
    let whole = read_header(bytes);
    assert!(bytes.len() < MAX_HEADER || whole != Ok(None), "{} bytes are not enough", bytes.len());
    let mut decided = None;
    for cut in (0..bytes.len()).step_by(1 + bytes.len() / 64) {
        let now = read_header(&bytes[..cut]).map_err(|_| ());
        match &decided {
            None if now == Ok(None) => {}
            None => decided = Some(now),
            Some(before) => assert_eq!(&now, before, "{cut} bytes say something else than fewer did"),
        }
    }
    if let Some(before) = decided {
        assert_eq!(whole.map_err(|_| ()), before, "all bytes say something else than fewer did");
    }
    let Ok(Some(header)) = whole else { return };
    assert!(header.length <= bytes.len() && header.length <= MAX_HEADER, "{header:?}");
    if let Some(ends) = header.ends {
        for version in [HeaderVersion::V1, HeaderVersion::V2] {
            let written = write_header(version, ends);
            let again = read_header(&written).ok().flatten().and_then(|header| header.ends);
            assert_eq!(again, Some(ends), "{version:?}");
        }
    }
}
