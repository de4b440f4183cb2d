//! Connection settings declared by our own labels, where no resource of Kuma has a field for them.
//!
//! ```
//! use meshtcp_model::declared::{Declared, Sticky};
//! use meshtcp_model::Labels;
//!
//! let labels = Labels::from_iter([("meshtcp.io/sticky", "source-ip"), ("meshtcp.io/drain-grace", "5m")]);
//! assert_eq!(Declared::by(&labels).sticky(), Some(Sticky::SourceIp));
//! assert_eq!(Declared::by(&labels).drain_grace().map(|grace| grace.as_secs()), Some(300));
//! assert_eq!(Declared::by(&labels).existing(), None);
//! ```

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kind::Kind;
use crate::policy::parse_duration;
use crate::reference::Labels;

/// Prefix of all labels of ours.
pub const PREFIX: &str = "meshtcp.io/";

const ON_UNAVAILABLE: &str = "meshtcp.io/on-unavailable";
const STICKY: &str = "meshtcp.io/sticky";
const EXISTING: &str = "meshtcp.io/existing";
const RETRY_OTHER_SIDE: &str = "meshtcp.io/retry-other-side";
const DRAIN_GRACE: &str = "meshtcp.io/drain-grace";
const MAX_CONNECTION_AGE: &str = "meshtcp.io/max-connection-age";
const ACCEPT_PROXY_PROTOCOL: &str = "meshtcp.io/accept-proxy-protocol";
const PROXY_PROTOCOL: &str = "meshtcp.io/proxy-protocol";
const TCP_KEEPALIVE: &str = "meshtcp.io/tcp-keepalive";
const TCP_KEEPALIVE_INTERVAL: &str = "meshtcp.io/tcp-keepalive-interval";
const TCP_USER_TIMEOUT: &str = "meshtcp.io/tcp-user-timeout";
const SLOW_START: &str = "meshtcp.io/slow-start";
const DATA_PATH: &str = "meshtcp.io/data-path";
const DATA_PATH_OF_OUTBOUND: &str = "meshtcp.io/data-path.PORT";

/// Placeholder for a port in keys.
const PORT: &str = "PORT";

const ROUTES: &[Kind] = &[Kind::MeshTCPRoute, Kind::MeshHTTPRoute, Kind::TrafficRoute];
const ROUTES_AND_MESH: &[Kind] = &[Kind::MeshTCPRoute, Kind::MeshHTTPRoute, Kind::TrafficRoute, Kind::Mesh];

/// Declaration of one label: its values, and the kinds that it applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Declaration {
    /// Its key; where it ends in `PORT`, one for each port.
    pub label: &'static str,
    /// Values that it may have.
    pub values: Values,
    /// Kinds that it has an effect on.
    pub on: &'static [Kind],
}

/// Values of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Values {
    /// One of these words.
    Words(&'static [&'static str]),
    /// A duration: 0, which turns the setting off, or one in this range.
    Duration {
        /// Minimum.
        least: Duration,
        /// Maximum.
        most: Duration,
    },
}

const ANY_DURATION: Values =
    Values::Duration { least: Duration::from_millis(1), most: Duration::from_secs(8760 * 3600) };
// The kernel counts keepalive in seconds, up to 15 bits of them, and the user timeout in milliseconds, up to 31 bits.
const KEEPALIVE: Values =
    Values::Duration { least: Duration::from_secs(1), most: Duration::from_secs(32_767) };
const USER_TIMEOUT: Values =
    Values::Duration { least: Duration::from_millis(1), most: Duration::from_millis(i32::MAX as u64) };
const FLAG: Values = Values::Words(&["true", "false"]);

/// Declarations of all labels of ours.
pub const DECLARATIONS: &[Declaration] = &[
    Declaration { label: ON_UNAVAILABLE, values: Values::Words(&OnUnavailable::WORDS), on: ROUTES_AND_MESH },
    Declaration { label: STICKY, values: Values::Words(&Sticky::WORDS), on: ROUTES },
    Declaration { label: EXISTING, values: Values::Words(&OnWeightChange::WORDS), on: ROUTES },
    Declaration { label: RETRY_OTHER_SIDE, values: FLAG, on: ROUTES },
    Declaration { label: DRAIN_GRACE, values: ANY_DURATION, on: ROUTES },
    Declaration { label: MAX_CONNECTION_AGE, values: ANY_DURATION, on: ROUTES_AND_MESH },
    Declaration { label: ACCEPT_PROXY_PROTOCOL, values: FLAG, on: &[Kind::Dataplane] },
    Declaration {
        label: PROXY_PROTOCOL,
        values: Values::Words(&ProxyProtocol::WORDS),
        on: &[
            Kind::MeshService,
            Kind::MeshMultiZoneService,
            Kind::MeshExternalService,
            Kind::MeshTCPRoute,
            Kind::MeshHTTPRoute,
            Kind::TrafficRoute,
        ],
    },
    Declaration { label: TCP_KEEPALIVE, values: KEEPALIVE, on: ROUTES_AND_MESH },
    Declaration { label: TCP_KEEPALIVE_INTERVAL, values: KEEPALIVE, on: ROUTES_AND_MESH },
    Declaration { label: TCP_USER_TIMEOUT, values: USER_TIMEOUT, on: ROUTES_AND_MESH },
    Declaration { label: SLOW_START, values: ANY_DURATION, on: &[Kind::MeshLoadBalancingStrategy] },
    Declaration {
        label: DATA_PATH,
        values: Values::Words(&DataPath::WORDS),
        on: &[Kind::MeshTCPRoute, Kind::MeshHTTPRoute, Kind::TrafficRoute, Kind::Dataplane, Kind::Mesh],
    },
    Declaration {
        label: DATA_PATH_OF_OUTBOUND,
        values: Values::Words(&DataPath::WORDS),
        on: &[Kind::Dataplane],
    },
];

impl Declaration {
    /// Prefix of its keys, which a port follows; `None`: it has one key.
    pub fn before_port(&self) -> Option<&'static str> {
        self.label.strip_suffix(PORT)
    }

    fn has(&self, key: &str) -> bool {
        self.label == key && self.before_port().is_none() || self.port(key).is_some()
    }

    fn port(&self, key: &str) -> Option<u16> {
        let written = key.strip_prefix(self.before_port()?)?;
        // each port has one spelling
        written.parse().ok().filter(|port: &u16| *port > 0 && port.to_string() == written)
    }
}

/// Treatment of the share of a backend that cannot be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnUnavailable {
    /// As in the reference: a resource that does not resolve spills its share, a tag without endpoints refuses it.
    #[default]
    Reference,
    /// The share goes to the other backends.
    Spill,
    /// The share is refused.
    Refuse,
}

/// Rule by which a client keeps its backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sticky {
    /// Every connection is drawn anew.
    #[default]
    None,
    /// Connections from one IP address go to one backend.
    SourceIp,
}

/// Effect of a change of a split on open connections (label `meshtcp.io/existing`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "ConnectionEffect")]
pub enum OnWeightChange {
    /// Connections stay where they are.
    #[default]
    Keep,
    /// Connections above the new share of their backend are closed, idle ones first.
    DrainExcess,
    /// Connections that would go to another backend by their own draw are closed.
    Close,
}

/// PROXY protocol header that tells an endpoint the client's address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ProxyProtocol {
    /// No header.
    #[default]
    None,
    /// Version 1, one line of text.
    V1,
    /// Version 2, binary.
    V2,
}

/// Data path of connections to an outbound, where its proxy may choose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DataPath {
    /// Straight to the endpoint, decided in the kernel as the application connects, if possible; else through the
    /// proxy.
    #[default]
    Auto,
    /// Through the proxy.
    Relay,
    /// As `Auto`, but a proxy that cannot do it warns.
    Kernel,
}

crate::words! {
    /// Word in labels.
    OnUnavailable { Reference: "reference", Spill: "spill", Refuse: "refuse" }
    /// Word in labels.
    Sticky { None: "none", SourceIp: "source-ip" }
    /// Word in labels.
    OnWeightChange { Keep: "keep", DrainExcess: "drain-excess", Close: "close" }
    /// Word in labels.
    ProxyProtocol { None: "none", V1: "v1", V2: "v2" }
    /// Word in labels.
    DataPath { Auto: "auto", Relay: "relay", Kernel: "kernel" }
}

/// Settings that the labels of a resource declare. A missing label, or one whose value `draft` would refuse,
/// declares nothing.
#[derive(Clone, Copy, Debug)]
pub struct Declared<'l>(&'l Labels);

impl<'l> Declared<'l> {
    /// Reads the settings from these labels.
    pub fn by(labels: &'l Labels) -> Self {
        Self(labels)
    }

    /// `meshtcp.io/on-unavailable`, on a route or the Mesh.
    pub fn on_unavailable(self) -> Option<OnUnavailable> {
        self.word(ON_UNAVAILABLE, &OnUnavailable::ALL)
    }

    /// `meshtcp.io/sticky`, on a route.
    pub fn sticky(self) -> Option<Sticky> {
        self.word(STICKY, &Sticky::ALL)
    }

    /// `meshtcp.io/existing`, on a route.
    pub fn existing(self) -> Option<OnWeightChange> {
        self.word(EXISTING, &OnWeightChange::ALL)
    }

    /// `meshtcp.io/retry-other-side`, on a route; `true`: a connect that failed may be retried at another backend.
    pub fn retry_other_side(self) -> Option<bool> {
        self.word(RETRY_OTHER_SIDE, &[true, false])
    }

    /// `meshtcp.io/drain-grace`, on a route: grace period of the connections of a removed backend; zero: no limit.
    pub fn drain_grace(self) -> Option<Duration> {
        self.duration(DRAIN_GRACE)
    }

    /// `meshtcp.io/max-connection-age`, on a route or the Mesh; zero: no limit.
    pub fn max_connection_age(self) -> Option<Duration> {
        self.duration(MAX_CONNECTION_AGE)
    }

    /// `meshtcp.io/accept-proxy-protocol`, on a Dataplane; `true`: connections to its inbounds and gateway
    /// listeners begin with a PROXY protocol header.
    pub fn accept_proxy_protocol(self) -> Option<bool> {
        self.word(ACCEPT_PROXY_PROTOCOL, &[true, false])
    }

    /// `meshtcp.io/proxy-protocol`, on a destination or a route.
    pub fn proxy_protocol(self) -> Option<ProxyProtocol> {
        self.word(PROXY_PROTOCOL, &ProxyProtocol::ALL)
    }

    /// `meshtcp.io/tcp-keepalive`, on a route or the Mesh: idle time before the first TCP keepalive probe; zero:
    /// off.
    pub fn tcp_keepalive(self) -> Option<Duration> {
        self.duration(TCP_KEEPALIVE)
    }

    /// `meshtcp.io/tcp-keepalive-interval`, on a route or the Mesh: interval between unanswered probes; zero: the
    /// kernel's default.
    pub fn tcp_keepalive_interval(self) -> Option<Duration> {
        self.duration(TCP_KEEPALIVE_INTERVAL)
    }

    /// `meshtcp.io/tcp-user-timeout`, on a route or the Mesh; zero: the kernel's default.
    pub fn tcp_user_timeout(self) -> Option<Duration> {
        self.duration(TCP_USER_TIMEOUT)
    }

    /// `meshtcp.io/slow-start`, on a MeshLoadBalancingStrategy; zero: a new endpoint has its whole share at once.
    pub fn slow_start(self) -> Option<Duration> {
        self.duration(SLOW_START)
    }

    /// `meshtcp.io/data-path`, on a route, a Dataplane or the Mesh.
    pub fn data_path(self) -> Option<DataPath> {
        self.word(DATA_PATH, &DataPath::ALL)
    }

    /// `meshtcp.io/data-path.PORT`, on a Dataplane: for its outbounds with this port.
    pub fn data_path_at(self, port: u16) -> Option<DataPath> {
        self.word(&DATA_PATH_OF_OUTBOUND.replace(PORT, &port.to_string()), &DataPath::ALL)
    }

    /// Ports of outbounds for which [`Declared::data_path_at`] has a value.
    pub fn ports_with_data_path(self) -> impl Iterator<Item = u16> + use<'l> {
        let of_outbounds = |label: &&Declaration| label.label == DATA_PATH_OF_OUTBOUND;
        let of_outbounds = DECLARATIONS.iter().find(of_outbounds);
        self.0.iter().filter_map(move |(key, _)| of_outbounds?.port(key))
    }

    /// Returns the meaning of a word: the meanings are in the order of the words of the declaration.
    fn word<T: Copy>(self, label: &str, meanings: &[T]) -> Option<T> {
        let text = self.0.get(label)?;
        let declaration = declaration(label)?;
        let Values::Words(words) = declaration.values else { return None };
        let at = words.iter().position(|word| *word == text)?;
        meanings.get(at).copied()
    }

    fn duration(self, label: &str) -> Option<Duration> {
        let text = self.0.get(label)?;
        declaration(label)?.values.duration(text)
    }
}

/// Returns the declaration of a label, if it is one of ours.
pub fn declaration(key: &str) -> Option<&'static Declaration> {
    DECLARATIONS.iter().find(|declaration| declaration.has(key))
}

impl Values {
    /// Returns `true` if a text is one of the values.
    pub fn contain(&self, text: &str) -> bool {
        match self {
            Values::Words(words) => words.contains(&text),
            Values::Duration { .. } => self.duration(text).is_some(),
        }
    }

    fn duration(&self, text: &str) -> Option<Duration> {
        let Values::Duration { least, most } = self else { return None };
        parse_duration(text).filter(|duration| duration.is_zero() || (*least..=*most).contains(duration))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_has_a_meaning() {
        for Declaration { label, values, on } in DECLARATIONS {
            assert!(label.starts_with(PREFIX) && !on.is_empty());
            let Values::Words(words) = values else { continue };
            for word in *words {
                let key = label.replace(PORT, "80");
                let labels = Labels::from_iter([(key.as_str(), *word)]);
                let declared = Declared::by(&labels);
                let meanings = [
                    declared.on_unavailable().is_some(),
                    declared.sticky().is_some(),
                    declared.existing().is_some(),
                    declared.retry_other_side().is_some(),
                    declared.accept_proxy_protocol().is_some(),
                    declared.proxy_protocol().is_some(),
                    declared.data_path().is_some(),
                    declared.data_path_at(80).is_some(),
                ];
                assert_eq!(meanings.iter().filter(|has| **has).count(), 1, "{label}: {word}");
            }
        }
    }

    #[test]
    fn a_port_has_one_spelling() {
        let of = |key: &str| declaration(key).map(|declaration| declaration.label);
        assert_eq!(of("meshtcp.io/data-path"), Some(DATA_PATH));
        assert_eq!(of("meshtcp.io/data-path.13306"), Some(DATA_PATH_OF_OUTBOUND));
        for key in ["PORT", "0", "070", "+7", "65536", "redis", ""] {
            assert_eq!(of(&format!("meshtcp.io/data-path.{key}")), None, "{key}");
        }
        let labels =
            Labels::from_iter([("meshtcp.io/data-path.80", "relay"), ("meshtcp.io/data-path", "kernel")]);
        let declared = Declared::by(&labels);
        assert_eq!((declared.data_path_at(80), declared.data_path_at(81)), (Some(DataPath::Relay), None));
        assert_eq!(declared.ports_with_data_path().collect::<Vec<_>>(), [80]);
    }

    #[test]
    fn durations_keep_within_what_the_kernel_can_count() {
        let keepalive =
            |text: &str| Declared::by(&Labels::from_iter([(TCP_KEEPALIVE, text)])).tcp_keepalive();
        assert_eq!(keepalive("60s"), Some(Duration::from_secs(60)));
        assert_eq!(keepalive("0s"), Some(Duration::ZERO));
        assert_eq!((keepalive("10h"), keepalive("10ms"), keepalive("soon")), (None, None, None));
    }
}
