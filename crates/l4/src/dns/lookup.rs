//! Resolver side of DNS: queries for the addresses of a name, and the lifetime of their answers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{HEADER, INTERNET, RecordType};

/// Builds a query for addresses of one type, with recursion desired; `None`: not a host name, or not a type of
/// addresses.
pub fn ask_for(name: &str, sort: RecordType, id: [u8; 2]) -> Option<Vec<u8>> {
    let sort: u16 = match sort {
        RecordType::A => 1,
        RecordType::Aaaa => 28,
        RecordType::Any | RecordType::Other => return None,
    };
    let mut packet = vec![id[0], id[1], 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.strip_suffix('.').unwrap_or(name).split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..64).contains(length))?;
        packet.push(length);
        packet.extend_from_slice(label.as_bytes());
    }
    packet.push(0);
    packet.extend_from_slice(&sort.to_be_bytes());
    packet.extend_from_slice(&INTERNET.to_be_bytes());
    (packet.len() - HEADER <= 255 + 4).then_some(packet)
}

/// Addresses in an answer, and their lifetime in seconds: the least TTL of them and the aliases on the way to them.
/// `None`: there is none, the answer is truncated, or it cannot be parsed.
pub fn addresses(answer: &[u8]) -> Option<(Vec<IpAddr>, u32)> {
    let header = answer.get(..HEADER)?;
    let is_whole = header[2] & 0x82 == 0x80 && header[3] & 0x0f == 0;
    if !is_whole {
        return None;
    }
    let count = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let mut at = HEADER;
    for _ in 0..count(4) {
        at = behind_name(answer, at)? + 4;
    }
    let (mut found, mut least) = (Vec::new(), u32::MAX);
    for _ in 0..count(6) {
        at = behind_name(answer, at)?;
        let fixed: [u8; 10] = answer.get(at..at + 10)?.try_into().ok()?;
        let [s, t, c, d, first, second, third, last, long, short] = fixed;
        let data = answer.get(at + 10..at + 10 + usize::from(u16::from_be_bytes([long, short])))?;
        at += 10 + data.len();
        if u16::from_be_bytes([c, d]) != INTERNET {
            continue;
        }
        match (u16::from_be_bytes([s, t]), data.len()) {
            (1, 4) => found.push(Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?).into()),
            (28, 16) => found.push(Ipv6Addr::from(<[u8; 16]>::try_from(data).ok()?).into()),
            // alias of the same name
            (5, _) => {}
            _ => continue,
        }
        // a TTL with the highest bit set counts as 0 (RFC 2181 §8)
        let lasts = u32::from_be_bytes([first, second, third, last]);
        least = least.min(if lasts > i32::MAX.unsigned_abs() { 0 } else { lasts });
    }
    (!found.is_empty()).then_some((found, least))
}

/// Offset of the end of a name; a compression pointer ends it and is not followed.
fn behind_name(packet: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *packet.get(at)? {
            0 => return Some(at + 1),
            length if length < 64 => at += 1 + usize::from(length),
            pointer if pointer >= 0xc0 => return Some(at + 2),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Code, Message, UDP, read};
    use super::*;

    fn answered(name: &str, sort: RecordType, ttl: u32, all: &[&str]) -> Vec<u8> {
        let asked = ask_for(name, sort, [7, 9]).unwrap();
        let Message::Query(query) = read(&asked) else { panic!("it asks") };
        assert_eq!((query.name.as_deref(), query.sort, query.id()), (Some(name), sort, [7, 9]));
        let all: Vec<IpAddr> = all.iter().map(|address| address.parse().unwrap()).collect();
        let answer = query.answer(Code::Fine, &all, ttl, UDP);
        assert!(query.is_answered_by(&answer, [7, 9]));
        answer
    }

    #[test]
    fn what_a_server_answers_is_read() {
        let answer = answered("db.example.com", RecordType::A, 30, &["10.0.0.1", "10.0.0.2", "fd00::1"]);
        let four = ["10.0.0.1", "10.0.0.2"].map(|address| address.parse().unwrap()).to_vec();
        assert_eq!(addresses(&answer), Some((four, 30)));
        let answer = answered("db.example.com", RecordType::Aaaa, 1 << 31, &["10.0.0.1", "fd00::1"]);
        assert_eq!(addresses(&answer), Some((vec!["fd00::1".parse().unwrap()], 0)));
        assert_eq!(addresses(&answered("db.example.com", RecordType::A, 30, &[])), None);
    }

    #[test]
    fn a_name_on_the_way_may_change_sooner_than_the_address() {
        let mut answer = answered("db.example.com", RecordType::A, 300, &["10.0.0.1"]);
        let address = answer.split_off(answer.len() - 16);
        // db.example.com is also called `x` here, for 2 s
        answer.extend_from_slice(&[0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 2, 0, 3, 1, b'x', 0]);
        answer.extend_from_slice(&address);
        answer[7] = 2;
        assert_eq!(addresses(&answer), Some((vec!["10.0.0.1".parse().unwrap()], 2)));
    }

    #[test]
    fn what_is_no_whole_answer_says_nothing() {
        let good = answered("db.example.com", RecordType::A, 30, &["10.0.0.1"]);
        for (at, byte) in [(2, 0x05), (2, 0x87), (3, 0x83), (7, 2), (12, 0x80)] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert_eq!(addresses(&bad), None, "byte {at} is {byte:#x}");
        }
        assert!((0..good.len()).all(|length| addresses(&good[..length]).is_none()));
        for wrong in ["", "a..b", &"a".repeat(64), &["a23456789"; 30].join(".")] {
            assert_eq!(ask_for(wrong, RecordType::A, [0, 0]), None, "{wrong}");
        }
    }
}
