//! Protection from foreign web pages: checks of `Host` and `Origin` for every HTTP server.
//!
//! A page of another site may send requests to this host, and under a name of its own that resolves to this host it may
//! read the answers, too. It cannot do so under an address, or under a name that leads elsewhere.

use std::collections::BTreeSet;
use std::net::IpAddr;

use axum::http::HeaderMap;
use axum::http::header::{HOST, HeaderName, ORIGIN};

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Headers that servers add which forward a request.
const PASSED_ON: [&str; 3] = ["forwarded", "x-forwarded-for", "x-real-ip"];

/// Names under which a server may be addressed, besides IP addresses and `localhost`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownAs(BTreeSet<String>);

/// Reason why a request is not meant for this server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MisdirectedRequest {
    /// Its `Host` is not a known name of this server.
    #[error(
        "`{0}` is no name of this server: ask it by an IP address or as localhost, or start it with --host-name {0}"
    )]
    Host(String),
    /// `Host` is invalid, or there are two.
    #[error("the header `Host` is not understood")]
    Nonsense,
    /// A page of another site sent it.
    #[error("a web page of another site may not ask: `Origin` is not what `Host` says")]
    Origin,
}

impl KnownAs {
    /// Creates a set of names, in any case.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().map(|name| name.trim_end_matches('.').to_ascii_lowercase()).collect())
    }

    /// Checks that a request was meant for this server. One without `Host` is from no browser.
    ///
    /// # Errors
    /// The reason why not.
    pub fn admits(&self, headers: &HeaderMap) -> Result<(), MisdirectedRequest> {
        let host = match one(headers, HOST) {
            SingleHeader::Nothing => None,
            SingleHeader::Once(text) => Some(Authority::read(text).ok_or(MisdirectedRequest::Nonsense)?),
            SingleHeader::Unclear => return Err(MisdirectedRequest::Nonsense),
        };
        if let Some(host) = &host
            && !host.is_address()
            && host.name != "localhost"
            && !self.0.contains(host.name.trim_end_matches('.'))
        {
            return Err(MisdirectedRequest::Host(host.name.clone()));
        }
        match is_of_the_same_site(headers, host.as_ref()) {
            true => Ok(()),
            false => Err(MisdirectedRequest::Origin),
        }
    }
}

/// Returns `true` if a request may come from a person or program on this host: over a loopback address, and neither
/// sent by a web page nor marked as forwarded. It proves nothing: a server that forwards connections need not say so.
pub(crate) fn looks_local(peer: IpAddr, headers: &HeaderMap) -> bool {
    if !peer.to_canonical().is_loopback() || is_passed_on(headers) {
        return false;
    }
    let SingleHeader::Once(host) = one(headers, HOST) else { return false };
    let Some(host) = Authority::read(host).filter(Authority::is_loopback) else { return false };
    match one(headers, FETCH_SITE) {
        SingleHeader::Nothing | SingleHeader::Once("same-origin" | "none") => {
            is_of_the_same_site(headers, Some(&host))
        }
        SingleHeader::Once(_) | SingleHeader::Unclear => false,
    }
}

/// Returns `true` if a server marked the request as forwarded.
pub(crate) fn is_passed_on(headers: &HeaderMap) -> bool {
    PASSED_ON.iter().any(|name| headers.contains_key(*name))
}

/// Returns `true` if the request was not sent by a page, or by one of this server.
fn is_of_the_same_site(headers: &HeaderMap, host: Option<&Authority>) -> bool {
    let origin = match one(headers, ORIGIN) {
        SingleHeader::Nothing => return true,
        SingleHeader::Once(text) => origin_authority(text),
        SingleHeader::Unclear => None,
    };
    let Some(((origin, default_port), host)) = origin.zip(host) else { return false };
    origin.name == host.name && origin.port.unwrap_or(default_port) == host.port.unwrap_or(default_port)
}

/// Value of a header that may occur at most once.
enum SingleHeader<'h> {
    Nothing,
    Once(&'h str),
    /// It occurs twice, or is no text: of two, the browser and this server could trust different ones.
    Unclear,
}

fn one(headers: &HeaderMap, name: HeaderName) -> SingleHeader<'_> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => SingleHeader::Nothing,
        (Some(value), None) => value.to_str().map_or(SingleHeader::Unclear, SingleHeader::Once),
        (Some(_), Some(_)) => SingleHeader::Unclear,
    }
}

/// Host and port as in `Host`.
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

    fn is_address(&self) -> bool {
        self.name.parse::<IpAddr>().is_ok()
    }

    fn is_loopback(&self) -> bool {
        self.name == "localhost"
            || self.name.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
    }
}

/// Parses the host and port of an `Origin`; returns them with the default port of its scheme.
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
        looks_local(peer.parse().unwrap(), &map)
    }

    #[test]
    fn who_may_be_on_this_host_looks_like_it() {
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

    fn admits(headers: &[(&'static str, &str)]) -> Result<(), MisdirectedRequest> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        KnownAs::new(["Cp-1.internal".to_owned()]).admits(&map)
    }

    #[test]
    fn a_server_answers_to_addresses_and_to_its_own_names() {
        for host in [
            "127.0.0.1",
            "10.1.2.3:9901",
            "[::1]:9901",
            "[2001:db8::1]",
            "localhost:1",
            "cp-1.INTERNAL:9",
            "cp-1.internal.",
        ] {
            assert_eq!(admits(&[("host", host)]), Ok(()), "{host}");
        }
        assert_eq!(admits(&[]), Ok(()));
        assert_eq!(admits(&[("host", "cp-1.internal"), ("origin", "http://cp-1.internal")]), Ok(()));
    }

    #[test]
    fn a_server_does_not_answer_to_the_names_of_others() {
        for host in
            ["evil.example", "localhost.evil.example:9901", "127.0.0.1.evil.example", "0x7f.1", "cp-1"]
        {
            let name = host.split(':').next().unwrap();
            assert_eq!(admits(&[("host", host)]), Err(MisdirectedRequest::Host(name.into())), "{host}");
        }
        for host in ["", "localhost:x", "evil@localhost", "[::1"] {
            assert_eq!(admits(&[("host", host)]), Err(MisdirectedRequest::Nonsense), "{host}");
        }
        assert_eq!(
            admits(&[("host", "localhost"), ("host", "evil.example")]),
            Err(MisdirectedRequest::Nonsense)
        );
        for origin in ["http://evil.example", "null", "http://localhost:1", "http://127.0.0.1:9901"] {
            let asked = admits(&[("host", "localhost:9901"), ("origin", origin)]);
            assert_eq!(asked, Err(MisdirectedRequest::Origin), "{origin}");
        }
        assert_eq!(admits(&[("origin", "http://localhost")]), Err(MisdirectedRequest::Origin));
    }
}
