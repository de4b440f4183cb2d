//! Where a control plane is, as people write it.

use std::fmt;
use std::str::FromStr;

/// The host and port of a control plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ControlPlane {
    /// An IP address, without brackets, or a host name.
    pub(crate) host: String,
    /// The port.
    pub(crate) port: u16,
}

impl FromStr for ControlPlane {
    type Err = String;

    /// Reads `HOST:PORT`, `[IPV6]:PORT`, and either behind `http://`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is no address of a control plane: write HOST:PORT, e.g. 127.0.0.1:5678");
        if text.starts_with("https://") {
            return Err("the control plane does not speak TLS yet: write HOST:PORT".to_owned());
        }
        let rest = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
        let (host, port) = rest.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?;
        let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let is_host = match bracketed {
            Some(inside) => inside.parse::<std::net::Ipv6Addr>().is_ok(),
            // without brackets nobody can tell where an IPv6 address ends and the port begins
            None => !host.is_empty() && !host.contains([':', '/', '[', ']', ' ', '@']),
        };
        is_host.then(|| Self { host: bracketed.unwrap_or(host).to_owned(), port }).ok_or_else(wrong)
    }
}

impl fmt::Display for ControlPlane {
    /// `http://127.0.0.1:5678`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') {
            write!(f, "http://[{host}]:{port}")
        } else {
            write!(f, "http://{host}:{port}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (text, url) in [
            ("127.0.0.1:5678", "http://127.0.0.1:5678"),
            ("http://cp.internal:5678/", "http://cp.internal:5678"),
            ("[::1]:5678", "http://[::1]:5678"),
        ] {
            assert_eq!(text.parse::<ControlPlane>().map(|it| it.to_string()), Ok(url.to_owned()));
        }
        for text in ["", ":5678", "cp", "cp:0", "cp:x", "::1:5678", "https://cp:5678", "[::1:5678", "a b:1"] {
            assert!(text.parse::<ControlPlane>().is_err(), "{text}");
        }
    }
}
