//! Announcement of a proxy to which the kernel redirects connections.

use ::proxy::discovery::Discovery;
use plan::Redirection;
use xds::proto::discovery::MetadataValue;

/// Parses `INBOUND,OUTBOUND`.
///
/// # Errors
/// Reason in words.
pub(super) fn parse(text: &str) -> Result<Redirection, String> {
    let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
    let ports = text.split_once(',').and_then(|(inbound, outbound)| Some((port(inbound)?, port(outbound)?)));
    match ports {
        Some((inbound, outbound)) if inbound != outbound => {
            Ok(Redirection { inbound, outbound, ..Redirection::default() })
        }
        Some(_) | None => Err("write two different ports, such as 15006,15001".to_owned()),
    }
}

/// Announces the redirection, as a proxy of the reference implementation does that has such settings of its own.
pub(super) fn announced(
    Redirection { inbound, outbound, ipv6: _ }: Redirection,
    link: Discovery,
) -> Discovery {
    let to = |port: u16| MetadataValue::from([("enabled", true.into()), ("port", port.into())]);
    let both = MetadataValue::from([("inbound", to(inbound)), ("outbound", to(outbound))]);
    let features: &[&str] =
        &["feature-transparent-proxy-in-dataplane-metadata", "feature-strict-inbound-ports"];
    link.telling("features", features).telling("transparentProxy", MetadataValue::from([("redirect", both)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_ports_that_differ() {
        let usual = parse("15006,15001").unwrap();
        assert_eq!(usual, Redirection::default());
        for wrong in ["15006", "15006,", "0,15001", "15001,15001", "x,1", "70000,1"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
