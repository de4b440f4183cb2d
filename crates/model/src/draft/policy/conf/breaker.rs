//! MeshCircuitBreaker.

use super::{above_zero, percent};
use crate::draft::fields::Fields;

pub(super) fn check(mut conf: Fields<'_>) {
    let mut limits = conf.object("connectionLimits");
    for name in ["maxConnectionPools", "maxConnections", "maxPendingRequests", "maxRetries", "maxRequests"] {
        above_zero(&mut limits, name);
    }
    let mut outlier = conf.object("outlierDetection");
    outlier.flag("disabled");
    outlier.text("interval");
    outlier.text("baseEjectionTime");
    percent(&mut outlier, "maxEjectionPercent");
    outlier.flag("splitExternalAndLocalErrors");
    percent(&mut outlier, "healthyPanicThreshold");
    let mut detectors = outlier.object("detectors");
    for name in ["totalFailures", "gatewayFailures", "localOriginFailures"] {
        above_zero(&mut detectors.object(name), "consecutive");
    }
    for (name, own) in [("successRate", "standardDeviationFactor"), ("failurePercentage", "threshold")] {
        let mut detector = detectors.object(name);
        detector.number::<u32>("minimumHosts");
        detector.number::<u32>("requestVolume");
        match own {
            "threshold" => percent(&mut detector, own),
            // A number, or text with decimals.
            own => drop(detector.value(own)),
        }
    }
}
