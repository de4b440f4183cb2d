//! MeshCircuitBreaker, as far as a TCP connection feels it.

use std::time::Duration;

use serde_json::Value;

use super::{Percent, parse_duration};

/// How many connections to a destination may live at once: `connectionLimits.maxConnections`.
pub fn max_connections(conf: &Value) -> Option<u32> {
    limit(conf, "/connectionLimits/maxConnections")
}

/// How many connections to a destination may wait to be established: `connectionLimits.maxPendingRequests`.
pub fn max_pending_connections(conf: &Value) -> Option<u32> {
    limit(conf, "/connectionLimits/maxPendingRequests")
}

fn limit(conf: &Value, pointer: &str) -> Option<u32> {
    u32::try_from(conf.pointer(pointer)?.as_u64()?).ok().filter(|limit| *limit > 0)
}

/// When an endpoint that fails is left out for a while.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OutlierDetection {
    /// How often endpoints are judged, and let in again; default 10 s.
    pub interval: Duration,
    /// How long an endpoint is left out, times the number of times that it was; default 30 s.
    pub base_ejection: Duration,
    /// How many endpoints may be left out at once; default 10 %.
    pub max_ejection: Percent,
    /// Whether failures to connect are counted apart from what the destination answers.
    pub splits_errors: bool,
    /// So many failures of any sort in a row.
    pub total_failures: Option<u32>,
    /// So many failures in a row that a gateway would report.
    pub gateway_failures: Option<u32>,
    /// So many failures in a row to connect; counts where `splits_errors` is set.
    pub local_origin_failures: Option<u32>,
    /// A success rate far below that of the others.
    pub success_rate: Option<SuccessRate>,
    /// A share of failures above a threshold.
    pub failure_percentage: Option<FailurePercentage>,
}

/// A success rate far below that of the others. What is absent is the data plane's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SuccessRate {
    /// How many endpoints there must be.
    pub minimum_hosts: Option<u32>,
    /// How many connections an endpoint must have had in an interval.
    pub request_volume: Option<u32>,
    /// How many standard deviations below the mean, in thousandths.
    pub deviation_thousandths: Option<u32>,
}

/// A share of failures above a threshold. What is absent is the data plane's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FailurePercentage {
    /// How many endpoints there must be.
    pub minimum_hosts: Option<u32>,
    /// How many connections an endpoint must have had in an interval.
    pub request_volume: Option<u32>,
    /// The threshold, in percent.
    pub threshold: Option<u32>,
}

impl OutlierDetection {
    /// After how many connects in a row that failed an endpoint is left out; absent: no detector counts them.
    pub fn connect_failures(&self) -> Option<u32> {
        if self.splits_errors {
            return self.local_origin_failures;
        }
        self.total_failures.into_iter().chain(self.gateway_failures).min()
    }
}

/// The outlier detection of a merged conf: `outlierDetection`; absent where it is disabled, or detects nothing.
pub fn outlier_detection(conf: &Value) -> Option<OutlierDetection> {
    let conf = conf.get("outlierDetection").filter(|conf| conf.is_object())?;
    if conf.get("disabled").and_then(Value::as_bool) == Some(true) {
        return None;
    }
    let detectors = conf.get("detectors").filter(|detectors| detectors.is_object())?;
    let lasting = |name: &str, default: u64| {
        let written = conf.get(name).and_then(Value::as_str).and_then(parse_duration);
        written.filter(|duration| !duration.is_zero()).unwrap_or(Duration::from_secs(default))
    };
    let number = |value: &Value, name: &str| u32::try_from(value.get(name)?.as_u64()?).ok();
    // A detector that is there without a number has the default of 5.
    let in_a_row = |name: &str| {
        let detector = detectors.get(name).filter(|detector| detector.is_object())?;
        Some(number(detector, "consecutive").unwrap_or(5)).filter(|failures| *failures > 0)
    };
    let detection = OutlierDetection {
        interval: lasting("interval", 10),
        base_ejection: lasting("baseEjectionTime", 30),
        max_ejection: conf.get("maxEjectionPercent").and_then(Percent::of).unwrap_or(Percent::whole(10)),
        splits_errors: conf.get("splitExternalAndLocalErrors").and_then(Value::as_bool) == Some(true),
        total_failures: in_a_row("totalFailures"),
        gateway_failures: in_a_row("gatewayFailures"),
        local_origin_failures: in_a_row("localOriginFailures"),
        success_rate: detectors.get("successRate").filter(|detector| detector.is_object()).map(|detector| {
            SuccessRate {
                minimum_hosts: number(detector, "minimumHosts"),
                request_volume: number(detector, "requestVolume"),
                deviation_thousandths: detector.get("standardDeviationFactor").and_then(thousandths),
            }
        }),
        failure_percentage: detectors.get("failurePercentage").filter(|detector| detector.is_object()).map(
            |detector| FailurePercentage {
                minimum_hosts: number(detector, "minimumHosts"),
                request_volume: number(detector, "requestVolume"),
                threshold: number(detector, "threshold"),
            },
        ),
    };
    let detects = detection.total_failures.is_some()
        || detection.gateway_failures.is_some()
        || detection.local_origin_failures.is_some()
        || detection.success_rate.is_some()
        || detection.failure_percentage.is_some();
    detects.then_some(detection)
}

/// The panic threshold beside the detectors: `outlierDetection.healthyPanicThreshold`.
pub fn outlier_panic_threshold(conf: &Value) -> Option<Percent> {
    Percent::of(conf.pointer("/outlierDetection/healthyPanicThreshold")?)
}

/// A factor, written as a number or as text, in thousandths.
fn thousandths(value: &Value) -> Option<u32> {
    let factor = match value {
        Value::String(text) => text.parse::<f64>().ok()?,
        value => value.as_f64()?,
    };
    (0.0..=1_000.0).contains(&factor).then_some((factor * 1_000.0).round() as u32)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn failed_connects_are_what_the_split_of_errors_says() {
        let read = |splits: bool| {
            let detectors = json!({ "totalFailures": { "consecutive": 7 }, "gatewayFailures": {},
                "localOriginFailures": { "consecutive": 2 } });
            let conf = json!({ "outlierDetection": { "splitExternalAndLocalErrors": splits, "detectors": detectors } });
            outlier_detection(&conf).and_then(|detection| detection.connect_failures())
        };
        assert_eq!((read(false), read(true)), (Some(5), Some(2)));
    }

    #[test]
    fn without_a_detector_nothing_is_detected() {
        assert_eq!(outlier_detection(&json!({ "outlierDetection": { "interval": "1s" } })), None);
        let off = json!({ "outlierDetection": { "disabled": true, "detectors": { "totalFailures": {} } } });
        assert_eq!(outlier_detection(&off), None);
    }

    #[test]
    fn limits_are_read() {
        let conf = json!({ "connectionLimits": { "maxConnections": 3, "maxPendingRequests": 0 } });
        assert_eq!((max_connections(&conf), max_pending_connections(&conf)), (Some(3), None));
    }
}
