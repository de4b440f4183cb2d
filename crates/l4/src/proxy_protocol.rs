//! The PROXY protocol: the client according to a proxy in front, and the header for a backend.
//!
//! A header of version 1 (text) or 2 (binary) comes before the first byte of a connection. Parsing takes as many bytes
//! as have arrived, without socket or clock. TLVs of version 2 are skipped, within the bounds of the header.
//!
//! Source: "The PROXY protocol, versions 1 & 2", sections 2.1 and 2.2.

mod v1;
mod v2;

use std::net::SocketAddr;

/// Limit on the length of a header, in bytes. Version 1 has at most 107; a longer one of version 2 is refused:
/// addresses and the TLVs in use (a certificate's names among them) stay far below.
pub const MAX_HEADER: usize = 4096;

/// Version of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HeaderVersion {
    /// Version 1, a line of text.
    V1,
    /// Version 2, binary.
    V2,
}

/// Two ends of a connection, as the client sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Address of the client.
    pub source: SocketAddr,
    /// Address that the client dialled.
    pub destination: SocketAddr,
}

/// Complete header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Length in bytes; the bytes after it are the client's.
    pub length: usize,
    /// Ends of the connection. `None`: the sender speaks for itself (`LOCAL`, a health check) or sends nothing that is
    /// of use for TCP (`UNKNOWN`, other families); the connection's own addresses hold.
    pub ends: Option<Ends>,
}

/// Reason why bytes are not a header, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadHeader(pub &'static str);

/// Parses a header of either version; `Ok(None)`: more bytes are needed.
///
/// # Errors
/// If the bytes cannot become a header, whatever follows, or it is longer than [`MAX_HEADER`].
pub fn read_header(bytes: &[u8]) -> Result<Option<Header>, BadHeader> {
    if may_become(bytes, &v2::SIGNATURE) {
        v2::read(bytes)
    } else if may_become(bytes, v1::PREFIX) {
        v1::read(bytes)
    } else {
        Err(BadHeader("the first bytes are no PROXY header"))
    }
}

/// Encodes a header.
///
/// If the ends are of two families, the IPv4 one is written as an IPv4-mapped IPv6 address.
pub fn write_header(version: HeaderVersion, ends: Ends) -> Vec<u8> {
    let ends = of_one_family(ends);
    match version {
        HeaderVersion::V1 => v1::write(ends),
        HeaderVersion::V2 => v2::write(ends),
    }
}

/// Header of a connection that the proxy opens for itself, as a health check.
pub fn own_header(version: HeaderVersion) -> &'static [u8] {
    match version {
        HeaderVersion::V1 => v1::UNKNOWN,
        HeaderVersion::V2 => &v2::OWN,
    }
}

/// Returns `true` if bytes begin with `start`, or are too few to tell.
fn may_become(bytes: &[u8], start: &[u8]) -> bool {
    let shorter = bytes.len().min(start.len());
    bytes[..shorter] == start[..shorter]
}

fn of_one_family(Ends { source, destination }: Ends) -> Ends {
    if source.is_ipv4() == destination.is_ipv4() {
        return Ends { source, destination };
    }
    let mapped = |end: SocketAddr| match end {
        SocketAddr::V4(v4) => SocketAddr::from((v4.ip().to_ipv6_mapped(), v4.port())),
        SocketAddr::V6(_) => end,
    };
    Ends { source: mapped(source), destination: mapped(destination) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ends(source: &str, destination: &str) -> Ends {
        Ends { source: source.parse().unwrap(), destination: destination.parse().unwrap() }
    }

    /// Signature of version 2, followed by the given bytes.
    fn binary(rest: &[u8]) -> Vec<u8> {
        [&v2::SIGNATURE[..], rest].concat()
    }

    #[test]
    fn a_header_of_our_own_names_nobody() {
        for version in [HeaderVersion::V1, HeaderVersion::V2] {
            let header = own_header(version);
            assert_eq!(read_header(header), Ok(Some(Header { length: header.len(), ends: None })));
        }
    }

    #[test]
    fn headers_are_read() {
        let v4 = Some(ends("192.0.2.1:5000", "198.51.100.2:443"));
        let v6 = Some(ends("[2001:db8::1]:65535", "[::1]:1"));
        let v4_body = [192, 0, 2, 1, 198, 51, 100, 2, 0x13, 0x88, 0x01, 0xbb];
        let mut v6_body = [0; 36];
        v6_body[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        (v6_body[15], v6_body[31], v6_body[35]) = (1, 1, 1);
        v6_body[32..34].copy_from_slice(&[0xff, 0xff]);
        let tlv = [0x04, 0, 3, b'a', b'b', b'c'];
        let cases: Vec<(Vec<u8>, Option<Ends>)> = vec![
            (b"PROXY TCP4 192.0.2.1 198.51.100.2 5000 443\r\n".to_vec(), v4),
            (b"PROXY TCP6 2001:db8::1 ::1 65535 1\r\n".to_vec(), v6),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(), None),
            (binary(&[&[0x21, 0x11, 0, 12][..], &v4_body].concat()), v4),
            (binary(&[&[0x21, 0x21, 0, 36][..], &v6_body].concat()), v6),
            // TLVs behind the addresses
            (binary(&[&[0x21, 0x11, 0, 18][..], &v4_body, &tlv].concat()), v4),
            // LOCAL: its addresses are ignored
            (binary(&[0x20, 0x00, 0, 0]), None),
            (binary(&[&[0x20, 0x11, 0, 12][..], &v4_body].concat()), None),
            // unspecified, a datagram, and a Unix socket
            (binary(&[0x21, 0x00, 0, 3, 9, 9, 9]), None),
            (binary(&[&[0x21, 0x12, 0, 12][..], &v4_body].concat()), None),
            (binary(&[&[0x21, 0x31, 0, 216][..], &[7; 216]].concat()), None),
        ];
        for (bytes, ends) in cases {
            let shown = String::from_utf8_lossy(&bytes).into_owned();
            let expected = Ok(Some(Header { length: bytes.len(), ends }));
            assert_eq!(read_header(&bytes), expected, "{shown:?}");
            let followed = [&bytes[..], b"GET /"].concat();
            assert_eq!(read_header(&followed), expected, "{shown:?} and more");
            for cut in 0..bytes.len() {
                assert_eq!(read_header(&bytes[..cut]), Ok(None), "{cut} bytes of {shown:?}");
            }
        }
    }

    #[test]
    fn what_is_no_header_is_refused_as_soon_as_that_is_sure() {
        let cases: Vec<(Vec<u8>, &str)> = vec![
            (b"GET / HTTP/1.1\r\n".to_vec(), "no PROXY header"),
            (b"PROXZ".to_vec(), "no PROXY header"),
            (b"PROXY TCP5 ".to_vec(), "family"),
            (b"PROXY TCP4 192.0.2.1 198.51.100.2 5000\r\n".to_vec(), "addresses"),
            (b"PROXY TCP4 192.0.2.1 198.51.100.2 5000 443 9\r\n".to_vec(), "addresses"),
            (b"PROXY TCP4 ::1 ::2 5000 443\r\n".to_vec(), "addresses"),
            (b"PROXY TCP4 192.0.2.1 198.51.100.2 05000 443\r\n".to_vec(), "addresses"),
            (b"PROXY TCP4 192.0.2.1 198.51.100.2 +5 443\r\n".to_vec(), "addresses"),
            (b"PROXY TCP4 192.0.2.1 198.51.100.2 70000 443\r\n".to_vec(), "addresses"),
            (b"PROXY UNKNOWN\n".to_vec(), "line"),
            ([b"PROXY UNKNOWN ".as_slice(), &[b'x'; 107]].concat(), "long"),
            (binary(&[0x11]), "version"),
            (binary(&[0x22]), "command"),
            (binary(&[0x21, 0x11, 0, 11]), "short"),
            (binary(&[0x21, 0x21, 0, 35]), "short"),
            (binary(&[0x21, 0x11, 0xff, 0xff]), "long"),
            // a TLV that reaches beyond the header, and half of one
            (binary(&[&[0x21, 0x11, 0, 16][..], &[1; 12], &[4, 0, 2, 9]].concat()), "TLV"),
            (binary(&[&[0x21, 0x11, 0, 14][..], &[1; 12], &[4, 0]].concat()), "TLV"),
        ];
        for (bytes, why) in cases {
            let shown = String::from_utf8_lossy(&bytes).into_owned();
            match read_header(&bytes) {
                Err(BadHeader(words)) => assert!(words.contains(why), "{shown:?}: {words}"),
                other => panic!("{shown:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn ends_of_two_families_are_written_as_ipv6() {
        let written = write_header(HeaderVersion::V1, ends("192.0.2.1:5000", "[::1]:443"));
        assert_eq!(written, b"PROXY TCP6 ::ffff:192.0.2.1 ::1 5000 443\r\n");
    }

    fn address() -> impl Strategy<Value = SocketAddr> {
        let v4 = (any::<[u8; 4]>(), any::<u16>()).prop_map(SocketAddr::from);
        let v6 = (any::<[u8; 16]>(), any::<u16>()).prop_map(SocketAddr::from);
        prop_oneof![v4, v6]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(source in address(), destination in address(), binary in any::<bool>()) {
            let ends = Ends { source, destination };
            let version = if binary { HeaderVersion::V2 } else { HeaderVersion::V1 };
            let written = write_header(version, ends);
            let expected = Header { length: written.len(), ends: Some(of_one_family(ends)) };
            prop_assert_eq!(read_header(&written), Ok(Some(expected)));
        }

        #[test]
        fn any_bytes_are_dealt_with(
            start in prop_oneof![Just(v2::SIGNATURE.to_vec()), Just(b"PROXY TCP4 ".to_vec()), Just(Vec::new())],
            rest in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let bytes = [start, rest].concat();
            if let Ok(Some(header)) = read_header(&bytes) {
                prop_assert!(header.length <= bytes.len() && header.length <= MAX_HEADER);
                // a header does not depend on what follows it
                prop_assert_eq!(read_header(&bytes[..header.length]), Ok(Some(header)));
            }
        }
    }
}
