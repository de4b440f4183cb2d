//! MeshHealthCheck, as far as a TCP connection feels it.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::Percent;
use super::duration::written;
use super::merge::said;

/// How endpoints are checked: with connections that the proxy opens itself.
///
/// As JSON without what a data plane may not have.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheck {
    /// The time between two checks of one endpoint; default 1 min.
    #[serde(with = "written")]
    pub interval: Duration,
    /// How long one check may take; default 15 s.
    #[serde(with = "written")]
    pub timeout: Duration,
    /// Unhealthy after so many failed checks in a row; default 5.
    pub unhealthy_threshold: u32,
    /// Healthy again after so many good checks in a row; default 1.
    pub healthy_threshold: u32,
    /// The first check happens at a random time within this.
    #[serde(serialize_with = "written::optional")]
    pub initial_jitter: Option<Duration>,
    /// A random time of up to this is added to each interval.
    #[serde(serialize_with = "written::optional")]
    pub interval_jitter: Option<Duration>,
    /// A random time of up to this share of the interval, in percent, is added to each interval.
    pub interval_jitter_percent: Option<u32>,
    /// The interval as long as a destination had no connection, where a data plane has such a thing.
    #[serde(skip)]
    pub no_traffic_interval: Option<Duration>,
    /// Whether one connection serves several checks, where a data plane has such a thing.
    #[serde(skip)]
    pub reuse_connection: Option<bool>,
    /// What is sent once connected; empty: connecting is the check.
    #[serde(serialize_with = "escaped")]
    pub send: Vec<u8>,
    /// What must come back, in this order.
    #[serde(serialize_with = "all_escaped")]
    pub receive: Vec<Vec<u8>>,
}

fn escaped<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    bytes.escape_ascii().to_string().serialize(serializer)
}

fn all_escaped<S: Serializer>(texts: &[Vec<u8>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(texts.iter().map(|bytes| bytes.escape_ascii().to_string()))
}

said! {
    /// What a MeshHealthCheck says.
    HealthCheckConf {
        /// The time between two checks of one endpoint; never zero.
        interval: Duration,
        /// How long one check may take; never zero.
        timeout: Duration,
        /// Unhealthy after so many failed checks in a row; never zero.
        unhealthy_threshold: u32,
        /// Healthy again after so many good checks in a row; never zero.
        healthy_threshold: u32,
        /// The first check happens at a random time within this.
        initial_jitter: Duration,
        /// A random time of up to this is added to each interval.
        interval_jitter: Duration,
        /// A random time of up to this share of the interval, in percent, is added to each interval.
        interval_jitter_percent: u32,
        /// The interval as long as a destination had no connection.
        no_traffic_interval: Duration,
        /// Whether one connection serves several checks.
        reuse_connection: bool,
        /// Below which share of healthy endpoints all of them count as healthy.
        panic_threshold: Percent,
        /// Whether connections are refused below the panic threshold.
        fail_on_panic: bool,
        /// The check over TCP.
        tcp: TcpCheckConf,
    }
}

said! {
    /// What is checked over TCP.
    TcpCheckConf {
        /// Whether it is not.
        disabled: bool,
        /// What is sent once connected.
        send: Vec<u8>,
        /// What must come back, in this order.
        receive: Vec<Vec<u8>>,
    }
}

impl HealthCheckConf {
    /// How endpoints are checked over TCP: absent without the section `tcp`, and where that is disabled. Checks over HTTP
    /// and gRPC are for destinations that speak it.
    pub fn check(&self) -> Option<HealthCheck> {
        let TcpCheckConf { disabled: _, send, receive } =
            self.tcp.as_ref().filter(|tcp| tcp.disabled != Some(true))?;
        Some(HealthCheck {
            interval: self.interval.unwrap_or(Duration::from_secs(60)),
            timeout: self.timeout.unwrap_or(Duration::from_secs(15)),
            unhealthy_threshold: self.unhealthy_threshold.unwrap_or(5),
            healthy_threshold: self.healthy_threshold.unwrap_or(1),
            initial_jitter: self.initial_jitter,
            interval_jitter: self.interval_jitter,
            interval_jitter_percent: self.interval_jitter_percent,
            no_traffic_interval: self.no_traffic_interval,
            reuse_connection: self.reuse_connection,
            send: send.clone().unwrap_or_default(),
            receive: receive.clone().unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connecting_is_the_check_unless_there_is_something_to_say() {
        let tcp = Some(TcpCheckConf::default());
        let said =
            HealthCheckConf { interval: Some(Duration::from_secs(5)), tcp, ..HealthCheckConf::default() };
        let check = said.check().unwrap();
        assert_eq!((check.interval, check.timeout), (Duration::from_secs(5), Duration::from_secs(15)));
        assert_eq!((check.unhealthy_threshold, check.healthy_threshold), (5, 1));
        assert!(check.send.is_empty() && check.receive.is_empty());
    }

    #[test]
    fn without_a_check_over_tcp_there_is_none() {
        assert_eq!(HealthCheckConf::default().check(), None);
        let off = Some(TcpCheckConf { disabled: Some(true), ..TcpCheckConf::default() });
        assert_eq!(HealthCheckConf { tcp: off, ..HealthCheckConf::default() }.check(), None);
    }
}
