//! Where a contestant is reached, and what is said there before anything else.

use std::net::SocketAddr;
use std::sync::LazyLock;

/// The service that the ingress leads to.
const SERVER_NAME: &str = "shop{mesh=default}";

/// The beginning of a TLS session with it; what comes after it is anything, as an ingress does not read it.
static HELLO: LazyLock<Vec<u8>> = LazyLock::new(|| hello(SERVER_NAME));

/// Where a contestant is reached, and what is said there before anything else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    /// Empty: nothing.
    pub(crate) first: &'static [u8],
}

impl Door {
    /// That of a contestant which asks for nothing.
    pub(crate) fn plain(address: SocketAddr) -> Self {
        Self { address, first: &[] }
    }

    /// That of a contestant which waits for a client hello.
    pub(crate) fn of_ingress(address: SocketAddr) -> Self {
        Self { address, first: &HELLO }
    }
}

/// A client hello of TLS 1.3 in one record, with nothing in it but a server name.
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

/// How many of these bytes a record at their beginning takes; `None`: there is none, or not all of it.
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
