//! MeshCircuitBreaker, as far as a TCP connection feels it.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::Percent;
use super::duration::written;
use super::merge::said;

said! {
    /// What a MeshCircuitBreaker says.
    CircuitBreakerConf {
        /// How many connections to a destination may live at once; never zero.
        max_connections: u32,
        /// How many connections to a destination may wait to be established; never zero.
        max_pending_connections: u32,
        /// When an endpoint that fails is left out.
        outlier: OutlierConf,
    }
}

said! {
    /// When an endpoint that fails is left out.
    OutlierConf {
        /// Whether none is.
        disabled: bool,
        /// How often endpoints are judged, and let in again; never zero.
        interval: Duration,
        /// How long an endpoint is left out, times the number of times that it was; never zero.
        base_ejection: Duration,
        /// How many endpoints may be left out at once.
        max_ejection: Percent,
        /// Whether failures to connect are counted apart from what the destination answers.
        splits_errors: bool,
        /// Below which share of healthy endpoints all of them count as healthy.
        panic_threshold: Percent,
        /// By what failures an endpoint is known.
        detectors: DetectorsConf,
    }
}

said! {
    /// By what failures an endpoint is known.
    DetectorsConf {
        /// Failures of any sort in a row.
        total_failures: InARow,
        /// Failures in a row that a gateway would report.
        gateway_failures: InARow,
        /// Failures in a row to connect.
        local_origin_failures: InARow,
        /// A success rate far below that of the others.
        success_rate: SuccessRate,
        /// A share of failures above a threshold.
        failure_percentage: FailurePercentage,
    }
}

said! {
    /// How many failures in a row are too many; default 5.
    #[derive(Copy)]
    InARow {
        /// The number; never zero.
        consecutive: u32,
    }
}

/// When an endpoint that fails is left out for a while.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutlierDetection {
    /// How often endpoints are judged, and let in again; default 10 s.
    #[serde(with = "written")]
    pub interval: Duration,
    /// How long an endpoint is left out, times the number of times that it was; default 30 s.
    #[serde(rename = "baseEjectionTime", with = "written")]
    pub base_ejection: Duration,
    /// How many endpoints may be left out at once; default 10 %.
    #[serde(rename = "maxEjectionPercent")]
    pub max_ejection: Percent,
    /// Whether failures to connect are counted apart from what the destination answers.
    #[serde(rename = "splitExternalAndLocalErrors")]
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

said! {
    /// A success rate far below that of the others. What is absent is the data plane's default.
    #[derive(Copy, Serialize)]
    #[serde(rename_all = "camelCase")]
    SuccessRate {
        /// How many endpoints there must be.
        minimum_hosts: u32,
        /// How many connections an endpoint must have had in an interval.
        request_volume: u32,
        /// How many standard deviations below the mean, in thousandths.
        #[serde(rename = "standardDeviationFactor", serialize_with = "factor")]
        deviation_thousandths: u32,
    }
}

said! {
    /// A share of failures above a threshold. What is absent is the data plane's default.
    #[derive(Copy, Serialize)]
    #[serde(rename_all = "camelCase")]
    FailurePercentage {
        /// How many endpoints there must be.
        minimum_hosts: u32,
        /// How many connections an endpoint must have had in an interval.
        request_volume: u32,
        /// The threshold, in percent.
        threshold: u32,
    }
}

fn factor<S: Serializer>(thousandths: &Option<u32>, serializer: S) -> Result<S::Ok, S::Error> {
    thousandths.map(|factor| f64::from(factor) / 1000.0).serialize(serializer)
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

impl CircuitBreakerConf {
    /// The outlier detection; absent where it is disabled, or detects nothing.
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

    /// The panic threshold beside the detectors.
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
