//! Protocols of destinations (spec 04 §3).

use model::reference::PROTOCOL_TAG;
use model::topology::Protocol;
use model::{Profile, Tags};

/// Returns the protocol that endpoints with these tags declare.
pub(super) fn of_tags(tags: &Tags, profile: Profile) -> Protocol {
    profile.protocol(tags.get(PROTOCOL_TAG).map_or(Protocol::Unknown, Protocol::from_text))
}

/// Returns the protocol common to all, from left to right; unknown if there is none.
pub(super) fn common(protocols: impl IntoIterator<Item = Protocol>) -> Protocol {
    protocols.into_iter().reduce(common_of_two).unwrap_or(Protocol::Unknown)
}

fn common_of_two(a: Protocol, b: Protocol) -> Protocol {
    if a == b {
        return a;
    }
    if a == Protocol::Unknown || b == Protocol::Unknown {
        return Protocol::Unknown;
    }
    stack(a).iter().copied().find(|layer| stack(b).contains(layer)).unwrap_or(Protocol::Unknown)
}

/// Returns the protocols that a protocol is built on, itself first.
fn stack(protocol: Protocol) -> &'static [Protocol] {
    match protocol {
        Protocol::Grpc => &[Protocol::Grpc, Protocol::Http2, Protocol::Tcp],
        Protocol::Http2 => &[Protocol::Http2, Protocol::Tcp],
        Protocol::Http => &[Protocol::Http, Protocol::Tcp],
        Protocol::Kafka => &[Protocol::Kafka, Protocol::Tcp],
        Protocol::Tls | Protocol::Tcp => &[Protocol::Tcp],
        Protocol::Mysql | Protocol::Unknown => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixed_endpoints_speak_what_they_share() {
        use Protocol::{Grpc, Http, Http2, Kafka, Mysql, Tcp, Tls, Unknown};
        assert_eq!(common([]), Unknown);
        assert_eq!(common([Http, Http]), Http);
        assert_eq!(common([Http, Tcp]), Tcp);
        assert_eq!(common([Grpc, Http2]), Http2);
        assert_eq!(common([Grpc, Http]), Tcp);
        assert_eq!(common([Kafka, Tls]), Tcp);
        assert_eq!(common([Http, Unknown, Http]), Unknown);
        assert_eq!(common([Mysql, Tcp]), Unknown);
        assert_eq!(common([Mysql, Mysql]), Mysql);
    }
}
