//! MeshCircuitBreaker, as far as it affects TCP connections.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::Percent;
use super::duration::written;
use super::merge::said;

said! {
    /// Conf of a MeshCircuitBreaker.
    CircuitBreakerConf {
        /// Limit on live connections to a destination; never zero.
        max_connections: u32,
        /// Limit on connections to a destination that are being established; never zero.
        max_pending_connections: u32,
        /// Outlier detection.
        outlier: OutlierConf,
    }
}

said! {
    /// Outlier detection: conditions under which a failing endpoint is ejected.
    OutlierConf {
        /// `true`: no endpoint is ejected.
        disabled: bool,
        /// Interval at which endpoints are judged, and readmitted; never zero.
        interval: Duration,
        /// Base ejection time of an endpoint, multiplied by the number of its ejections; never zero.
        base_ejection: Duration,
        /// Limit on ejected endpoints, in percent of all.
        max_ejection: Percent,
        /// `true`: connect failures are counted apart from failures that the destination returns.
        splits_errors: bool,
        /// Share of healthy endpoints, in percent, below which health is ignored.
        panic_threshold: Percent,
        /// Detectors of failing endpoints.
        detectors: DetectorsConf,
    }
}

said! {
    /// Detectors of failing endpoints.
    DetectorsConf {
        /// Consecutive failures of any sort.
        total_failures: InARow,
        /// Consecutive failures that a gateway would report.
        gateway_failures: InARow,
        /// Consecutive connect failures.
        local_origin_failures: InARow,
        /// Success rate far below that of the others.
        success_rate: SuccessRate,
        /// Share of failures above a threshold.
        failure_percentage: FailurePercentage,
    }
}

said! {
    /// Limit on consecutive failures; default 5.
    #[derive(Copy)]
    InARow {
        /// Number of failures; never zero.
        consecutive: u32,
    }
}

/// Outlier detection: conditions under which a failing endpoint is ejected for a while.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutlierDetection {
    /// Interval at which endpoints are judged, and readmitted; default 10 s.
    #[serde(with = "written")]
    pub interval: Duration,
    /// Base ejection time of an endpoint, multiplied by the number of its ejections; default 30 s.
    #[serde(rename = "baseEjectionTime", with = "written")]
    pub base_ejection: Duration,
    /// Limit on ejected endpoints, in percent of all; default 10 %.
    #[serde(rename = "maxEjectionPercent")]
    pub max_ejection: Percent,
    /// `true`: connect failures are counted apart from failures that the destination returns.
    #[serde(rename = "splitExternalAndLocalErrors")]
    pub splits_errors: bool,
    /// Limit on consecutive failures of any sort; absent: no limit.
    pub total_failures: Option<u32>,
    /// Limit on consecutive failures that a gateway would report; absent: no limit.
    pub gateway_failures: Option<u32>,
    /// Limit on consecutive connect failures, if `splits_errors` is set; absent: no limit.
    pub local_origin_failures: Option<u32>,
    /// Success rate detector; absent: off.
    pub success_rate: Option<SuccessRate>,
    /// Failure percentage detector; absent: off.
    pub failure_percentage: Option<FailurePercentage>,
}

said! {
    /// Detector of a success rate far below that of the others. Absent values are the data plane's defaults.
    #[derive(Copy, Serialize)]
    #[serde(rename_all = "camelCase")]
    SuccessRate {
        /// Minimum number of endpoints.
        minimum_hosts: u32,
        /// Minimum number of connections of an endpoint in an interval.
        request_volume: u32,
        /// Number of standard deviations below the mean, in thousandths.
        #[serde(rename = "standardDeviationFactor", serialize_with = "factor")]
        deviation_thousandths: u32,
    }
}

said! {
    /// Detector of a share of failures above a threshold. Absent values are the data plane's defaults.
    #[derive(Copy, Serialize)]
    #[serde(rename_all = "camelCase")]
    FailurePercentage {
        /// Minimum number of endpoints.
        minimum_hosts: u32,
        /// Minimum number of connections of an endpoint in an interval.
        request_volume: u32,
        /// Threshold, in percent.
        threshold: u32,
    }
}

fn factor<S: Serializer>(thousandths: &Option<u32>, serializer: S) -> Result<S::Ok, S::Error> {
    thousandths.map(|factor| f64::from(factor) / 1000.0).serialize(serializer)
}

impl OutlierDetection {
    /// Limit on consecutive connect failures before an endpoint is ejected; absent: no detector counts them.
    pub fn connect_failures(&self) -> Option<u32> {
        if self.splits_errors {
            return self.local_origin_failures;
        }
        self.total_failures.into_iter().chain(self.gateway_failures).min()
    }
}

impl CircuitBreakerConf {
    /// Outlier detection; absent: it is disabled, or has no detectors.
    pub fn outlier_detection(&self) -> Option<OutlierDetection> {
        let outlier = self.outlier.as_ref().filter(|outlier| outlier.disabled != Some(true))?;
        let detectors =
            outlier.detectors.as_ref().filter(|detectors| **detectors != DetectorsConf::default())?;
        let in_a_row = |detector: Option<InARow>| detector.map(|detector| detector.consecutive.unwrap_or(5));
        Some(OutlierDetection {
            interval: outlier.interval.unwrap_or(Duration::from_secs(10)),
            base_ejection: outlier.base_ejection.unwrap_or(Duration::from_secs(30)),
            max_ejection: outlier.max_ejection.unwrap_or(Percent::whole(10)),
            splits_errors: outlier.splits_errors.unwrap_or_default(),
            total_failures: in_a_row(detectors.total_failures),
            gateway_failures: in_a_row(detectors.gateway_failures),
            local_origin_failures: in_a_row(detectors.local_origin_failures),
            success_rate: detectors.success_rate,
            failure_percentage: detectors.failure_percentage,
        })
    }

    /// Panic threshold beside the detectors; absent: not set.
    pub fn panic_threshold(&self) -> Option<Percent> {
        self.outlier.as_ref()?.panic_threshold
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(outlier: OutlierConf) -> CircuitBreakerConf {
        CircuitBreakerConf { outlier: Some(outlier), ..CircuitBreakerConf::default() }
    }

    #[test]
    fn failed_connects_are_what_the_split_of_errors_says() {
        let in_a_row = |consecutive| Some(InARow { consecutive });
        let detectors = DetectorsConf {
            total_failures: in_a_row(Some(7)),
            gateway_failures: in_a_row(None),
            local_origin_failures: in_a_row(Some(2)),
            ..DetectorsConf::default()
        };
        let read = |splits: bool| {
            let outlier = OutlierConf {
                splits_errors: Some(splits),
                detectors: Some(detectors.clone()),
                ..OutlierConf::default()
            };
            with(outlier).outlier_detection().and_then(|detection| detection.connect_failures())
        };
        assert_eq!((read(false), read(true)), (Some(5), Some(2)));
    }

    #[test]
    fn without_a_detector_nothing_is_detected() {
        let interval = Some(Duration::from_secs(1));
        assert_eq!(with(OutlierConf { interval, ..OutlierConf::default() }).outlier_detection(), None);
        let detectors = DetectorsConf { total_failures: Some(InARow::default()), ..DetectorsConf::default() };
        let off = OutlierConf { disabled: Some(true), detectors: Some(detectors), ..OutlierConf::default() };
        assert_eq!(with(off).outlier_detection(), None);
    }
}
