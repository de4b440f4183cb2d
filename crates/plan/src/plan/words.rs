//! Values of settings, in words.

use std::time::Duration;

use model::declared::{DataPath, OnWeightChange, ProxyProtocol, Sticky};
use model::policy::{
    AffinityTag, FailoverTo, HealthCheck, LoadBalancer, Locality, OutlierDetection, TlsCipher, TlsVersion,
    format_duration,
};

use super::Mirror;

pub(super) fn duration(duration: &Duration) -> String {
    format_duration(*duration)
}

/// Formats a duration after a word, or returns the text for zero.
pub(super) fn unless_zero(before: &str, zero: &str) -> impl Fn(&Duration) -> String {
    move |duration| match duration.is_zero() {
        true => zero.to_owned(),
        false => format!("{before} {}", format_duration(*duration)),
    }
}

pub(super) fn yes(flag: &bool) -> String {
    if *flag { "yes" } else { "no" }.to_owned()
}

pub(super) fn sticky(sticky: &Sticky) -> String {
    let words = match sticky {
        Sticky::None => "every connection is drawn anew",
        Sticky::SourceIp => "a client address keeps its backend",
    };
    words.to_owned()
}

pub(super) fn existing(existing: &OnWeightChange) -> String {
    let words = match existing {
        OnWeightChange::Keep => "open connections stay",
        OnWeightChange::DrainExcess => "as many as are above the new share are closed",
        OnWeightChange::Close => "connections that would go elsewhere now are closed",
    };
    words.to_owned()
}

pub(super) fn data_path(path: &DataPath) -> String {
    let words = match path {
        DataPath::Auto => "straight to the endpoint where that can be",
        DataPath::Relay => "through the proxy",
        DataPath::Kernel => "straight to the endpoint; a warning where that cannot be",
    };
    words.to_owned()
}

pub(super) fn mirror(Mirror { reference, to, percent, buffer }: &Mirror) -> String {
    match to {
        Ok((cluster, _)) => format!(
            "{percent} of connections to {cluster} ({reference}); dropped when more than {} KiB wait",
            buffer.div_ceil(1 << 10)
        ),
        Err(why) => format!("none: {reference}: {why}"),
    }
}

pub(super) fn tls_version(version: &TlsVersion) -> String {
    version.as_str().to_owned()
}

pub(super) fn tls_ciphers(ciphers: &[TlsCipher]) -> String {
    ciphers.iter().map(|cipher| cipher.as_str()).collect::<Vec<_>>().join(", ")
}

pub(super) fn proxy_protocol(version: &ProxyProtocol) -> String {
    version.as_str().to_owned()
}

pub(super) fn load_balancer(balancer: &LoadBalancer) -> String {
    let words = match balancer {
        LoadBalancer::RoundRobin => "round robin",
        LoadBalancer::LeastRequest { .. } => "least connections",
        LoadBalancer::Random => "random",
        LoadBalancer::RingHash { .. } => "ring hash by client address",
        LoadBalancer::Maglev { .. } => "maglev by client address",
    };
    words.to_owned()
}

/// Returns the locality rules in words.
pub(super) fn locality(locality: &Locality) -> String {
    let (affinity, failover, threshold) = match locality {
        Locality::Ignored => return "all zones alike".to_owned(),
        Locality::OwnZoneFirst => return "the own zone, then all others".to_owned(),
        Locality::Rules { affinity, failover, threshold } => (affinity, failover, threshold),
    };
    let mut words = "the own zone".to_owned();
    if !affinity.is_empty() {
        let keys: Vec<&str> = affinity.iter().map(|AffinityTag { key, weight: _ }| key.as_str()).collect();
        words = format!("{words}, there by {}", keys.join(", "));
    }
    let zones = |to: &FailoverTo| match to {
        FailoverTo::Any => "then any zone".to_owned(),
        FailoverTo::None => "then none".to_owned(),
        FailoverTo::Only(zones) => format!("then {}", zones.join(" or ")),
        FailoverTo::AnyExcept(zones) => format!("then any zone but {}", zones.join(" and ")),
    };
    for rule in failover {
        let from =
            rule.from.as_ref().map(|from| format!(" (from {})", from.join(" or "))).unwrap_or_default();
        words = format!("{words}, {}{from}", zones(&rule.to));
    }
    match failover.is_empty() {
        false => format!("{words}; each as long as {threshold} of it is healthy"),
        true => words,
    }
}

pub(super) fn health_check(check: &HealthCheck) -> String {
    let HealthCheck { interval, timeout, unhealthy_threshold, healthy_threshold, send, receive, .. } = check;
    let what = match (send.is_empty(), receive.is_empty()) {
        (true, true) => "connects",
        (false, true) => "connects and sends",
        (true, false) => "connects and expects bytes",
        (false, false) => "connects, sends and expects bytes",
    };
    format!(
        "{what} every {} within {}; {unhealthy_threshold} failures in a row mean unhealthy, {healthy_threshold} good ones healthy",
        format_duration(*interval),
        format_duration(*timeout)
    )
}

pub(super) fn ejection(detection: &OutlierDetection) -> String {
    let base = format_duration(detection.base_ejection);
    let after = match detection.connect_failures() {
        Some(failures) => format!("after {failures} failures in a row"),
        None => "by statistics".to_owned(),
    };
    format!("{after} for {base}, at most {} of the endpoints", detection.max_ejection)
}
