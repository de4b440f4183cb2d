//! Messages between two processes: text, so that versions of the program stay compatible.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// Message of the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// Comes with listening sockets of this address.
    Listener(SocketAddr),
    /// Comes with another socket.
    Other(String),
    /// Last message of the old process.
    End,
    /// The new process accepts connections.
    Ready,
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listener(address) => write!(f, "listener {address}"),
            Self::Other(name) => write!(f, "other {name}"),
            Self::End => f.write_str("end"),
            Self::Ready => f.write_str("ready"),
        }
    }
}

/// Error: the text is not a message of ours.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unknown;

impl FromStr for Message {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        match text.split_once(' ') {
            Some(("listener", address)) => address.parse().map(Self::Listener).map_err(|_| Unknown),
            Some(("other", name)) => Ok(Self::Other(name.to_owned())),
            None if text == "end" => Ok(Self::End),
            None if text == "ready" => Ok(Self::Ready),
            Some(_) | None => Err(Unknown),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood() {
        let all = [
            Message::Listener("127.0.0.1:80".parse().unwrap()),
            Message::Listener("[::1]:80".parse().unwrap()),
            Message::Other("admin 127.0.0.1:9901".into()),
            Message::End,
            Message::Ready,
        ];
        for message in all {
            assert_eq!(message.to_string().parse(), Ok(message));
        }
        for unknown in ["", "listener", "listener x", "endless"] {
            assert_eq!(unknown.parse::<Message>(), Err(Unknown), "{unknown}");
        }
    }
}
