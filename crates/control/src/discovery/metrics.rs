//! Counters of the discovery server.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family as Labelled;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;
use xds::{Family, NameBudget, TypeUrl};

/// Counters of the discovery server. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct DiscoveryMetrics {
    pub(super) streams: Labelled<StreamLabels, Gauge>,
    pub(super) responses: Labelled<TypeLabels, Counter>,
    pub(super) response_bytes: Labelled<TypeLabels, Counter>,
    pub(super) acks: Labelled<TypeLabels, Counter>,
    pub(super) nacks: Labelled<TypeLabels, Counter>,
    turned_away: Labelled<ReasonLabels, Counter>,
    reports: Labelled<OutcomeLabels, Counter>,
    /// Budget of all streams for names that nothing is published under.
    pub(super) names: NameBudget,
}

/// Bytes of a budget that are taken, for a registry.
#[derive(Debug)]
struct NamesTaken(NameBudget);

impl Collector for NamesTaken {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let taken = ConstGauge::new(i64::try_from(self.0.taken()).unwrap_or(i64::MAX));
        let help = "Bytes of names that streams ask for and that nothing is published under";
        taken.encode(encoder.encode_descriptor("unpublished_names_bytes", help, None, taken.metric_type())?)
    }
}

/// Reason why a client may not attach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Reason {
    /// It brought no token, or an invalid one.
    Token,
    /// Its token is for another proxy.
    OtherProxy,
    /// It does not identify itself validly.
    NoNode,
    /// Another process is attached under its name.
    StartedTwice,
    /// All streams together ask for too many names that nothing is published under.
    Names,
    /// It does not follow the protocol.
    Protocol,
}

impl Reason {
    const ALL: [Reason; 6] = [
        Reason::Token,
        Reason::OtherProxy,
        Reason::NoNode,
        Reason::StartedTwice,
        Reason::Names,
        Reason::Protocol,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Reason::Token => "token",
            Reason::OtherProxy => "other-proxy",
            Reason::NoNode => "no-node",
            Reason::StartedTwice => "started-twice",
            Reason::Names => "names",
            Reason::Protocol => "protocol",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

impl OutcomeLabels {
    const fn of(taken: bool) -> Self {
        Self { outcome: if taken { "taken" } else { "refused" } }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct StreamLabels {
    pub(super) protocol: &'static str,
    pub(super) dialect: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct TypeLabels {
    /// Last word of the type URL; `other` for unknown types, of which clients may make up many.
    r#type: String,
    dialect: &'static str,
}

impl TypeLabels {
    pub(super) fn of(type_url: &TypeUrl) -> Self {
        match Family::of(type_url) {
            Some(family) => Self {
                r#type: type_url.as_str().rsplit('.').next().unwrap_or_default().to_owned(),
                dialect: family.as_str(),
            },
            None => Self { r#type: "other".to_owned(), dialect: "other" },
        }
    }
}

impl DiscoveryMetrics {
    /// Adds the counters to a registry, under `discovery_…`.
    pub fn register(&self, registry: &mut Registry) {
        // initialised to 0: a missing counter has no rate
        for labels in Family::types().map(|type_url| TypeLabels::of(&type_url)) {
            for counter in [&self.responses, &self.response_bytes, &self.acks, &self.nacks] {
                let _ = counter.get_or_create(&labels);
            }
        }
        let registry = registry.sub_registry_with_prefix("discovery");
        registry.register_collector(Box::new(NamesTaken(self.names.clone())));
        registry.register("streams", "Open discovery streams", self.streams.clone());
        registry.register("responses", "Responses sent", self.responses.clone());
        registry.register(
            "response_bytes",
            "Bytes of responses sent, before HTTP/2",
            self.response_bytes.clone(),
        );
        registry.register("acks", "Responses that proxies accepted", self.acks.clone());
        registry.register("nacks", "Responses that proxies refused", self.nacks.clone());
        registry.register("turned_away", "Attempts to attach that were refused", self.turned_away.clone());
        registry.register("reports", "Reports of proxies about their connections", self.reports.clone());
        for taken in [true, false] {
            drop(self.reports.get_or_create(&OutcomeLabels::of(taken)));
        }
        for reason in Reason::ALL {
            drop(self.turned_away.get_or_create(&ReasonLabels { reason: reason.as_str() }));
        }
    }

    pub(super) fn turned_away(&self, reason: Reason) {
        self.turned_away.get_or_create(&ReasonLabels { reason: reason.as_str() }).inc();
    }

    pub(super) fn reported(&self, taken: bool) {
        self.reports.get_or_create(&OutcomeLabels::of(taken)).inc();
    }

    /// Limits the names that all streams together ask for, and that nothing is published under, to so many bytes; 256 MiB
    /// otherwise.
    #[must_use]
    pub fn with_names(self, bytes: usize) -> Self {
        Self { names: NameBudget::of(bytes), ..self }
    }

    /// Returns the size of all responses of one type so far, in bytes.
    pub fn bytes_of(&self, type_url: &TypeUrl) -> u64 {
        self.response_bytes.get_or_create(&TypeLabels::of(type_url)).get()
    }
}
