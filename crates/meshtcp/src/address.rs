//! Address of a control plane as written on the command line.

use std::fmt;
use std::str::FromStr;

use crate::trust::is_loopback;

/// Host and port of a control plane, and its scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ControlPlane {
    /// IP address, without brackets, or host name.
    pub(crate) host: String,
    /// TCP port.
    pub(crate) port: u16,
    /// `true`: written with `https://`, so TLS is used.
    pub(crate) tls: bool,
}

impl FromStr for ControlPlane {
    type Err = String;

    /// Parses `HOST:PORT`, `[IPV6]:PORT`, and either behind `http://` or `https://`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is no address of a control plane: write HOST:PORT, e.g. 127.0.0.1:5678");
        let (tls, rest) = match text.strip_prefix("https://") {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix("http://").unwrap_or(text)),
        };
        let rest = rest.trim_end_matches('/');
        let (host, port) = rest.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?;
        let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let is_host = match bracketed {
            Some(inside) => inside.parse::<std::net::Ipv6Addr>().is_ok(),
            // without brackets it is unclear where an IPv6 address ends and the port begins
            None => !host.is_empty() && !host.contains([':', '/', '[', ']', ' ', '@']),
        };
        is_host.then(|| Self { host: bracketed.unwrap_or(host).to_owned(), port, tls }).ok_or_else(wrong)
    }
}

impl fmt::Display for ControlPlane {
    /// Formats the address as a URL: `http://127.0.0.1:5678`, `https://cp.internal:5678`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, tls } = self;
        let scheme = if *tls { "https" } else { "http" };
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{port}")
        } else {
            write!(f, "{scheme}://{host}:{port}")
        }
    }
}

impl ControlPlane {
    /// Checks that a token sent to this address cannot be read by others on the way, who could then use it.
    ///
    /// # Errors
    /// Reason in words, with what to do.
    pub(crate) fn keeps_tokens_secret(&self) -> Result<(), String> {
        if self.tls || is_loopback(&self.host) {
            return Ok(());
        }
        Err(format!(
            "{self} is no https:// address: a token would travel in plain sight\n  help: let the control plane speak TLS \
             (--xds-tls-cert), and write https://{}:{}; or use a tunnel to 127.0.0.1",
            self.host, self.port
        ))
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
            ("https://cp.internal:5678/", "https://cp.internal:5678"),
            ("https://[::1]:5678", "https://[::1]:5678"),
        ] {
            assert_eq!(text.parse::<ControlPlane>().map(|it| it.to_string()), Ok(url.to_owned()));
        }
        for text in [
            "",
            ":5678",
            "cp",
            "cp:0",
            "cp:x",
            "::1:5678",
            "https://cp",
            "ftp://cp:5678",
            "[::1:5678",
            "a b:1",
        ] {
            assert!(text.parse::<ControlPlane>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_token_is_for_this_host_or_for_tls() {
        let may = |text: &str| text.parse::<ControlPlane>().unwrap().keeps_tokens_secret();
        for good in ["127.0.0.1:5678", "localhost:5678", "[::1]:5678", "https://10.0.0.1:5678"] {
            assert_eq!(may(good), Ok(()), "{good}");
        }
        assert!(may("10.0.0.1:5678").unwrap_err().contains("https://10.0.0.1:5678"));
    }
}
