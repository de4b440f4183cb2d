//! Slow start that is requested but not possible.

use plan::Cluster;

/// Returns the reason why there is no slow start although it was requested; absent: there is, or it was not
/// requested.
pub(crate) fn no_growth(cluster: &Cluster) -> Option<String> {
    let asked = cluster.settings.slow_start.as_ref().filter(|growth| !growth.value.is_zero())?;
    cluster.settings.growth().is_none().then(|| {
        format!(
            "{}: {} asks for a slow start, which its load balancer cannot do, as it goes by no shares",
            cluster.name, asked.origin
        )
    })
}
