//! Slow start, where it cannot be.

use plan::Cluster;

/// Why the share of a new endpoint does not grow slowly although somebody asked for it; absent when it does, or when
/// nobody did.
pub(crate) fn no_growth(cluster: &Cluster) -> Option<String> {
    let asked = cluster.settings.slow_start.as_ref().filter(|growth| !growth.value.is_zero())?;
    cluster.settings.growth().is_none().then(|| {
        format!(
            "{}: {} asks for a slow start, which its load balancer cannot do, as it goes by no shares",
            cluster.name, asked.origin
        )
    })
}
