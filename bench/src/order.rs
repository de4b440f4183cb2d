//! Order of a client to a backend: the first eight bytes of a connection.

use std::num::NonZeroU32;

/// Length of an order in bytes.
pub(crate) const BYTES: usize = 8;

const MAGIC: [u8; 3] = *b"mtb";

/// Behaviour of a backend on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Sends back all data that follows.
    Echo,
    /// Sends without end, limited to this number of megabytes per second; `None`: no limit.
    Source(Option<NonZeroU32>),
    /// Discards all data that follows.
    Sink,
}

impl Order {
    pub(crate) fn bytes(self) -> [u8; BYTES] {
        let (letter, pace) = match self {
            Self::Echo => (b'e', 0),
            Self::Source(pace) => (b's', pace.map_or(0, NonZeroU32::get)),
            Self::Sink => (b'd', 0),
        };
        let [a, b, c, d] = pace.to_le_bytes();
        [MAGIC[0], MAGIC[1], MAGIC[2], letter, a, b, c, d]
    }

    /// Decodes an order; `None`: the peer is not a client of ours.
    pub(crate) fn read([m, t, b, letter, pace @ ..]: [u8; BYTES]) -> Option<Self> {
        if [m, t, b] != MAGIC {
            return None;
        }
        match letter {
            b'e' => Some(Self::Echo),
            b's' => Some(Self::Source(NonZeroU32::new(u32::from_le_bytes(pace)))),
            b'd' => Some(Self::Sink),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_understood() {
        for order in [Order::Echo, Order::Source(None), Order::Source(NonZeroU32::new(500)), Order::Sink] {
            assert_eq!(Order::read(order.bytes()), Some(order));
        }
        assert_eq!(Order::read(*b"GET / HT"), None);
    }
}
