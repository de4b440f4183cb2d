//! How connections are treated, in words.

use std::time::Duration;

use model::declared::{Existing, ProxyProtocol, Sticky};
use model::policy::{
    AffinityTag, FailoverTo, HealthCheck, LoadBalancer, Locality, OutlierDetection, format_duration,
};

use super::SettingExplanation;
use crate::plan::{
    Backend, Cluster, ClusterSettings, ConnectionSettings, LogBackend, Panic, Plan, PolicyOrigin, Sourced,
    SplitSettings,
};

/// What is said about the connections of a listener, its split, and each destination of the split.
pub(super) fn explained(
    plan: &Plan,
    split: &[Backend],
    split_settings: &SplitSettings,
    settings: &ConnectionSettings,
) -> Vec<SettingExplanation> {
    let mut words = Words(Vec::new());
    words.of_listener(settings);
    words.of_split(split_settings);
    for cluster in split.iter().filter_map(Backend::cluster).filter_map(|name| plan.clusters.get(name)) {
        words.of_cluster(cluster);
    }
    words.0
}

struct Words(Vec<SettingExplanation>);

impl Words {
    fn say(&mut self, name: &str, value: String, origin: &PolicyOrigin) {
        self.0.push(SettingExplanation { name: name.to_owned(), value, from: origin.to_string() });
    }

    fn said<T>(&mut self, name: &str, said: &Option<Sourced<T>>, words: impl Fn(&T) -> String) {
        if let Some(Sourced { value, origin }) = said {
            self.say(name, words(value), origin);
        }
    }

    fn of_listener(&mut self, settings: &ConnectionSettings) {
        let ConnectionSettings {
            idle_timeout,
            max_connect_attempts,
            max_connections,
            max_age,
            accept_proxy_protocol,
            access_logs,
        } = settings;
        self.said("idle timeout", idle_timeout, duration);
        self.said("connect attempts", max_connect_attempts, u32::to_string);
        self.said("connections at once", max_connections, u32::to_string);
        self.said("age of a connection", max_age, |age| unless_zero(*age, "at most", "any"));
        self.said("PROXY protocol from clients", accept_proxy_protocol, |accept| yes(*accept));
        for Sourced { value, origin } in access_logs {
            let target = match &value.backend {
                LogBackend::File(path) => format!("to the file {path}"),
                LogBackend::Tcp(address) => format!("to {address}"),
            };
            self.say("access log", target, origin);
        }
    }

    fn of_split(&mut self, settings: &SplitSettings) {
        let SplitSettings { sticky, existing, retry_other_side, drain_grace } = settings;
        self.said("sticky", sticky, |sticky| {
            let words = match sticky {
                Sticky::None => "every connection is drawn anew",
                Sticky::SourceIp => "a client address keeps its backend",
            };
            words.to_owned()
        });
        self.said("when weights change", existing, |existing| {
            let words = match existing {
                Existing::Keep => "open connections stay",
                Existing::DrainExcess => "as many as are above the new share are closed",
                Existing::Close => "connections that would go elsewhere now are closed",
            };
            words.to_owned()
        });
        self.said("retry at another backend", retry_other_side, |retry| yes(*retry));
        self.said("connections of a removed backend", drain_grace, |grace| {
            unless_zero(*grace, "are closed after", "stay")
        });
    }

    fn of_cluster(&mut self, cluster: &Cluster) {
        let name = |what: &str| format!("{what} of {}", cluster.name);
        let ClusterSettings {
            load_balancer,
            slow_start,
            locality,
            max_connections,
            max_pending_connections,
            health_check,
            outlier_detection,
            panic: Panic { threshold, refuses },
            proxy_protocol,
            keepalive,
            user_timeout,
        } = &cluster.settings;
        self.said(&name("connect timeout"), &cluster.connect_timeout, duration);
        self.said(&name("load balancer"), load_balancer, |balancer| {
            load_balancer_words(*balancer).to_owned()
        });
        self.said(&name("slow start"), slow_start, |grows| unless_zero(*grows, "over", "none"));
        self.said(&name("locality"), locality, locality_words);
        self.said(&name("connections at once"), max_connections, u32::to_string);
        self.said(&name("connects at once"), max_pending_connections, u32::to_string);
        self.said(&name("health check"), health_check, check);
        self.said(&name("ejection"), outlier_detection, ejection);
        self.said(&name("panic threshold"), threshold, ToString::to_string);
        self.said(&name("refuses in panic"), refuses, |refuses| yes(*refuses));
        self.said(&name("PROXY protocol"), proxy_protocol, |version| {
            proxy_protocol_word(*version).to_owned()
        });
        self.said(&name("TCP keepalive"), keepalive, |idle| unless_zero(*idle, "after", "off"));
        self.said(&name("TCP user timeout"), user_timeout, |timeout| {
            unless_zero(*timeout, "after", "the kernel's")
        });
    }
}

fn duration(duration: &Duration) -> String {
    format_duration(*duration)
}

fn unless_zero(duration: Duration, before: &str, zero: &str) -> String {
    if duration.is_zero() { zero.to_owned() } else { format!("{before} {}", format_duration(duration)) }
}

fn yes(flag: bool) -> String {
    if flag { "yes" } else { "no" }.to_owned()
}

/// The version that is written.
pub(crate) fn proxy_protocol_word(version: ProxyProtocol) -> &'static str {
    match version {
        ProxyProtocol::None => "none",
        ProxyProtocol::V1 => "v1",
        ProxyProtocol::V2 => "v2",
    }
}

/// The rule by which an endpoint is chosen, in words.
pub(crate) fn load_balancer_words(balancer: LoadBalancer) -> &'static str {
    match balancer {
        LoadBalancer::RoundRobin => "round robin",
        LoadBalancer::LeastRequest { .. } => "least connections",
        LoadBalancer::Random => "random",
        LoadBalancer::RingHash { .. } => "ring hash by client address",
        LoadBalancer::Maglev { .. } => "maglev by client address",
    }
}

/// Which endpoints are preferred for where they are, in words.
pub(crate) fn locality_words(locality: &Locality) -> String {
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
    match threshold {
        Some(threshold) => format!("{words}; each as long as {threshold} of it is healthy"),
        None => words,
    }
}

fn check(check: &HealthCheck) -> String {
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

fn ejection(detection: &OutlierDetection) -> String {
    let base = format_duration(detection.base_ejection);
    let after = match detection.connect_failures() {
        Some(failures) => format!("after {failures} failures in a row"),
        None => "by statistics".to_owned(),
    };
    format!("{after} for {base}, at most {} of the endpoints", detection.max_ejection)
}
