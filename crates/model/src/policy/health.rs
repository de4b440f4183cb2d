//! MeshHealthCheck, as far as it affects TCP connections.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::Percent;
use super::duration::written;
use super::merge::said;

/// Active health check of endpoints, by connections that the proxy opens itself.
///
/// As JSON without the fields that not every data plane has.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheck {
    /// Interval between two checks of one endpoint; default 1 min.
    #[serde(with = "written")]
    pub interval: Duration,
    /// Timeout of one check; default 15 s.
    #[serde(with = "written")]
    pub timeout: Duration,
    /// Consecutive failed checks until an endpoint is unhealthy; default 5.
    pub unhealthy_threshold: u32,
    /// Consecutive good checks until an endpoint is healthy again; default 1.
    pub healthy_threshold: u32,
    /// Limit on the random delay of the first check; absent: none.
    #[serde(serialize_with = "written::optional")]
    pub initial_jitter: Option<Duration>,
    /// Limit on the random time added to each interval; absent: none.
    #[serde(serialize_with = "written::optional")]
    pub interval_jitter: Option<Duration>,
    /// Limit on the random time added to each interval, in percent of it; absent: none.
    pub interval_jitter_percent: Option<u32>,
    /// Interval while a destination has had no connection, if the data plane supports it; absent: not set.
    #[serde(skip)]
    pub no_traffic_interval: Option<Duration>,
    /// `true`: one connection serves several checks, if the data plane supports it; absent: not set.
    #[serde(skip)]
    pub reuse_connection: Option<bool>,
    /// Bytes that are sent once connected; empty: connecting is the check.
    #[serde(serialize_with = "escaped")]
    pub send: Vec<u8>,
    /// Byte strings that the answer must contain, in this order.
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
    /// Conf of a MeshHealthCheck.
    HealthCheckConf {
        /// Interval between two checks of one endpoint; never zero.
        interval: Duration,
        /// Timeout of one check; never zero.
        timeout: Duration,
        /// Consecutive failed checks until an endpoint is unhealthy; never zero.
        unhealthy_threshold: u32,
        /// Consecutive good checks until an endpoint is healthy again; never zero.
        healthy_threshold: u32,
        /// Limit on the random delay of the first check.
        initial_jitter: Duration,
        /// Limit on the random time added to each interval.
        interval_jitter: Duration,
        /// Limit on the random time added to each interval, in percent of it.
        interval_jitter_percent: u32,
        /// Interval while a destination has had no connection.
        no_traffic_interval: Duration,
        /// `true`: one connection serves several checks.
        reuse_connection: bool,
        /// Share of healthy endpoints, in percent, below which health is ignored.
        panic_threshold: Percent,
        /// `true`: connections are refused below the panic threshold.
        fail_on_panic: bool,
        /// Check over TCP.
        tcp: TcpCheckConf,
    }
}

said! {
    /// Conf of the check over TCP.
    TcpCheckConf {
        /// `true`: there is no check over TCP.
        disabled: bool,
        /// Bytes that are sent once connected.
        send: Vec<u8>,
        /// Byte strings that the answer must contain, in this order.
        receive: Vec<Vec<u8>>,
    }
}

impl HealthCheckConf {
    /// Returns the health check over TCP; absent: the section `tcp` is missing or disabled. Checks over HTTP and
    /// gRPC are for destinations with these protocols.
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
