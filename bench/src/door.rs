//! Address of a contestant, and the bytes that a client sends there before anything else.

use std::net::SocketAddr;
use std::sync::LazyLock;

/// Server name of the service behind the ingress.
const SERVER_NAME: &str = "shop{mesh=default}";

/// Beginning of a TLS session with it; any bytes may follow, since an ingress does not read them.
static HELLO: LazyLock<Vec<u8>> = LazyLock::new(|| hello(SERVER_NAME));

/// Address of a contestant, and the bytes that a client sends there before anything else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    /// Bytes to send first; empty: none.
    pub(crate) first: &'static [u8],
}

impl Door {
    /// Door of a contestant that expects nothing first.
    pub(crate) fn plain(address: SocketAddr) -> Self {
        Self { address, first: &[] }
    }

    /// Door of a contestant that waits for a client hello.
    pub(crate) fn of_ingress(address: SocketAddr) -> Self {
        Self { address, first: &HELLO }
    }
}

/// Client hello of TLS 1.3 in one record, with a server name as its only extension.
fn hello(server_name: &str) -> Vec<u8> {
    let sized = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat();
    let name = [&[0][..], &sized(server_name.as_bytes())].concat();
    let extension = [&[0, 0][..], &sized(&sized(&name))].concat();
    let body = [
        &[3, 3][..],
        &[7; 32],
        // no session, one cipher suite, no compression
        &[0, 0, 2, 0x13, 0x01, 1, 0],
        &sized(&extension),
    ]
    .concat();
    let handshake = [&[1, 0][..], &sized(&body)].concat();
    [&[0x16, 3, 1][..], &sized(&handshake)].concat()
}

/// Length of the TLS record at the beginning of `bytes`; `None`: there is none, or it is incomplete.
pub(crate) fn record(bytes: &[u8]) -> Option<usize> {
    let [0x16, _, _, high, low, ..] = bytes else { return None };
    let length = 5 + usize::from(u16::from_be_bytes([*high, *low]));
    (bytes.len() >= length).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hello_is_one_record_with_a_server_name() {
        let hello = hello("shop{mesh=default}");
        assert_eq!(record(&hello), Some(hello.len()));
        assert_eq!(record(&hello[..hello.len() - 1]), None);
        assert_eq!(record(b"mtbe0000"), None);
        let name = b"shop{mesh=default}";
        assert!(hello.windows(name.len()).any(|window| window == name));
    }
}
