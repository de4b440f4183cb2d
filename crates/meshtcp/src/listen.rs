//! Listen addresses and worker counts as written on the command line.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;

/// Parses a listen address: `IP:PORT`, or `localhost:PORT`, which is 127.0.0.1.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let port: Option<u16> = port.parse().ok();
    match (host, port) {
        ("localhost", Some(port)) => Ok((Ipv4Addr::LOCALHOST, port).into()),
        ("", Some(port)) => Err(format!(
            "on which address? write 127.0.0.1:{port} for this host only, or 0.0.0.0:{port} for all addresses"
        )),
        (host, Some(port)) if host.parse::<IpAddr>().is_ok() => Err(format!("write [{host}]:{port}")),
        (host, Some(port)) => Err(format!(
            "`{host}` is a name: write the IP address of this host to listen on, e.g. 127.0.0.1:{port}"
        )),
        (_, None) => Err("write IP:PORT, e.g. 127.0.0.1:9901".to_owned()),
    }
}

/// Parses the number of event loops that carry connections.
pub(crate) fn workers(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| "write a whole number from 1, or leave it out for one a processor".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them_and_refused_with_an_example() {
        for (text, meant) in [
            ("127.0.0.1:9901", "127.0.0.1:9901"),
            ("localhost:9901", "127.0.0.1:9901"),
            ("[::1]:1", "[::1]:1"),
        ] {
            assert_eq!(address(text), Ok(meant.parse().unwrap()));
        }
        for (text, example) in [
            (":9901", "127.0.0.1:9901"),
            ("9901", "0.0.0.0:9901"),
            ("cp-1:5678", "127.0.0.1:5678"),
            ("::1:5678", "[::1]:5678"),
            ("127.0.0.1", "127.0.0.1:9901"),
        ] {
            let why = address(text).unwrap_err();
            assert!(why.contains(example), "{text}: {why}");
        }
        assert!(workers("0").unwrap_err().contains("from 1"));
        assert_eq!(workers("2").map(NonZeroUsize::get), Ok(2));
    }
}
