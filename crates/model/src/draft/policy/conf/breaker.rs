//! Reader of MeshCircuitBreaker.

use serde_json::Value;

use super::{above_zero, lasting, part, percent};
use crate::draft::fields::Fields;
use crate::policy::{CircuitBreakerConf, DetectorsConf, FailurePercentage, InARow, OutlierConf, SuccessRate};

pub(super) fn read(mut conf: Fields<'_>) -> CircuitBreakerConf {
    let mut limits = conf.object("connectionLimits");
    above_zero(&mut limits, "maxConnectionPools");
    let max_connections = above_zero(&mut limits, "maxConnections");
    let max_pending_connections = above_zero(&mut limits, "maxPendingRequests");
    above_zero(&mut limits, "maxRetries");
    above_zero(&mut limits, "maxRequests");
    let outlier = part(&mut conf, "outlierDetection", outlier);
    CircuitBreakerConf { max_connections, max_pending_connections, outlier }
}

fn outlier(mut outlier: Fields<'_>) -> OutlierConf {
    OutlierConf {
        disabled: outlier.flag("disabled"),
        interval: lasting(&mut outlier, "interval"),
        base_ejection: lasting(&mut outlier, "baseEjectionTime"),
        max_ejection: percent(&mut outlier, "maxEjectionPercent"),
        splits_errors: outlier.flag("splitExternalAndLocalErrors"),
        panic_threshold: percent(&mut outlier, "healthyPanicThreshold"),
        detectors: part(&mut outlier, "detectors", detectors),
    }
}

fn detectors(mut detectors: Fields<'_>) -> DetectorsConf {
    let mut in_a_row = |name| {
        part(&mut detectors, name, |mut detector| InARow {
            consecutive: above_zero(&mut detector, "consecutive"),
        })
    };
    DetectorsConf {
        total_failures: in_a_row("totalFailures"),
        gateway_failures: in_a_row("gatewayFailures"),
        local_origin_failures: in_a_row("localOriginFailures"),
        success_rate: part(&mut detectors, "successRate", |mut detector| SuccessRate {
            minimum_hosts: detector.number("minimumHosts"),
            request_volume: detector.number("requestVolume"),
            deviation_thousandths: detector.value("standardDeviationFactor").and_then(thousandths),
        }),
        failure_percentage: part(&mut detectors, "failurePercentage", |mut detector| {
            let (minimum_hosts, request_volume) =
                (detector.number("minimumHosts"), detector.number("requestVolume"));
            percent(&mut detector, "threshold");
            let threshold = detector.value("threshold").and_then(Value::as_u64);
            let threshold = threshold.and_then(|threshold| u32::try_from(threshold).ok());
            FailurePercentage { minimum_hosts, request_volume, threshold }
        }),
    }
}

/// Reads a factor, a number or text, in thousandths.
fn thousandths(value: &Value) -> Option<u32> {
    let factor = match value {
        Value::String(text) => text.parse::<f64>().ok()?,
        value => value.as_f64()?,
    };
    (0.0..=1_000.0).contains(&factor).then_some((factor * 1_000.0).round() as u32)
}
