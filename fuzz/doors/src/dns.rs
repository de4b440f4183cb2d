//! Packet at the DNS server of a proxy.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use l4::dns::{Code, Message, UDP, addresses, ask_for, read, refusal};

/// Reads bytes as a query and answers it, and as an answer of the host's resolver, from which addresses are read. An
/// answer is never taken for a query, repeats the id, and does not exceed its size limit; a name that was read is valid
/// and in lower case.
pub fn dns(bytes: &[u8]) {
    if let Some((found, _)) = addresses(bytes) {
        // each address takes a record of its own
        assert!(
            !found.is_empty() && found.len() * 15 < bytes.len(),
            "{} in {} bytes",
            found.len(),
            bytes.len()
        );
    }
    let many: Vec<IpAddr> = (0..=255u8)
        .flat_map(|last| {
            [Ipv4Addr::new(241, 0, 0, last).into(), Ipv6Addr::new(0xfd, 0, 0, 0, 0, 0, 0, last.into()).into()]
        })
        .collect();
    let answers = match read(bytes) {
        Message::Noise => return,
        Message::Wrong(code) => vec![(refusal(bytes, code), UDP)],
        Message::Query(query) => {
            if let Some(name) = &query.name {
                let asked = ask_for(name, query.sort, [7, 7]);
                let again = asked.as_deref().map(read);
                assert!(
                    again.is_none_or(
                        |again| matches!(again, Message::Query(again) if again.name == query.name)
                    )
                );
                assert!(name.len() < 255 && !name.bytes().any(|byte| byte.is_ascii_uppercase()), "{name:?}");
            }
            let of = |code, most| (query.answer(code, &many, 30, most), most);
            let answers = vec![of(Code::Fine, UDP), of(Code::NoSuchName, usize::from(u16::MAX))];
            let id = [bytes[0], bytes[1]];
            assert!(answers.iter().all(|(answer, _)| query.is_answered_by(answer, id)));
            assert!(!query.is_answered_by(bytes, id), "a query is no answer");
            answers
        }
    };
    for (answer, most) in answers {
        assert_eq!(answer[..2], bytes[..2]);
        assert!(answer.len() <= most, "{} bytes of {most}", answer.len());
        assert_eq!(read(&answer), Message::Noise, "an answer would be answered");
    }
}
