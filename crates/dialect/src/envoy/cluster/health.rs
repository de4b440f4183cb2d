//! Active health checks, and outlier detection.

use std::fmt::Write as _;

use model::policy::{FailurePercentage, HealthCheck, OutlierDetection, SuccessRate};
use serde_json::{Value, json};

use super::super::words::duration;
use crate::envoy::words::said;

/// Converts a health check over TCP.
pub(super) fn check(check: &HealthCheck) -> Value {
    let HealthCheck {
        interval,
        timeout,
        unhealthy_threshold,
        healthy_threshold,
        initial_jitter,
        interval_jitter,
        interval_jitter_percent,
        no_traffic_interval,
        reuse_connection,
        send,
        receive,
    } = check;
    let receive: Vec<Value> = receive.iter().map(|bytes| json!({ "text": hex(bytes) })).collect();
    let tcp = json!({
        "send": (!send.is_empty()).then(|| json!({ "text": hex(send) })),
        "receive": (!receive.is_empty()).then_some(receive),
    });
    said(json!({
        "interval": duration(*interval),
        "timeout": duration(*timeout),
        "unhealthyThreshold": unhealthy_threshold,
        "healthyThreshold": healthy_threshold,
        "initialJitter": initial_jitter.map(duration),
        "intervalJitter": interval_jitter.map(duration),
        "intervalJitterPercent": interval_jitter_percent,
        // Envoy's default of a minute would ignore the interval of a destination that has not been dialled yet.
        "noTrafficInterval": duration(no_traffic_interval.filter(|i| !i.is_zero()).unwrap_or(*interval)),
        "reuseConnection": reuse_connection,
        "tcpHealthCheck": said(tcp),
    }))
    .into()
}

/// Converts the outlier detection: detectors that are not requested are switched off.
pub(super) fn outlier(detection: &OutlierDetection) -> Value {
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
    let enforced = |is_asked: bool| if is_asked { 100 } else { 0 };
    let rate = success_rate.unwrap_or_default();
    let SuccessRate { minimum_hosts, request_volume, deviation_thousandths } = rate;
    let percentage = failure_percentage.unwrap_or_default();
    let FailurePercentage { minimum_hosts: least_hosts, request_volume: least_volume, threshold } =
        percentage;
    said(json!({
        "interval": duration(*interval),
        "baseEjectionTime": duration(*base_ejection),
        // With a longer base the default of 5 minutes would be refused.
        "maxEjectionTime": (base_ejection.as_secs() >= 300).then(|| duration(*base_ejection * 10)),
        "maxEjectionPercent": max_ejection.rounded(),
        "splitExternalLocalOriginErrors": splits_errors,
        "consecutive5xx": total_failures,
        "enforcingConsecutive5xx": enforced(total_failures.is_some()),
        "consecutiveGatewayFailure": gateway_failures,
        "enforcingConsecutiveGatewayFailure": enforced(gateway_failures.is_some()),
        "consecutiveLocalOriginFailure": local_origin_failures,
        "enforcingConsecutiveLocalOriginFailure": enforced(local_origin_failures.is_some()),
        "successRateMinimumHosts": minimum_hosts,
        "successRateRequestVolume": request_volume,
        "successRateStdevFactor": deviation_thousandths,
        "enforcingSuccessRate": enforced(success_rate.is_some()),
        "enforcingLocalOriginSuccessRate": enforced(success_rate.is_some() && *splits_errors),
        "failurePercentageMinimumHosts": least_hosts,
        "failurePercentageRequestVolume": least_volume,
        "failurePercentageThreshold": threshold,
        "enforcingFailurePercentage": enforced(failure_percentage.is_some()),
        "enforcingFailurePercentageLocalOrigin": enforced(failure_percentage.is_some() && *splits_errors),
    }))
    .into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
