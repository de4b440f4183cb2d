//! MeshHealthCheck, as far as a TCP connection feels it.

use std::time::Duration;

use serde_json::Value;

use super::{Percent, parse_base64, parse_duration};

/// How endpoints are checked: with connections that the proxy opens itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HealthCheck {
    /// The time between two checks of one endpoint; default 1 min.
    pub interval: Duration,
    /// How long one check may take; default 15 s.
    pub timeout: Duration,
    /// Unhealthy after so many failed checks in a row; default 5.
    pub unhealthy_threshold: u32,
    /// Healthy again after so many good checks in a row; default 1.
    pub healthy_threshold: u32,
    /// The first check happens at a random time within this.
    pub initial_jitter: Option<Duration>,
    /// A random time of up to this is added to each interval.
    pub interval_jitter: Option<Duration>,
    /// A random time of up to this share of the interval, in percent, is added to each interval.
    pub interval_jitter_percent: Option<u32>,
    /// The interval as long as a destination had no connection, where a data plane has such a thing.
    pub no_traffic_interval: Option<Duration>,
    /// Whether one connection serves several checks, where a data plane has such a thing.
    pub reuse_connection: Option<bool>,
    /// What is sent once connected; empty: connecting is the check.
    pub send: Vec<u8>,
    /// What must come back, in this order.
    pub receive: Vec<Vec<u8>>,
}

/// How endpoints are checked over TCP: absent without the section `tcp`, and where that is disabled. Checks over HTTP
/// and gRPC are for destinations that speak it.
pub fn health_check(conf: &Value) -> Option<HealthCheck> {
    let tcp = conf.get("tcp").filter(|tcp| tcp.is_object())?;
    if tcp.get("disabled").and_then(Value::as_bool) == Some(true) {
        return None;
    }
    let duration = |name: &str| parse_duration(conf.get(name)?.as_str()?);
    let number = |name: &str| u32::try_from(conf.get(name)?.as_u64()?).ok();
    let positive = |name: &str, default: u32| number(name).filter(|n| *n > 0).unwrap_or(default);
    let lasting = |name: &str, default: u64| {
        duration(name).filter(|duration| !duration.is_zero()).unwrap_or(Duration::from_secs(default))
    };
    let bytes = |value: &Value| parse_base64(value.as_str()?).filter(|bytes| !bytes.is_empty());
    let receive = tcp.get("receive").and_then(Value::as_array);
    Some(HealthCheck {
        interval: lasting("interval", 60),
        timeout: lasting("timeout", 15),
        unhealthy_threshold: positive("unhealthyThreshold", 5),
        healthy_threshold: positive("healthyThreshold", 1),
        initial_jitter: duration("initialJitter"),
        interval_jitter: duration("intervalJitter"),
        interval_jitter_percent: number("intervalJitterPercent"),
        no_traffic_interval: duration("noTrafficInterval"),
        reuse_connection: conf.get("reuseConnection").and_then(Value::as_bool),
        send: tcp.get("send").and_then(bytes).unwrap_or_default(),
        receive: receive.into_iter().flatten().filter_map(bytes).collect(),
    })
}

/// Below which share of healthy endpoints all of them count as healthy: `healthyPanicThreshold`.
pub fn panic_threshold(conf: &Value) -> Option<Percent> {
    Percent::of(conf.get("healthyPanicThreshold")?)
}

/// Whether connections are refused below the panic threshold: `failTrafficOnPanic`.
pub fn fail_on_panic(conf: &Value) -> Option<bool> {
    conf.get("failTrafficOnPanic")?.as_bool()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn connecting_is_the_check_unless_there_is_something_to_say() {
        let check = health_check(&json!({ "interval": "5s", "tcp": {} })).unwrap();
        assert_eq!((check.interval, check.timeout), (Duration::from_secs(5), Duration::from_secs(15)));
        assert_eq!((check.unhealthy_threshold, check.healthy_threshold), (5, 1));
        assert!(check.send.is_empty() && check.receive.is_empty());
        let says = json!({ "tcp": { "send": "UElORw0K", "receive": ["UE9ORw==", ""] } });
        let check = health_check(&says).unwrap();
        assert_eq!((check.send.as_slice(), check.receive), (&b"PING\r\n"[..], vec![b"PONG".to_vec()]));
    }

    #[test]
    fn checks_over_http_are_not_for_tcp() {
        assert_eq!(health_check(&json!({ "http": { "path": "/health" } })), None);
        assert_eq!(health_check(&json!({ "tcp": { "disabled": true } })), None);
    }
}
