//! Features that a proxy announces in its first request (spec 10 §A.5).

use plan::{ProxyFeatures, Redirection};
use xds::proto::discovery::{Metadata, MetadataValue, Node};

/// Member of the node metadata with the features of the proxy.
const FEATURES: &str = "features";
/// Member of the node metadata with the redirection of connections.
const TRANSPARENT: &str = "transparentProxy";
/// Key of the socket of its SPIRE agent; empty: the node knows of none.
const SPIRE_SOCKET: &str = "spireAgent.socketPath";

/// Parses the features that a node announces; unknown ones are left out.
pub(super) fn announced(node: &Node) -> ProxyFeatures {
    let list = node.told(FEATURES).and_then(|told| told.list.as_ref());
    let has = |name: &str| {
        list.is_some_and(|list| list.values.iter().any(|value| value.text.as_deref() == Some(name)))
    };
    ProxyFeatures {
        unified_naming: has("feature-unified-resource-naming"),
        bind_outbounds: has("feature-bind-outbounds"),
        transparent: node.told(TRANSPARENT).and_then(|told| redirection(told.object.as_ref()?)),
        workload_identity: false,
        strict_inbound_ports: has("feature-strict-inbound-ports"),
        spire_socket: node
            .told(SPIRE_SOCKET)
            .and_then(|told| told.text.as_deref())
            .filter(|path| !path.is_empty())
            .map(Into::into),
    }
}

/// Redirection of connections; `None`: outbound connections of its host are not redirected.
fn redirection(told: &Metadata) -> Option<Redirection> {
    let usual = Redirection::default();
    let of = |way: &str| told.member("redirect")?.object.as_ref()?.member(way)?.object.as_ref();
    let is_on =
        |way: &str| of(way).is_none_or(|of| of.member("enabled").is_none_or(|on| on.flag != Some(false)));
    let port = |way: &str, usual: u16| {
        let port = of(way).and_then(|of| of.member("port")).and_then(port);
        port.unwrap_or(usual)
    };
    let ipv4_only = told.member("ipFamilyMode").and_then(|mode| mode.text.as_deref());
    is_on("outbound").then(|| Redirection {
        inbound: if is_on("inbound") { port("inbound", usual.inbound) } else { 0 },
        outbound: port("outbound", usual.outbound),
        ipv6: !ipv4_only.is_some_and(|mode| mode.eq_ignore_ascii_case("ipv4")),
    })
}

/// Port, as a number or as text; `None`: it is no valid port.
fn port(MetadataValue { number, text, .. }: &MetadataValue) -> Option<u16> {
    let whole = number.filter(|number| number.fract() == 0.0 && (1.0..=65535.0).contains(number));
    // in bounds, and whole
    let of_text = || text.as_ref()?.parse().ok().filter(|port| *port != 0);
    whole.map(|number| number as u16).or_else(of_text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transparent(told: MetadataValue) -> Option<Redirection> {
        announced(&Node::default().telling(TRANSPARENT, told)).transparent
    }

    #[test]
    fn features_are_read_and_unknown_ones_left_alone() {
        let names: &[&str] =
            &["feature-strict-inbound-ports", "feature-of-tomorrow", "feature-bind-outbounds"];
        let found = announced(&Node::default().telling(FEATURES, names));
        let wanted =
            ProxyFeatures { strict_inbound_ports: true, bind_outbounds: true, ..ProxyFeatures::default() };
        assert_eq!(found, wanted);
        assert_eq!(announced(&Node::default().telling(FEATURES, names[0])), ProxyFeatures::default());
        let socket = |path: &str| announced(&Node::default().telling(SPIRE_SOCKET, path)).spire_socket;
        assert_eq!((socket("/run/agent.sock").as_deref(), socket("")), (Some("/run/agent.sock"), None));
    }

    #[test]
    fn ports_are_numbers_or_texts_and_what_is_none_is_as_usual() {
        let number = |number| MetadataValue { number: Some(number), ..MetadataValue::default() };
        let port = |port| MetadataValue::from([("port", port)]);
        let off = || MetadataValue::from([("enabled", false.into())]);
        let on = || MetadataValue::from([("enabled", true.into())]);
        let both = |inbound, outbound| {
            MetadataValue::from([("redirect", [("inbound", inbound), ("outbound", outbound)].into())])
        };
        let usual = Redirection::default();
        for (told, wanted) in [
            (MetadataValue::from([]), Some(usual)),
            ("yes".into(), None),
            ([("ipFamilyMode", "ipv4".into())].into(), Some(Redirection { ipv6: false, ..usual })),
            (
                both(port(25006.into()), port("25001".into())),
                Some(Redirection { inbound: 25006, outbound: 25001, ipv6: true }),
            ),
            (both(port(number(-1.0)), port(number(70000.0))), Some(usual)),
            (both(off(), on()), Some(Redirection { inbound: 0, ..usual })),
            (both(on(), off()), None),
        ] {
            assert_eq!(transparent(told.clone()), wanted, "{told:?}");
        }
    }
}
