//! How the connections of a listener are treated.

use std::time::Duration;

use model::declared::{DataPath, Declared, Existing, ProxyProtocol, Sticky};
use model::policy::{HealthCheck, LoadBalancer, Locality, OutlierDetection, Percent};
use serde::Serialize;

use super::sourced::settings;
use super::{AccessLog, Mirror, PolicyOrigin, Sourced, access_log, words};

settings! {
    /// How the connections of a listener are treated; each value with the policy that set it.
    ConnectionSettings {
        /// Closes a connection on which nothing moved for so long.
        idle_timeout: Option<Sourced<Duration>>, "idle timeout", words::duration;
        /// How many endpoints to try.
        max_connect_attempts: Option<Sourced<u32>>, "connect attempts", ToString::to_string;
        /// How many connections may live at once.
        max_connections: Option<Sourced<u32>>, "connections at once", ToString::to_string;
        /// Closes a connection this long after it was accepted; zero: never.
        max_age: Option<Sourced<Duration>>, "age of a connection", words::unless_zero("at most", "any");
        /// Whether connections begin with a PROXY protocol header.
        accept_proxy_protocol: Option<Sourced<bool>>, "PROXY protocol from clients", words::yes;
        /// Where lines about finished connections go.
        #[serde(serialize_with = "access_log::serialize")]
        access_logs: Vec<Sourced<AccessLog>>, "access log", access_log::words;
        /// Where a copy of what clients send goes.
        #[serde(skip_serializing_if = "Option::is_none")]
        mirror: Option<Sourced<Mirror>>, "mirror", words::mirror;
        /// Which way connections take, where the proxy may choose.
        #[serde(skip_serializing_if = "Option::is_none")]
        data_path: Option<Sourced<DataPath>>, "data path", words::data_path;
    }
}

settings! {
    /// What a route declares about its split, by labels.
    SplitSettings {
        /// Whether a client keeps its backend.
        sticky: Option<Sourced<Sticky>>, "sticky", words::sticky;
        /// What a change of the weights does to connections that live.
        existing: Option<Sourced<Existing>>, "when weights change", words::existing;
        /// Whether a connect that failed may be tried at another backend.
        retry_other_side: Option<Sourced<bool>>, "retry at another backend", words::yes;
        /// How long connections of a backend that was removed may go on; zero: as they like.
        drain_grace: Option<Sourced<Duration>>, "connections of a removed backend",
            words::unless_zero("are closed after", "stay");
    }
}

settings! {
    /// How the endpoints of a destination are chosen, watched, limited and dialled; each value with who set it.
    ClusterSettings {
        /// By which rule an endpoint is chosen; absent: in turn.
        load_balancer: Option<Sourced<LoadBalancer>>, "load balancer", words::load_balancer;
        /// How long the share of a new endpoint grows; zero: not at all.
        slow_start: Option<Sourced<Duration>>, "slow start", words::unless_zero("over", "none");
        /// Which endpoints are preferred for where they are; the endpoints' priorities and weights say so already.
        locality: Option<Sourced<Locality>>, "locality", words::locality;
        /// How many connections may live at once.
        max_connections: Option<Sourced<u32>>, "connections at once", ToString::to_string;
        /// How many connections may be on the way to being established at once.
        max_pending_connections: Option<Sourced<u32>>, "connects at once", ToString::to_string;
        /// How endpoints are checked.
        health_check: Option<Sourced<HealthCheck>>, "health check", words::health_check;
        /// When an endpoint that fails is left out.
        outlier_detection: Option<Sourced<OutlierDetection>>, "ejection", words::ejection;
        /// Below this share of healthy endpoints all of them count as healthy; absent: the data plane's 50 %.
        panic_threshold: Option<Sourced<Percent>>, "panic threshold", ToString::to_string;
        /// Whether connections are refused instead.
        #[serde(rename = "failTrafficOnPanic")]
        refuses_in_panic: Option<Sourced<bool>>, "refuses in panic", words::yes;
        /// The header that tells an endpoint who the client is.
        proxy_protocol: Option<Sourced<ProxyProtocol>>, "PROXY protocol",
            words::proxy_protocol;
        /// After so long without traffic the first TCP keepalive probe is sent; zero: never.
        keepalive: Option<Sourced<Duration>>, "TCP keepalive", words::unless_zero("after", "off");
        /// Where keepalive is on: the time between probes that nobody answers; zero: as the kernel has it.
        keepalive_interval: Option<Sourced<Duration>>, "TCP keepalive interval", words::unless_zero("every", "the kernel's");
        /// How long sent bytes may stay unacknowledged; zero: as the kernel has it.
        user_timeout: Option<Sourced<Duration>>, "TCP user timeout", words::unless_zero("after", "the kernel's");
    }
}

/// Declares settings of the sockets to endpoints: labels of routes say them, or else those of the Mesh.
macro_rules! sockets {
    ($($field:ident: $label:literal, $read:ident;)+) => {
        impl ClusterSettings {
            /// The settings of the sockets to endpoints, each with the label that says it.
            pub fn sockets(&self) -> Vec<(&'static str, Option<Duration>)> {
                vec![$(($label, self.$field.as_ref().map(|said| said.value)),)+]
            }

            /// The same, to be set, with how the label is read.
            pub(crate) fn sockets_mut(&mut self) -> Vec<(&'static str, ReadDuration, &mut Option<Sourced<Duration>>)> {
                let Self { $($field,)+ .. } = self;
                vec![$(($label, |declared: Declared<'_>| declared.$read(), $field),)+]
            }
        }
    };
}

/// How a label with a duration is read.
pub(crate) type ReadDuration = for<'l> fn(Declared<'l>) -> Option<Duration>;

sockets! {
    keepalive: "meshtcp.io/tcp-keepalive", tcp_keepalive;
    keepalive_interval: "meshtcp.io/tcp-keepalive-interval", tcp_keepalive_interval;
    user_timeout: "meshtcp.io/tcp-user-timeout", tcp_user_timeout;
}

impl ClusterSettings {
    /// Whether an endpoint is chosen by the client's address.
    pub fn hashes_clients(&self) -> bool {
        self.load_balancer.as_ref().is_some_and(|balancer| match balancer.value {
            LoadBalancer::RingHash { .. } | LoadBalancer::Maglev { .. } => true,
            LoadBalancer::RoundRobin | LoadBalancer::LeastRequest { .. } | LoadBalancer::Random => false,
        })
    }

    /// How long the share of a new endpoint grows, where the load balancer goes by shares at all: those by hash and at
    /// random do not; absent: not at all.
    pub fn growth(&self) -> Option<Duration> {
        let can = match self.load_balancer.as_ref().map(|said| said.value) {
            None | Some(LoadBalancer::RoundRobin | LoadBalancer::LeastRequest { .. }) => true,
            Some(LoadBalancer::Random | LoadBalancer::RingHash { .. } | LoadBalancer::Maglev { .. }) => false,
        };
        self.slow_start.as_ref().map(|said| said.value).filter(|growth| can && !growth.is_zero())
    }

    /// Below which share of healthy endpoints a priority is left for the next one; absent: the data plane's rule.
    pub fn failover_threshold(&self) -> Option<Percent> {
        match self.locality.as_ref()?.value {
            Locality::Rules { affinity: _, failover: _, threshold } => threshold,
            Locality::Ignored | Locality::OwnZoneFirst => None,
        }
    }
}
