//! DNS messages, as far as a server of addresses needs them (RFC 1035, 2308, 6891 §7).
//!
//! A query is read up to the end of its question; the rest (EDNS) is for the server it is forwarded to. A question has
//! no compressed names, so reading never jumps.

mod lookup;

use std::net::IpAddr;

pub use lookup::{addresses, ask_for};

/// Length of the header before the question, in bytes.
const HEADER: usize = 12;
/// Limit on an answer over UDP, in bytes, for a client that does not announce a larger one.
pub const UDP: usize = 512;
/// Class `IN`, the Internet.
const INTERNET: u16 = 1;

/// Parsed packet.
#[derive(Debug, PartialEq, Eq)]
pub enum Message<'p> {
    /// An answer, or too short to answer: it is dropped.
    Noise,
    /// Something other than a query with one question, with the code of its answer.
    Wrong(Code),
    /// A query.
    Query(Query<'p>),
}

/// Query with one question.
#[derive(Debug, PartialEq, Eq)]
pub struct Query<'p> {
    /// Whole packet.
    packet: &'p [u8],
    /// Offset of the end of its question.
    end: usize,
    /// Name in lower case, without a trailing dot; `None`: not a host name.
    pub name: Option<String>,
    /// Type of the question.
    pub sort: RecordType,
}

/// Type of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordType {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Any type.
    Any,
    /// Another type, or another class.
    Other,
}

/// Response code (RCODE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// No error; without addresses: the name has none.
    Fine = 0,
    /// The query could not be parsed.
    Malformed = 1,
    /// The name could not be resolved.
    Failed = 2,
    /// The name does not exist.
    NoSuchName = 3,
    /// Not implemented: the packet is not a query.
    NotKnown = 4,
}

/// Parses a packet.
pub fn read(packet: &[u8]) -> Message<'_> {
    let Some(header) = packet.get(..HEADER) else { return Message::Noise };
    // an answer to an answer would never end
    if header[2] & 0x80 != 0 {
        return Message::Noise;
    }
    if header[2] & 0x78 != 0 {
        return Message::Wrong(Code::NotKnown);
    }
    let questions = u16::from_be_bytes([header[4], header[5]]);
    match question(packet).filter(|_| questions == 1) {
        Some(query) => Message::Query(query),
        None => Message::Wrong(Code::Malformed),
    }
}

fn question(packet: &[u8]) -> Option<Query<'_>> {
    let (mut at, mut labels, mut is_host) = (HEADER, Vec::new(), true);
    loop {
        let length = usize::from(*packet.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        let label = packet.get(at..at + length).filter(|_| length < 64)?;
        at += length;
        // 255 bytes with the lengths and the root
        if at - HEADER > 254 {
            return None;
        }
        is_host &= label.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'.');
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
    }
    let numbers = packet.get(at..at + 4)?;
    let sort = match u16::from_be_bytes([numbers[0], numbers[1]]) {
        _ if u16::from_be_bytes([numbers[2], numbers[3]]) != INTERNET => RecordType::Other,
        1 => RecordType::A,
        28 => RecordType::Aaaa,
        255 => RecordType::Any,
        _ => RecordType::Other,
    };
    let name = (is_host && !labels.is_empty()).then(|| labels.join("."));
    Some(Query { packet, end: at + 4, name, sort })
}

impl Query<'_> {
    /// ID of the query.
    pub fn id(&self) -> [u8; 2] {
        [self.packet[0], self.packet[1]]
    }

    /// Returns `true` if a packet answers the query, sent under another ID.
    pub fn is_answered_by(&self, packet: &[u8], id: [u8; 2]) -> bool {
        let asked = &self.packet[HEADER..self.end];
        let is_it = |header: &[u8]| header[..2] == id && header[2] & 0x80 != 0;
        let repeats = |question: &[u8]| question.eq_ignore_ascii_case(asked);
        packet.get(..HEADER).is_some_and(is_it)
            && (packet.get(HEADER..self.end).is_some_and(repeats) || packet[4..6] == [0, 0])
    }

    /// Builds the answer: the addresses of the asked type, each with a TTL of `ttl` seconds. Records beyond `most`
    /// bytes are left out, and the answer is marked as truncated.
    pub fn answer(&self, code: Code, addresses: &[IpAddr], ttl: u32, most: usize) -> Vec<u8> {
        let mut answer = header(self.packet, code);
        answer[5] = 1;
        answer.extend_from_slice(&self.packet[HEADER..self.end]);
        let mut count: u16 = 0;
        for address in addresses {
            let (sort, bytes) = match address {
                IpAddr::V4(address) => (1u16, address.octets().to_vec()),
                IpAddr::V6(address) => (28, address.octets().to_vec()),
            };
            let is_asked = match self.sort {
                RecordType::A => sort == 1,
                RecordType::Aaaa => sort == 28,
                RecordType::Any => true,
                RecordType::Other => false,
            };
            if !is_asked {
                continue;
            }
            // name of the question, type, class, ttl, length
            let mut record = vec![0xc0, HEADER as u8];
            record.extend_from_slice(&sort.to_be_bytes());
            record.extend_from_slice(&INTERNET.to_be_bytes());
            record.extend_from_slice(&ttl.to_be_bytes());
            record.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
            record.extend_from_slice(&bytes);
            if answer.len() + record.len() > most {
                answer[2] |= 0x02;
                break;
            }
            answer.extend_from_slice(&record);
            count += 1;
        }
        answer[6..8].copy_from_slice(&count.to_be_bytes());
        answer
    }
}

/// Builds the answer to a packet that is not a query, or cannot be parsed.
pub fn refusal(packet: &[u8], code: Code) -> Vec<u8> {
    header(packet, code)
}

/// Header of an answer without question and records. It is authoritative: no other server knows these names.
fn header(packet: &[u8], code: Code) -> Vec<u8> {
    let mut header = vec![0; HEADER];
    header[..2].copy_from_slice(&packet[..2]);
    // recursion desired as asked, recursion available
    header[2] = 0x84 | (packet[2] & 0x79);
    header[3] = 0x80 | code as u8;
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A query as clients send it.
    fn query(name: &str, sort: u16) -> Vec<u8> {
        let mut packet = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.').filter(|label| !label.is_empty()) {
            packet.push(label.len() as u8);
            packet.extend_from_slice(label.as_bytes());
        }
        packet.push(0);
        packet.extend_from_slice(&sort.to_be_bytes());
        packet.extend_from_slice(&[0, 1]);
        packet
    }

    fn read_query(packet: &[u8]) -> Query<'_> {
        match read(packet) {
            Message::Query(query) => query,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_query_is_answered_with_the_addresses_that_it_asks_for() {
        let packet = query("Redis.Svc.mesh.local", 1);
        let read = read_query(&packet);
        assert_eq!((read.name.as_deref(), read.sort), (Some("redis.svc.mesh.local"), RecordType::A));
        let both: [IpAddr; 2] = ["241.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()];
        let answer = read.answer(Code::Fine, &both, 30, UDP);
        let mut wanted = packet.clone();
        wanted[2..4].copy_from_slice(&[0x85, 0x80]);
        wanted[7] = 1;
        wanted.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4, 241, 0, 0, 1]);
        assert_eq!(answer, wanted, "the name is repeated as it was asked for");
        let packet = query("redis.svc.mesh.local", 28);
        let six = read_query(&packet).answer(Code::Fine, &both, 30, UDP);
        assert_eq!(
            (six[7], &six[six.len() - 16..]),
            (1, &[0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1][..])
        );
        let packet = query("redis.svc.mesh.local", 16);
        let none = read_query(&packet).answer(Code::Fine, &both, 30, UDP);
        assert_eq!((none[3], none[7]), (0x80, 0), "the name has no text");
    }

    #[test]
    fn an_answer_that_has_no_room_says_so() {
        let packet = query("many.mesh.local", 1);
        let many: Vec<IpAddr> = (0..100).map(|last| IpAddr::from([241, 0, 0, last])).collect();
        let answer = read_query(&packet).answer(Code::Fine, &many, 30, UDP);
        assert!(answer.len() <= UDP && answer[2] & 2 != 0, "{}", answer.len());
        assert_eq!(usize::from(answer[7]), (answer.len() - packet.len()) / 16);
        let whole = read_query(&packet).answer(Code::Fine, &many, 30, usize::from(u16::MAX));
        assert_eq!((whole[7], whole[2] & 2), (100, 0));
    }

    #[test]
    fn what_is_no_query_is_told_from_what_is_noise() {
        let good = query("a.b", 1);
        let changed = |at: usize, byte: u8| {
            let mut packet = good.clone();
            packet[at] = byte;
            packet
        };
        assert_eq!(read(&good[..11]), Message::Noise);
        assert_eq!(read(&changed(2, 0x81)), Message::Noise, "an answer");
        assert_eq!(read(&changed(2, 0x28)), Message::Wrong(Code::NotKnown), "an update");
        assert_eq!(read(&changed(5, 2)), Message::Wrong(Code::Malformed), "two questions");
        assert_eq!(read(&changed(12, 0xc0)), Message::Wrong(Code::Malformed), "a compressed name");
        assert_eq!(read(&good[..good.len() - 1]), Message::Wrong(Code::Malformed));
        let long = query(&["a23456789"; 30].join("."), 1);
        assert_eq!(read(&long), Message::Wrong(Code::Malformed));
        assert_eq!(read_query(&query("", 2)).name, None, "the root");
        assert_eq!(read_query(&query("a b.c", 1)).name, None);
        assert_eq!(refusal(&good, Code::Malformed)[..4], [0xab, 0xcd, 0x85, 0x81]);
    }

    #[test]
    fn an_answer_is_believed_when_it_is_one_to_the_question() {
        let packet = query("a.example", 1);
        let asked = read_query(&packet);
        let answer = asked.answer(Code::NoSuchName, &[], 0, UDP);
        assert!(asked.is_answered_by(&answer, [0xab, 0xcd]));
        assert!(!asked.is_answered_by(&answer, [0xab, 0xce]));
        assert!(!asked.is_answered_by(&packet, [0xab, 0xcd]), "a query is no answer");
        let other = query("b.example", 1);
        let other = read_query(&other).answer(Code::Fine, &[], 0, UDP);
        assert!(!asked.is_answered_by(&other, [0xab, 0xcd]));
    }
}
