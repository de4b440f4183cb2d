//! How the endpoints of a destination are treated.

use model::policy::{
    FailurePercentage, HealthCheck, LoadBalancer, OutlierDetection, Percent, SuccessRate, format_duration,
};
use serde_json::{Map, Value, json};

use super::listener::{said_as, sourced, sourced_duration};
use crate::explain::{load_balancer_words, locality_words, proxy_protocol_word};
use crate::plan::{ClusterSettings, Panic, Sourced};

/// What somebody set, by name; nothing else.
pub(super) fn of_cluster(settings: &ClusterSettings) -> Value {
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
    } = settings;
    let mut said = Map::new();
    let mut say = |name: &str, value: Option<Value>| {
        said.extend(value.map(|value| (name.to_owned(), value)));
    };
    say("loadBalancer", load_balancer.as_ref().map(|said| said_as(said, balancer(said.value))));
    say("slowStart", slow_start.as_ref().map(sourced_duration));
    say("locality", locality.as_ref().map(|said| said_as(said, locality_words(&said.value))));
    say("maxConnections", max_connections.as_ref().map(sourced));
    say("maxPendingConnections", max_pending_connections.as_ref().map(sourced));
    say("healthCheck", health_check.as_ref().map(|said| said_as(said, check(&said.value))));
    say("outlierDetection", outlier_detection.as_ref().map(|said| said_as(said, outlier(&said.value))));
    let percent = |said: &Sourced<Percent>| said_as(said, said.value.as_f64());
    say("panicThreshold", threshold.as_ref().map(percent));
    say("failTrafficOnPanic", refuses.as_ref().map(sourced));
    say("proxyProtocol", proxy_protocol.as_ref().map(|said| said_as(said, proxy_protocol_word(said.value))));
    say("keepalive", keepalive.as_ref().map(sourced_duration));
    say("userTimeout", user_timeout.as_ref().map(sourced_duration));
    Value::Object(said)
}

fn balancer(balancer: LoadBalancer) -> Value {
    let mut said = json!({ "type": load_balancer_words(balancer) });
    match balancer {
        LoadBalancer::RoundRobin | LoadBalancer::Random => {}
        LoadBalancer::LeastRequest { choice_count } => said["choiceCount"] = json!(choice_count),
        LoadBalancer::RingHash { min_size, max_size, murmur: _ } => {
            said["minRingSize"] = json!(min_size);
            said["maxRingSize"] = json!(max_size);
        }
        LoadBalancer::Maglev { table_size } => said["tableSize"] = json!(table_size),
    }
    said
}

fn check(check: &HealthCheck) -> Value {
    let HealthCheck {
        interval,
        timeout,
        unhealthy_threshold,
        healthy_threshold,
        initial_jitter,
        interval_jitter,
        interval_jitter_percent,
        no_traffic_interval: _,
        reuse_connection: _,
        send,
        receive,
    } = check;
    json!({
        "interval": format_duration(*interval),
        "timeout": format_duration(*timeout),
        "unhealthyThreshold": unhealthy_threshold,
        "healthyThreshold": healthy_threshold,
        "initialJitter": initial_jitter.map(format_duration),
        "intervalJitter": interval_jitter.map(format_duration),
        "intervalJitterPercent": interval_jitter_percent,
        "send": send.escape_ascii().to_string(),
        "receive": receive.iter().map(|bytes| bytes.escape_ascii().to_string()).collect::<Vec<_>>(),
    })
}

fn outlier(detection: &OutlierDetection) -> Value {
    let OutlierDetection {
        interval,
        base_ejection,
        max_ejection,
        splits_errors,
        total_failures,
        gateway_failures,
        local_origin_failures,
        success_rate,
        failure_percentage,
    } = detection;
    json!({
        "interval": format_duration(*interval),
        "baseEjectionTime": format_duration(*base_ejection),
        "maxEjectionPercent": max_ejection.as_f64(),
        "splitExternalAndLocalErrors": splits_errors,
        "totalFailures": total_failures,
        "gatewayFailures": gateway_failures,
        "localOriginFailures": local_origin_failures,
        "successRate": success_rate.map(|SuccessRate { minimum_hosts, request_volume, deviation_thousandths }| json!({
            "minimumHosts": minimum_hosts,
            "requestVolume": request_volume,
            "standardDeviationFactor": deviation_thousandths.map(|factor| f64::from(factor) / 1000.0),
        })),
        "failurePercentage": failure_percentage.map(|FailurePercentage { minimum_hosts, request_volume, threshold }| json!({
            "minimumHosts": minimum_hosts,
            "requestVolume": request_volume,
            "threshold": threshold,
        })),
    })
}
