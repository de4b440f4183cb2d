//! Who calls: decided by where the connection comes from, or by a token.

use std::fmt;
use std::net::IpAddr;

use axum::http::{HeaderMap, header};

/// The user that calls from this host.
const ADMIN: &str = "mesh-system:admin";
const AUTHENTICATED: &str = "mesh-system:authenticated";
const UNAUTHENTICATED: &str = "mesh-system:unauthenticated";
const WRITER: &str = "mesh-system:writer";
const READER: &str = "mesh-system:reader";

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(super) name: String,
    pub(super) groups: Vec<String>,
    /// What a caller may do who has not said who they are.
    anonymous: Role,
}

/// What a caller may do. Greater may do more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Nothing but ask what this server is.
    #[default]
    Nobody,
    /// Read everything but secrets.
    Reader,
    /// Change everything but secrets.
    Writer,
    /// Everything: secrets and tokens too.
    Admin,
}

impl Caller {
    /// Whoever is on this host.
    pub(super) fn admin() -> Self {
        Self { name: ADMIN.into(), groups: vec![ADMIN.into(), AUTHENTICATED.into()], anonymous: Role::Nobody }
    }

    /// Whoever has not said who they are, and may do this much.
    pub(super) fn anonymous(role: Role) -> Self {
        Self { name: "mesh-system:anonymous".into(), groups: vec![UNAUTHENTICATED.into()], anonymous: role }
    }

    /// Whom a token names.
    pub(super) fn user(name: String, mut groups: Vec<String>) -> Self {
        groups.push(AUTHENTICATED.into());
        Self { name, groups, anonymous: Role::Nobody }
    }

    /// What they may do. Someone with a token that names no group of ours may read.
    pub(super) fn role(&self) -> Role {
        let is_in = |group: &str| self.groups.iter().any(|it| it == group);
        match () {
            () if is_in(ADMIN) => Role::Admin,
            () if is_in(WRITER) => Role::Writer,
            () if is_in(READER) || is_in(AUTHENTICATED) => Role::Reader,
            () => self.anonymous,
        }
    }
}

impl fmt::Display for Caller {
    /// `name/group,group`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.groups.join(","))
    }
}

/// Whether a request comes from a person or program on this host, rather than from a web page or through another
/// server that happens to be here. Then the caller is admin without a token.
pub(super) fn is_from_this_host(peer: IpAddr, headers: &HeaderMap) -> bool {
    let forwarded = ["forwarded", "x-forwarded-for", "x-real-ip"];
    if !peer.to_canonical().is_loopback() || forwarded.iter().any(|name| headers.contains_key(*name)) {
        return false;
    }
    let one = |name| -> Option<Option<&str>> {
        let mut values = headers.get_all(name).iter();
        let first = values.next()?;
        // of two the browser and we could believe different ones
        Some(first.to_str().ok().filter(|_| values.next().is_none()))
    };
    let Some(Some(host)) = one(header::HOST) else { return false };
    let Some(host) = Authority::read(host).filter(Authority::is_loopback) else { return false };
    match one(header::HeaderName::from_static("sec-fetch-site")) {
        None | Some(Some("same-origin" | "none")) => {}
        Some(_) => return false,
    }
    match one(header::ORIGIN) {
        None => true,
        Some(origin) => origin.and_then(origin_authority).is_some_and(|(origin, default_port)| {
            origin.is_loopback()
                && origin.name == host.name
                && origin.port.unwrap_or(default_port) == host.port.unwrap_or(default_port)
        }),
    }
}

/// A host and a port as `Host` has them.
#[derive(Debug, PartialEq, Eq)]
struct Authority {
    name: String,
    port: Option<u16>,
}

impl Authority {
    fn read(text: &str) -> Option<Self> {
        let (name, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (name, rest) = rest.split_once(']')?;
                match rest.strip_prefix(':') {
                    Some(port) => (name, Some(port)),
                    None if rest.is_empty() => (name, None),
                    None => return None,
                }
            }
            None => match text.split_once(':') {
                Some((name, port)) => (name, Some(port)),
                None => (text, None),
            },
        };
        let port = port.map(|port| port.parse::<u16>()).transpose().ok()?;
        let sane = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-');
        (!name.is_empty() && name.chars().all(sane)).then(|| Self { name: name.to_ascii_lowercase(), port })
    }

    fn is_loopback(&self) -> bool {
        self.name == "localhost"
            || self.name.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
    }
}

/// The host and port of an `Origin`, and the port that its scheme has by itself.
fn origin_authority(origin: &str) -> Option<(Authority, u16)> {
    let (rest, port) = match origin.split_once("://")? {
        ("http", rest) => (rest, 80),
        ("https", rest) => (rest, 443),
        _ => return None,
    };
    Some((Authority::read(rest)?, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(peer: &str, headers: &[(&'static str, &str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        is_from_this_host(peer.parse().unwrap(), &map)
    }

    #[test]
    fn who_is_on_this_host_is_admin() {
        for peer in ["127.0.0.1", "127.3.2.1", "::1", "::ffff:127.0.0.1"] {
            assert!(local(peer, &[("host", "localhost:5681")]), "{peer}");
        }
        assert!(local("127.0.0.1", &[("host", "127.0.0.1")]));
        assert!(local("127.0.0.1", &[("host", "[::1]:5681")]));
        assert!(local("127.0.0.1", &[("host", "LOCALHOST:5681"), ("origin", "http://localhost:5681")]));
        assert!(local("127.0.0.1", &[("host", "localhost"), ("origin", "http://localhost:80")]));
        assert!(local("127.0.0.1", &[("host", "localhost:5681"), ("sec-fetch-site", "none")]));
    }

    #[test]
    fn who_is_not_or_may_not_be_is_not() {
        assert!(!local("10.0.0.1", &[("host", "localhost")]));
        assert!(!local("127.0.0.1", &[]));
        for host in [
            "",
            "example.com",
            "localhost.example.com",
            "localhost:x",
            "localhost@evil",
            "[::1",
            "[::1]x",
            "10.0.0.1",
        ] {
            assert!(!local("127.0.0.1", &[("host", host)]), "{host}");
        }
        for header in ["forwarded", "x-forwarded-for", "x-real-ip"] {
            assert!(!local("127.0.0.1", &[("host", "localhost"), (header, "")]), "{header}");
        }
        for site in ["cross-site", "same-site", ""] {
            assert!(!local("127.0.0.1", &[("host", "localhost"), ("sec-fetch-site", site)]), "{site}");
        }
        let origins = [
            "null",
            "http://evil.example",
            "http://localhost:5682",
            "ftp://localhost:5681",
            "http://localhost:5681/x",
            "http://user@localhost:5681",
            "http://127.0.0.1:5681",
            "",
        ];
        for origin in origins {
            assert!(!local("127.0.0.1", &[("host", "localhost:5681"), ("origin", origin)]), "{origin}");
        }
        assert!(!local("127.0.0.1", &[("host", "localhost"), ("host", "evil.example")]));
        assert!(!local(
            "127.0.0.1",
            &[("host", "localhost"), ("origin", "http://localhost"), ("origin", "null")]
        ));
    }

    #[test]
    fn groups_give_roles() {
        let with = |group: &str| Caller::user("jo".into(), vec![group.into()]).role();
        assert_eq!(with("mesh-system:admin"), Role::Admin);
        assert_eq!(with("mesh-system:writer"), Role::Writer);
        assert_eq!(with("team-a"), Role::Reader);
        assert_eq!(Caller::anonymous(Role::Nobody).role(), Role::Nobody);
        assert_eq!(Caller::anonymous(Role::Writer).role(), Role::Writer);
        assert_eq!(Caller::admin().role(), Role::Admin);
    }
}
