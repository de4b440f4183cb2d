//! TLS client hello: its server name and protocols, from as many bytes as have arrived.

/// Limit on the length of a client hello, in bytes with its record headers: the largest handshake message that fits one
/// TLS record, and some room for being split into several.
pub const MAX_HELLO: usize = (16 << 10) + 512;

const HANDSHAKE_RECORD: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME_EXTENSION: u16 = 0;
const PROTOCOLS_EXTENSION: u16 = 16;
const HOST_NAME: u8 = 0;
const MAX_RECORD: usize = (16 << 10) + 256;

/// Complete client hello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientHello {
    /// Server name (SNI), in lower case; `None`: no name.
    pub server_name: Option<String>,
    /// Protocols that the client offers (ALPN), in its order.
    pub protocols: Vec<Box<[u8]>>,
}

/// Reason why bytes are not a client hello, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadHello(pub &'static str);

/// Parses a client hello; `Ok(None)`: more bytes are needed.
///
/// # Errors
/// If the bytes cannot become a client hello, whatever follows, or it is longer than [`MAX_HELLO`].
pub fn read_hello(bytes: &[u8]) -> Result<Option<ClientHello>, BadHello> {
    match handshake(bytes)? {
        Some(message) => client_hello(&message).map(Some),
        None if bytes.len() >= MAX_HELLO => Err(BadHello("the client hello is too long")),
        None => Ok(None),
    }
}

/// Reassembles the first handshake message from its records; `None`: more bytes are needed.
fn handshake(mut bytes: &[u8]) -> Result<Option<Vec<u8>>, BadHello> {
    let mut message = Vec::new();
    loop {
        match *bytes {
            [kind, ..] if kind != HANDSHAKE_RECORD => {
                return Err(BadHello("the first bytes are not a TLS handshake"));
            }
            [_, major, ..] if major != 3 => return Err(BadHello("the TLS record has an unknown version")),
            _ => {}
        }
        let Some((header, rest)) = bytes.split_at_checked(5) else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        if length == 0 || length > MAX_RECORD {
            return Err(BadHello("the TLS record has an impossible length"));
        }
        // an incomplete record can already be wrong
        message.extend_from_slice(&rest[..length.min(rest.len())]);
        if message.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
            return Err(BadHello("the TLS handshake does not begin with a client hello"));
        }
        if let [_, a, b, c, ..] = message[..] {
            let total = 4 + (usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c));
            if total > MAX_HELLO {
                return Err(BadHello("the client hello is too long"));
            }
            if message.len() >= total {
                message.truncate(total);
                message.drain(..4);
                return Ok(Some(message));
            }
        }
        let Some((_, next)) = rest.split_at_checked(length) else { return Ok(None) };
        bytes = next;
    }
}

fn client_hello(message: &[u8]) -> Result<ClientHello, BadHello> {
    parse(message).ok_or(BadHello("the client hello is malformed"))
}

fn parse(message: &[u8]) -> Option<ClientHello> {
    let mut hello = Reader(message);
    hello.take(2 + 32)?; // version, random
    hello.vector8()?; // session
    hello.vector16()?; // cipher suites
    hello.vector8()?; // compression methods
    if hello.0.is_empty() {
        return Some(ClientHello { server_name: None, protocols: Vec::new() });
    }
    let mut extensions = Reader(hello.vector16()?);
    if !hello.0.is_empty() {
        return None;
    }
    let (mut server_name, mut protocols) = (None, Vec::new());
    while !extensions.0.is_empty() {
        let kind = extensions.number16()?;
        let body = extensions.vector16()?;
        match kind {
            SERVER_NAME_EXTENSION => server_name = Some(host_name(body)?),
            PROTOCOLS_EXTENSION => protocols = protocol_names(body)?,
            _ => {}
        }
    }
    Some(ClientHello { server_name, protocols })
}

fn protocol_names(body: &[u8]) -> Option<Vec<Box<[u8]>>> {
    let mut names = Reader(Reader(body).vector16()?);
    let mut protocols = Vec::new();
    while !names.0.is_empty() {
        protocols.push(names.vector8()?.into());
    }
    Some(protocols)
}

fn host_name(body: &[u8]) -> Option<String> {
    let mut extension = Reader(body);
    let mut names = Reader(extension.vector16()?);
    while !names.0.is_empty() {
        let kind = names.take(1)?;
        let name = names.vector16()?;
        if kind == [HOST_NAME] {
            let text = std::str::from_utf8(name).ok()?;
            let valid = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
            return valid.then(|| text.trim_end_matches('.').to_ascii_lowercase());
        }
    }
    None
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number16(&mut self) -> Option<u16> {
        let taken = self.take(2)?;
        Some(u16::from_be_bytes([taken[0], taken[1]]))
    }

    fn vector8(&mut self) -> Option<&'a [u8]> {
        let length = self.take(1)?[0];
        self.take(length.into())
    }

    fn vector16(&mut self) -> Option<&'a [u8]> {
        let length = self.number16()?;
        self.take(length.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vector16(body: &[u8]) -> Vec<u8> {
        [&(body.len() as u16).to_be_bytes()[..], body].concat()
    }

    fn message(server_name: Option<&str>, padding: usize) -> Vec<u8> {
        let mut extensions = [&[0x00, 0x15][..], &vector16(&vec![0; padding])].concat();
        if let Some(name) = server_name {
            let names = vector16(&[&[HOST_NAME][..], &vector16(name.as_bytes())].concat());
            extensions.extend([&[0, 0][..], &vector16(&names)].concat());
        }
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.push(0);
        body.extend(vector16(&[0x13, 0x01]));
        body.extend([1, 0]);
        body.extend(vector16(&extensions));
        let length = (body.len() as u32).to_be_bytes();
        [&[CLIENT_HELLO, length[1], length[2], length[3]][..], &body].concat()
    }

    fn records(message: &[u8], size: usize) -> Vec<u8> {
        message
            .chunks(size)
            .flat_map(|chunk| [&[HANDSHAKE_RECORD, 3, 1][..], &vector16(chunk)].concat())
            .collect()
    }

    #[test]
    fn a_hello_cut_at_every_byte_is_incomplete_until_the_last() {
        for size in [1, 2, 7, 40, 16_384] {
            let bytes = records(&message(Some("DB.example.com"), 100), size);
            for cut in 0..bytes.len() {
                assert_eq!(
                    read_hello(&bytes[..cut]),
                    Ok(None),
                    "{cut} of {} in records of {size}",
                    bytes.len()
                );
            }
            let hello = read_hello(&bytes).unwrap().unwrap();
            assert_eq!(hello.server_name.as_deref(), Some("db.example.com"));
        }
    }

    #[test]
    fn bytes_after_the_hello_do_not_matter() {
        let mut bytes = records(&message(Some("a"), 0), 16_384);
        bytes.extend([0xff; 9]);
        assert_eq!(read_hello(&bytes).unwrap().unwrap().server_name.as_deref(), Some("a"));
    }

    #[test]
    fn a_hello_without_a_name_is_complete() {
        assert_eq!(
            read_hello(&records(&message(None, 0), 16_384)),
            Ok(Some(ClientHello { server_name: None, protocols: Vec::new() }))
        );
    }

    #[test]
    fn protocols_are_read_in_their_order() {
        let offered = |list: &[u8]| protocol_names(&vector16(list));
        let names = [&b"kuma"[..], b"h2"].map(Box::from).to_vec();
        assert_eq!(offered(b"\x04kuma\x02h2"), Some(names));
        assert_eq!(offered(b"\x05kuma"), None);
        assert_eq!(offered(b""), Some(Vec::new()));
    }

    #[test]
    fn what_cannot_become_a_hello_is_refused_at_its_first_byte() {
        assert!(read_hello(b"G").is_err());
        assert!(read_hello(&[22, 2]).is_err());
        assert!(read_hello(&[22, 3, 1, 0, 0]).is_err());
        assert!(read_hello(&[22, 3, 1, 0, 9, 2]).is_err());
        assert!(read_hello(&[22, 3, 1, 0, 9, 1, 1, 0, 0]).is_err(), "longer than the limit");
    }

    #[test]
    fn tiny_records_cannot_make_a_hello_endless() {
        let bytes = records(&message(Some("a"), 9000), 1);
        assert!(read_hello(&bytes[..MAX_HELLO]).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read_hello(&bytes);
            let _ = parse(&bytes);
        }

        #[test]
        fn no_damage_makes_it_panic(at in 0..200usize, byte in any::<u8>()) {
            let mut bytes = records(&message(Some("db.example.com"), 60), 50);
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = read_hello(&bytes);
        }
    }
}
