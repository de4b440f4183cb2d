//! What connections of this process do, counted for whoever asks its admin server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use control::telemetry::{Reporter as Attached, Telemetry};
use jiff::Timestamp;
use l4::ProxyName;
use l4::counts::Snapshot;
use l4::traffic::Reporter;
use proxy::Proxy;
use tokio::time::{MissedTickBehavior, interval};

/// How often counts are looked at.
const BEAT: Duration = Duration::from_secs(1);

/// Hands over what the proxies of this process count, once a second, until it is dropped: by the same reports that a proxy
/// sends to a control plane.
pub(crate) async fn keep(telemetry: Telemetry, proxy: Arc<Proxy>) {
    let started = Timestamp::now();
    let mut reporters: BTreeMap<ProxyName, (Attached, Reporter)> = BTreeMap::new();
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        let mut counted = proxy.counters();
        let mut listeners: BTreeMap<ProxyName, Snapshot> = BTreeMap::new();
        for listener in std::mem::take(&mut counted.listeners) {
            listeners.entry(listener.proxy.clone()).or_default().listeners.push(listener);
        }
        reporters.retain(|name, _| listeners.contains_key(name));
        for (name, counted) in listeners {
            let Ok(id) = name.as_str().parse() else { continue };
            let (attached, reporter) =
                reporters.entry(name).or_insert_with(|| (telemetry.attach(id), Reporter::new(started)));
            if let Some(report) = reporter.report(&counted)
                && let Err(why) = attached.take(report)
            {
                tracing::debug!(%why, "counts are not kept");
            }
        }
    }
}
