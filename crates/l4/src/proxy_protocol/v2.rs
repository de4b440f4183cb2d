//! Version 2: binary.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{BadHeader, Ends, Header, MAX_HEADER};

/// First bytes of every header.
pub(super) const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Whole header of a sender that speaks for itself: no addresses follow.
pub(super) const OWN: [u8; FIXED] = *b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
/// Length of the fixed part: signature, version and command, family and protocol, length.
const FIXED: usize = 16;
const VERSION: u8 = 2;
const LOCAL: u8 = 0;
const PROXY: u8 = 1;
const TCP_OVER_IPV4: u8 = 0x11;
const TCP_OVER_IPV6: u8 = 0x21;

pub(super) fn read(bytes: &[u8]) -> Result<Option<Header>, BadHeader> {
    let Some(version_and_command) = bytes.get(12) else { return Ok(None) };
    if version_and_command >> 4 != VERSION {
        return Err(BadHeader("the PROXY header has an unknown version"));
    }
    let command = version_and_command & 0x0f;
    if command > PROXY {
        return Err(BadHeader("the PROXY header has an unknown command"));
    }
    let Some(fixed) = bytes.first_chunk::<FIXED>() else { return Ok(None) };
    let length = FIXED + usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if length > MAX_HEADER {
        return Err(BadHeader("the PROXY header is too long"));
    }
    let addresses = match (command, fixed[13]) {
        (LOCAL, _) => 0,
        (_, TCP_OVER_IPV4) => 12,
        (_, TCP_OVER_IPV6) => 36,
        (_, _) => 0,
    };
    if length < FIXED + addresses {
        return Err(BadHeader("the PROXY header is too short for its addresses"));
    }
    let Some(body) = bytes.get(FIXED..length) else { return Ok(None) };
    let ends = match addresses {
        12 => ipv4(body),
        36 => ipv6(body),
        _ => None,
    };
    if ends.is_some() {
        skip_tlvs(&body[addresses..])?;
    }
    Ok(Some(Header { length, ends }))
}

fn ipv4(body: &[u8]) -> Option<Ends> {
    let body = body.first_chunk::<12>()?;
    let ip = |at: usize| Ipv4Addr::new(body[at], body[at + 1], body[at + 2], body[at + 3]);
    Some(Ends {
        source: SocketAddr::from((ip(0), port(body, 8))),
        destination: SocketAddr::from((ip(4), port(body, 10))),
    })
}

fn ipv6(body: &[u8]) -> Option<Ends> {
    let body = body.first_chunk::<36>()?;
    let ip = |at: usize| {
        let mut octets = [0; 16];
        octets.copy_from_slice(&body[at..at + 16]);
        Ipv6Addr::from(octets)
    };
    Some(Ends {
        source: SocketAddr::from((ip(0), port(body, 32))),
        destination: SocketAddr::from((ip(16), port(body, 34))),
    })
}

fn port(body: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([body[at], body[at + 1]])
}

/// Skips the TLVs (type, length, value), which have to fill the rest exactly.
fn skip_tlvs(mut rest: &[u8]) -> Result<(), BadHeader> {
    const BEYOND: BadHeader = BadHeader("a TLV of the PROXY header reaches beyond its end");
    while !rest.is_empty() {
        let (head, value) = rest.split_at_checked(3).ok_or(BEYOND)?;
        let length = usize::from(u16::from_be_bytes([head[1], head[2]]));
        rest = value.get(length..).ok_or(BEYOND)?;
    }
    Ok(())
}

pub(super) fn write(Ends { source, destination }: Ends) -> Vec<u8> {
    let mut header = SIGNATURE.to_vec();
    header.push(VERSION << 4 | PROXY);
    match (source, destination) {
        (SocketAddr::V4(source), SocketAddr::V4(destination)) => {
            header.extend_from_slice(&[TCP_OVER_IPV4, 0, 12]);
            header.extend_from_slice(&source.ip().octets());
            header.extend_from_slice(&destination.ip().octets());
        }
        (source, destination) => {
            header.extend_from_slice(&[TCP_OVER_IPV6, 0, 36]);
            for end in [source, destination] {
                let octets = match end {
                    SocketAddr::V4(v4) => v4.ip().to_ipv6_mapped().octets(),
                    SocketAddr::V6(v6) => v6.ip().octets(),
                };
                header.extend_from_slice(&octets);
            }
        }
    }
    header.extend_from_slice(&source.port().to_be_bytes());
    header.extend_from_slice(&destination.port().to_be_bytes());
    header
}
