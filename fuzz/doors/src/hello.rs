//! First bytes of a connection at a listener that routes by TLS server name.

use l4::hello::{ClientHello, MAX_HELLO, read_hello};

/// Parses bytes as a client hello, all at once and growing. A decision does not change when more bytes arrive, and at
/// most [`MAX_HELLO`] bytes are ever waited for.
pub fn hello(bytes: &[u8]) {
    let whole = read_hello(bytes);
    if let Ok(Some(ClientHello { server_name: Some(name), protocols: _ })) = &whole {
        assert!(name.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase()), "{name:?}");
    }
    assert!(bytes.len() < MAX_HELLO || whole != Ok(None), "{} bytes are not enough", bytes.len());
    let mut decided = None;
    for cut in (0..bytes.len()).step_by(1 + bytes.len() / 64) {
        let now = read_hello(&bytes[..cut]);
        match &decided {
            None if now == Ok(None) => {}
            None => decided = Some(now),
            Some(before) => assert_eq!(&now, before, "{cut} bytes say something else than fewer did"),
        }
    }
    if let Some(before) = decided {
        assert_eq!(whole, before, "all bytes say something else than fewer did");
    }
}
