//! Settings of connections, splits and destinations.

use std::time::Duration;

use model::declared::{DataPath, Declared, OnWeightChange, ProxyProtocol, Sticky};
use model::policy::{HealthCheck, LoadBalancer, Locality, OutlierDetection, Percent};
use serde::Serialize;

use super::sourced::settings;
use super::{AccessLog, Mirror, PolicyOrigin, Sourced, access_log, words};

settings! {
    /// Settings of the connections of a listener; each value with the policy that set it.
    ConnectionSettings {
        /// Idle timeout of a connection.
        idle_timeout: Option<Sourced<Duration>>, "idle timeout", words::duration;
        /// Limit on the endpoints tried for one connection.
        max_connect_attempts: Option<Sourced<u32>>, "connect attempts", ToString::to_string;
        /// Limit on live connections.
        max_connections: Option<Sourced<u32>>, "connections at once", ToString::to_string;
        /// Maximum age of a connection since it was accepted; zero: no limit.
        max_age: Option<Sourced<Duration>>, "age of a connection", words::unless_zero("at most", "any");
        /// `true`: connections begin with a PROXY protocol header.
        accept_proxy_protocol: Option<Sourced<bool>>, "PROXY protocol from clients", words::yes;
        /// Access logs of finished connections.
        #[serde(serialize_with = "access_log::serialize")]
        access_logs: Vec<Sourced<AccessLog>>, "access log", access_log::words;
        /// Mirror of the bytes that clients send.
        #[serde(skip_serializing_if = "Option::is_none")]
        mirror: Option<Sourced<Mirror>>, "mirror", words::mirror;
        /// Data path of connections, where the proxy may choose.
        #[serde(skip_serializing_if = "Option::is_none")]
        data_path: Option<Sourced<DataPath>>, "data path", words::data_path;
    }
}

settings! {
    /// Settings that the labels of a route declare about its split.
    SplitSettings {
        /// Rule by which a client keeps its backend.
        sticky: Option<Sourced<Sticky>>, "sticky", words::sticky;
        /// Effect of a change of weights on live connections.
        existing: Option<Sourced<OnWeightChange>>, "when weights change", words::existing;
        /// `true`: a connect that failed may be retried at another backend.
        retry_other_side: Option<Sourced<bool>>, "retry at another backend", words::yes;
        /// Grace period of the connections of a removed backend; zero: no limit.
        drain_grace: Option<Sourced<Duration>>, "connections of a removed backend",
            words::unless_zero("are closed after", "stay");
    }
}

settings! {
    /// Load balancing, health checks, limits and socket settings of a destination; each value with the policy that
    /// set it.
    ClusterSettings {
        /// Load balancing policy; absent: round-robin.
        load_balancer: Option<Sourced<LoadBalancer>>, "load balancer", words::load_balancer;
        /// Slow start: time in which the share of a new endpoint grows; zero: off.
        slow_start: Option<Sourced<Duration>>, "slow start", words::unless_zero("over", "none");
        /// Locality rules; the endpoints' priorities and weights already reflect them.
        locality: Option<Sourced<Locality>>, "locality", words::locality;
        /// Limit on live connections.
        max_connections: Option<Sourced<u32>>, "connections at once", ToString::to_string;
        /// Limit on connections that are being established.
        max_pending_connections: Option<Sourced<u32>>, "connects at once", ToString::to_string;
        /// Active health check of endpoints.
        health_check: Option<Sourced<HealthCheck>>, "health check", words::health_check;
        /// Outlier detection: conditions under which a failing endpoint is ejected.
        outlier_detection: Option<Sourced<OutlierDetection>>, "ejection", words::ejection;
        /// Share of healthy endpoints, in percent, below which health is ignored; absent: the data plane's 50 %.
        panic_threshold: Option<Sourced<Percent>>, "panic threshold", ToString::to_string;
        /// `true`: connections are refused below the panic threshold.
        #[serde(rename = "failTrafficOnPanic")]
        refuses_in_panic: Option<Sourced<bool>>, "refuses in panic", words::yes;
        /// PROXY protocol header that tells an endpoint the client's address.
        proxy_protocol: Option<Sourced<ProxyProtocol>>, "PROXY protocol",
            words::proxy_protocol;
        /// Idle time before the first TCP keepalive probe; zero: keepalive is off.
        keepalive: Option<Sourced<Duration>>, "TCP keepalive", words::unless_zero("after", "off");
        /// Interval between unanswered keepalive probes, where keepalive is on; zero: the kernel's default.
        keepalive_interval: Option<Sourced<Duration>>, "TCP keepalive interval", words::unless_zero("every", "the kernel's");
        /// Limit on the time that sent bytes stay unacknowledged (TCP user timeout); zero: the kernel's default.
        user_timeout: Option<Sourced<Duration>>, "TCP user timeout", words::unless_zero("after", "the kernel's");
    }
}

/// Declares settings of the sockets to endpoints: set by labels of routes, or else by those of the Mesh.
macro_rules! sockets {
    ($($field:ident: $label:literal, $read:ident;)+) => {
        impl ClusterSettings {
            /// Returns the settings of the sockets to endpoints, each with the label that sets it.
            pub fn sockets(&self) -> Vec<(&'static str, Option<Duration>)> {
                vec![$(($label, self.$field.as_ref().map(|said| said.value)),)+]
            }

            /// Returns the same settings for writing, with the parser of each label.
            pub(crate) fn sockets_mut(&mut self) -> Vec<(&'static str, ReadDuration, &mut Option<Sourced<Duration>>)> {
                let Self { $($field,)+ .. } = self;
                vec![$(($label, |declared: Declared<'_>| declared.$read(), $field),)+]
            }
        }
    };
}

/// Parser of a label with a duration.
pub(crate) type ReadDuration = for<'l> fn(Declared<'l>) -> Option<Duration>;

sockets! {
    keepalive: "meshtcp.io/tcp-keepalive", tcp_keepalive;
    keepalive_interval: "meshtcp.io/tcp-keepalive-interval", tcp_keepalive_interval;
    user_timeout: "meshtcp.io/tcp-user-timeout", tcp_user_timeout;
}

impl ClusterSettings {
    /// Returns `true` if an endpoint is chosen by the client's address.
    pub fn hashes_clients(&self) -> bool {
        self.load_balancer.as_ref().is_some_and(|balancer| match balancer.value {
            LoadBalancer::RingHash { .. } | LoadBalancer::Maglev { .. } => true,
            LoadBalancer::RoundRobin | LoadBalancer::LeastRequest { .. } | LoadBalancer::Random => false,
        })
    }

    /// Returns the slow start time, if the load balancer uses shares at all: those by hash and at random do not;
    /// absent: no slow start.
    pub fn growth(&self) -> Option<Duration> {
        let can = match self.load_balancer.as_ref().map(|said| said.value) {
            None | Some(LoadBalancer::RoundRobin | LoadBalancer::LeastRequest { .. }) => true,
            Some(LoadBalancer::Random | LoadBalancer::RingHash { .. } | LoadBalancer::Maglev { .. }) => false,
        };
        self.slow_start.as_ref().map(|said| said.value).filter(|growth| can && !growth.is_zero())
    }

    /// Returns the share of healthy endpoints below which traffic fails over from a priority to the next one;
    /// absent: the data plane's rule.
    pub fn failover_threshold(&self) -> Option<Percent> {
        match self.locality.as_ref()?.value {
            Locality::Rules { affinity: _, failover: _, threshold } => Some(threshold),
            Locality::Ignored | Locality::OwnZoneFirst => None,
        }
    }
}
