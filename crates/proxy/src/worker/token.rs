//! Token of an epoll event: its subject, in 64 bits.
//!
//! | bits 0–1 | | above them |
//! |---|---|---|
//! | 0, 1 | a connection's socket: the client's, the backend's | its slot |
//! | 2 | a mirror's socket | its place |
//! | 3 | no connection | bits 2–3: 0 mail, 1 streams, 2 a listening socket, with its index from bit 4 |

use l4::ending::Side;
use rustix::event::epoll::EventData;

/// Subject of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// Commands are in the mailbox.
    Mail,
    /// An event of the streams' epoll instance.
    Streams,
    /// Connections wait at the listening socket with this index.
    Listener(usize),
    /// An event of a socket of the connection in this slot.
    Connection(u32, Side),
    /// An event of the socket of the mirror in this place.
    Mirror(u32),
}

impl From<Token> for EventData {
    fn from(token: Token) -> Self {
        Self::new_u64(match token {
            Token::Connection(slot, side) => u64::from(slot) << 2 | side as u64,
            Token::Mirror(place) => u64::from(place) << 2 | 2,
            Token::Mail => 3,
            Token::Streams => 1 << 2 | 3,
            Token::Listener(index) => (index as u64) << 4 | 2 << 2 | 3,
        })
    }
}

impl From<EventData> for Token {
    fn from(data: EventData) -> Self {
        let bits = data.u64();
        match (bits & 3, bits >> 2 & 3) {
            (0, _) => Self::Connection((bits >> 2) as u32, Side::Client),
            (1, _) => Self::Connection((bits >> 2) as u32, Side::Backend),
            (2, _) => Self::Mirror((bits >> 2) as u32),
            (_, 0) => Self::Mail,
            (_, 1) => Self::Streams,
            (_, _) => Self::Listener((bits >> 4) as usize),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_into_a_token_is_read_from_it() {
        let tokens = [
            Token::Mail,
            Token::Streams,
            Token::Listener(0),
            Token::Listener(70_000),
            Token::Connection(0, Side::Client),
            Token::Connection(u32::MAX, Side::Backend),
            Token::Mirror(0),
            Token::Mirror(u32::MAX),
        ];
        for token in tokens {
            let data = EventData::from(token);
            assert_eq!(Token::from(data), token);
        }
    }
}
