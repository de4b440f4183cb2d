//! Matches of connections in rules of a MeshTCPRoute.

use std::cmp::Reverse;
use std::fmt;
use std::num::NonZeroU16;

use serde::{Serialize, Serializer};

use super::{Network, SpiffeIdMatch};

/// Conditions of a match on a connection: all of them must hold; without any it matches every connection.
///
/// Of two that match the same connection the greater one decides: the more exact server name, then a port before
/// none, then the smaller network, then the more exact identity. The fields are in that order.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionMatch {
    /// TLS server name of the connection; absent: any, or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<ServerNamePattern>,
    /// Port that was dialled; absent: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_port: Option<NonZeroU16>,
    /// Source addresses; absent: any.
    #[serde(rename = "sourceCIDR", skip_serializing_if = "Option::is_none")]
    pub source: Option<Network>,
    /// Identity of the client; absent: any, or none.
    #[serde(rename = "spiffeID", skip_serializing_if = "Option::is_none")]
    pub identity: Option<SpiffeIdMatch>,
}

/// Pattern of TLS server names: `db.example.com`, `*.example.com` for all names below it, or `*` for all names, and
/// none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerNamePattern(String);

impl ConnectionMatch {
    /// A match that matches every connection.
    pub const EVERYTHING: Self =
        Self { server_name: None, destination_port: None, source: None, identity: None };

    /// A match of the connections with such a server name.
    pub fn server_name(pattern: impl Into<String>) -> Self {
        Self { server_name: Some(ServerNamePattern::new(pattern)), ..Self::EVERYTHING }
    }

    /// Returns `true` if it has no conditions.
    pub fn is_everything(&self) -> bool {
        *self == Self::EVERYTHING
    }

    /// Returns the conditions that a connection itself shows: its server name and its source. The others hold for
    /// all connections of a listener, or for none.
    pub fn shown(&self) -> Self {
        Self { destination_port: None, identity: None, ..self.clone() }
    }

    /// Pattern of its server names; `*`: all.
    pub fn hostname(&self) -> &str {
        self.server_name.as_ref().map_or("*", ServerNamePattern::as_str)
    }

    /// Returns the match restricted to connections with the server names of a host; `None`: none are left.
    pub fn within(self, host: &str) -> Option<Self> {
        let host = ServerNamePattern::new(host);
        let server_name = match self.server_name {
            Some(name) if host.covers(&name) => name,
            Some(name) if !name.covers(&host) => return None,
            Some(_) | None => host,
        };
        Some(Self { server_name: Some(server_name), ..self })
    }

    /// Returns `true` if it matches every connection that another match does, as far as the connection itself
    /// shows: by the server name and the source.
    pub fn covers(&self, other: &Self) -> bool {
        let name = self
            .server_name
            .as_ref()
            .is_none_or(|own| other.server_name.as_ref().is_some_and(|name| own.covers(name)));
        let source = self.source.is_none_or(|own| other.source.is_some_and(|source| own.covers(&source)));
        name && source
    }
}

impl ServerNamePattern {
    /// Wraps any text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns `true` if it contains every name of another pattern.
    pub fn covers(&self, other: &Self) -> bool {
        match self.0.strip_prefix('*') {
            Some("") => true,
            Some(suffix) => {
                let other = other.0.strip_prefix('*').unwrap_or(&other.0);
                other == suffix && other.starts_with('.')
                    || other.len() > suffix.len() && other.ends_with(suffix)
            }
            None => self == other,
        }
    }

    /// Returns the sort key: an exact name is greater than a pattern, and one with more labels greater than one
    /// with fewer.
    fn exactness(&self) -> (bool, usize, Reverse<&str>) {
        let labels = if self.0 == "*" { 0 } else { self.0.split('.').count() };
        (!self.0.starts_with('*'), labels, Reverse(&self.0))
    }
}

impl Ord for ServerNamePattern {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.exactness().cmp(&other.exactness())
    }
}

impl PartialOrd for ServerNamePattern {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Serialize for ServerNamePattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl fmt::Display for ConnectionMatch {
    /// Writes `db.example.com, port 5432, from 10.0.0.0/8, as spiffe://default/web`; `everything`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server_name, destination_port, source, identity } = self;
        let said = [
            server_name.as_ref().map(|name| name.0.clone()),
            destination_port.map(|port| format!("port {port}")),
            source.map(|source| format!("from {source}")),
            identity.as_ref().map(|identity| format!("as {identity}")),
        ];
        let said: Vec<String> = said.into_iter().flatten().collect();
        f.write_str(if said.is_empty() { "everything".to_owned() } else { said.join(", ") }.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    fn any() -> impl Strategy<Value = ConnectionMatch> {
        let names = ["*", "*.com", "*.a.com", "a.com", "b.a.com", "c.b.a.com", "*.org"];
        let networks =
            ["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "11.0.0.0/8", "::/0", "fd00::/64"];
        let ids = [SpiffeIdMatch::Prefix("spiffe://a".into()), SpiffeIdMatch::Exact("spiffe://a/b".into())];
        (
            prop::option::of(select(names.to_vec())),
            prop::option::of(1..3u16),
            prop::option::of(select(networks.to_vec())),
            prop::option::of(select(ids.to_vec())),
        )
            .prop_map(|(name, port, network, identity)| ConnectionMatch {
                server_name: name.map(ServerNamePattern::new),
                destination_port: port.and_then(NonZeroU16::new),
                source: network.map(|network| network.parse().unwrap()),
                identity,
            })
    }

    proptest! {
        #[test]
        fn the_order_is_total(a in any(), b in any(), c in any()) {
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            prop_assert_eq!(a.cmp(&b).is_eq(), a == b);
            if a <= b && b <= c {
                prop_assert!(a <= c);
            }
        }

        #[test]
        fn what_takes_less_is_greater(a in any(), b in any()) {
            let same_rest = a.destination_port == b.destination_port && a.identity == b.identity;
            if same_rest && a.covers(&b) {
                prop_assert!(a <= b, "{} {}", a, b);
                prop_assert_eq!(a == b, b.covers(&a));
            }
            prop_assert!(ConnectionMatch::EVERYTHING <= a && ConnectionMatch::EVERYTHING.covers(&a));
        }
    }

    #[test]
    fn a_pattern_covers_what_is_below_it_at_any_depth() {
        let covers = |a: &str, b: &str| ServerNamePattern::new(a).covers(&ServerNamePattern::new(b));
        assert!(covers("*", "a.com") && covers("*.com", "a.com") && covers("*.com", "*.a.com"));
        assert!(covers("*.a.com", "*.a.com") && covers("a.com", "a.com"));
        assert!(!covers("*.a.com", "a.com") && !covers("*.a.com", "*.com") && !covers("*.a.com", "ba.com"));
        assert!(!covers("a.com", "*.a.com") && !covers("a.com", "*") && !covers("*.com", "*"));
    }
}
