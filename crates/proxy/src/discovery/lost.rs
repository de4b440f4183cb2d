//! Reasons why there is no link to a control plane.

use std::fmt;

use tonic::{Code, Status};

/// Reason why there is no link to a control plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Nothing answers, or the server is not a control plane of ours; in words.
    Away(String),
    /// It requires a dataplane token and got no valid one; in its words.
    Token(String),
    /// Another process is attached under the same name; in its words.
    StartedTwice(String),
    /// It rejects the proxy for another reason; in its words.
    TurnedAway(String),
}

impl Lost {
    /// Returns the reason for which a stream ended.
    pub(super) fn of(status: &Status) -> Self {
        let said = status.message().to_owned();
        match status.code() {
            Code::Unauthenticated => Lost::Token(said),
            Code::AlreadyExists | Code::Aborted => Lost::StartedTwice(said),
            Code::PermissionDenied | Code::InvalidArgument => Lost::TurnedAway(said),
            Code::Unimplemented => Lost::of_no_discovery(said),
            code => Lost::Away(format!("{code:?}: {said}")),
        }
    }

    /// Returns the reason for which a stream could not be opened.
    pub(super) fn of_opening(status: &Status) -> Self {
        match status.code() {
            // it is not a gRPC server
            Code::Unknown => Lost::of_no_discovery(status.message().to_owned()),
            _ => Lost::of(status),
        }
    }

    fn of_no_discovery(said: String) -> Self {
        Lost::Away(format!("what answers there is not where proxies attach: {said}"))
    }
}

impl From<String> for Lost {
    fn from(why: String) -> Self {
        Lost::Away(why)
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lost::Away(why) | Lost::Token(why) | Lost::StartedTwice(why) | Lost::TurnedAway(why) => {
                f.write_str(why)
            }
        }
    }
}
