//! Version 1: one line of text.

use std::net::{IpAddr, SocketAddr};

use super::{BadHeader, Ends, Header};

/// First bytes of every header.
pub(super) const PREFIX: &[u8] = b"PROXY ";
/// Whole header of a sender that speaks for itself.
pub(super) const UNKNOWN: &[u8] = b"PROXY UNKNOWN\r\n";
/// Limit on the length of a line, with its end, in bytes.
const MAX_LINE: usize = 107;

pub(super) fn read(bytes: &[u8]) -> Result<Option<Header>, BadHeader> {
    let room = &bytes[..bytes.len().min(MAX_LINE)];
    let Some(end) = room.iter().position(|byte| *byte == b'\n') else {
        return if bytes.len() >= MAX_LINE {
            Err(BadHeader("the PROXY line is too long"))
        } else {
            begun(room)
        };
    };
    let line = room[..end].strip_suffix(b"\r").and_then(|line| std::str::from_utf8(line).ok());
    let line = line.ok_or(BadHeader("the PROXY line does not end in order"))?;
    let mut words = line.split(' ').skip(1);
    let ends = match words.next() {
        Some("UNKNOWN") => None,
        Some(family @ ("TCP4" | "TCP6")) => {
            let ends = ends(&mut words).filter(|ends| {
                ends.source.is_ipv4() == (family == "TCP4")
                    && ends.destination.is_ipv4() == (family == "TCP4")
            });
            Some(ends.ok_or(BadHeader("the PROXY line has no two addresses and ports"))?)
        }
        Some(_) | None => return Err(BadHeader(UNKNOWN_FAMILY)),
    };
    Ok(Some(Header { length: end + 1, ends }))
}

const UNKNOWN_FAMILY: &str = "the PROXY line has an unknown family";

/// Checks an incomplete line: the family may already be wrong.
fn begun(bytes: &[u8]) -> Result<Option<Header>, BadHeader> {
    let after = bytes.get(PREFIX.len()..).unwrap_or_default();
    let family = after.split(|byte| *byte == b' ').next().unwrap_or_default();
    let complete = family.len() < after.len();
    let fits = |known: &[u8]| if complete { family == known } else { is_start_of(family, known) };
    let carriage_return = family.strip_suffix(b"\r") == Some(b"UNKNOWN");
    if carriage_return || [&b"TCP4"[..], b"TCP6", b"UNKNOWN"].into_iter().any(fits) {
        Ok(None)
    } else {
        Err(BadHeader(UNKNOWN_FAMILY))
    }
}

fn is_start_of(start: &[u8], whole: &[u8]) -> bool {
    whole.starts_with(start)
}

fn ends<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<Ends> {
    let source: IpAddr = words.next()?.parse().ok()?;
    let destination: IpAddr = words.next()?.parse().ok()?;
    let (source_port, destination_port) = (port(words.next()?)?, port(words.next()?)?);
    words.next().is_none().then(|| Ends {
        source: SocketAddr::new(source, source_port),
        destination: SocketAddr::new(destination, destination_port),
    })
}

/// Parses a port in decimal, without a sign and leading zeroes.
fn port(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}

pub(super) fn write(Ends { source, destination }: Ends) -> Vec<u8> {
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (source.ip(), destination.ip());
    format!("PROXY {family} {from} {to} {} {}\r\n", source.port(), destination.port()).into_bytes()
}
