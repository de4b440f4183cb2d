//! Why there is no link to a control plane.

use std::fmt;

use tonic::{Code, Status};

/// Why there is no link to a control plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Nobody answers, or what answers is no control plane of ours; in words.
    Away(String),
    /// It wants a dataplane token and was brought none that is good; in its words.
    Token(String),
    /// Another process is attached under the same name; in its words.
    StartedTwice(String),
    /// It does not let the proxy in for another reason; in its words.
    TurnedAway(String),
}

impl Lost {
    /// What a stream ended with.
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

    /// What was said instead of opening a stream.
    pub(super) fn of_opening(status: &Status) -> Self {
        match status.code() {
            // it speaks no gRPC
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
