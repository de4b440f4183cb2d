//! Metrics of the control plane besides those of discovery.

use std::fmt;
use std::sync::Arc;

use change::Entry;
use change::paths::TakenPath;
use change::ramp::{Phase, Ramp};
use change::report::ProxyState;
use change::rollout::{LiveAfter, Rollout};
use model::{Kind, ResourceKey};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::Shared;

/// Collector that reads the fleet whenever metrics are encoded.
pub(super) struct Metrics {
    shared: Shared,
}

impl Metrics {
    pub(super) fn new(shared: Shared) -> Self {
        Self { shared }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let standing = self.shared.standing();
        let (revision, dataplanes) = (standing.revision.number(), standing.compiled.proxies.len());
        let rollout = standing.rollouts.all().next_back().map(Rollout::from);
        let count = |number: usize| ConstGauge::new(i64::try_from(number).unwrap_or(i64::MAX));
        let gauge = count(0).metric_type();
        let revision = ConstCounter::new(revision);
        let kind = revision.metric_type();
        revision.encode(encoder.encode_descriptor(
            "revision",
            "The state of the resources that was taken over last",
            None,
            kind,
        )?)?;
        count(dataplanes).encode(encoder.encode_descriptor(
            "dataplanes",
            "Dataplanes that there are",
            None,
            gauge,
        )?)?;

        let statuses = self.shared.statuses.all();
        let mut proxies = encoder.encode_descriptor(
            "proxies",
            "Proxies that have attached, by what became of what they were told",
            None,
            gauge,
        )?;
        let states: Vec<ProxyState> =
            statuses.values().map(|status| ProxyState::of(status, status.is_in_sync())).collect();
        for state in ProxyState::ALL {
            let number = states.iter().filter(|it| **it == state).count();
            count(number).encode(proxies.encode_family(&[("state", state.as_str())])?)?;
        }

        let mut outbounds = encoder.encode_descriptor(
            "outbounds",
            "Outbounds of proxies that are attached here, by the path that their connections take, as the proxies report",
            None,
            gauge,
        )?;
        let current =
            statuses.values().filter_map(|status| status.paths.as_ref()).filter(|paths| !paths.stale);
        let current: Vec<_> = current.collect();
        for path in TakenPath::ALL {
            let number = current.iter().map(|paths| paths.count(path)).sum();
            count(number).encode(outbounds.encode_family(&[("path", path.as_str())])?)?;
        }

        if let Some(Rollout { live, lagging_count, refused_count, live_after, .. }) = rollout {
            let mut proxies = encoder.encode_descriptor(
                "rollout_proxies",
                "Proxies that the newest revision concerns, by how far they have come",
                None,
                gauge,
            )?;
            for (word, number) in [("live", live), ("lagging", lagging_count), ("refused", refused_count)] {
                count(number).encode(proxies.encode_family(&[("state", word)])?)?;
            }
            let LiveAfter { half, most, all } = live_after;
            let mut times = encoder.encode_descriptor(
                "rollout_live_after_seconds",
                "How long after its acceptance so many of 100 of them ran the newest revision",
                None,
                gauge,
            )?;
            for (percent, time) in [("50", half), ("99", most), ("100", all)] {
                if let Some(time) = time {
                    let time = ConstGauge::new(time.as_secs_f64());
                    time.encode(times.encode_family(&[("percent", percent)])?)?;
                }
            }
        }

        let current = self.shared.current();
        let ledger = current.adopted.as_ref().map(|(ledger, _)| ledger);
        let entries = ledger.into_iter().flat_map(change::Ledger::entries);
        let ramp = |(key, entry): (&ResourceKey, &Arc<Entry>)| {
            let is_rollout = key.kind == Kind::MeshTCPRollout;
            Some((key.clone(), is_rollout.then(|| Ramp::of_status(&entry.document.value()["status"]))??))
        };
        let ramps: Vec<(ResourceKey, Ramp)> = entries.filter_map(ramp).collect();
        if !ramps.is_empty() {
            let mut weights = encoder.encode_descriptor(
                "rollout_weight_percent",
                "The share that a MeshTCPRollout gives to where connections shall go",
                None,
                gauge,
            )?;
            for (key, ramp) in &ramps {
                let labels = [("mesh", key.mesh_or_empty()), ("rollout", key.name.as_str())];
                let weight = ConstGauge::new(ramp.weight.as_f64());
                weight.encode(weights.encode_family(&labels)?)?;
            }
            let mut phases =
                encoder.encode_descriptor("rollout_phase", "What a MeshTCPRollout is doing", None, gauge)?;
            for (key, ramp) in &ramps {
                for phase in Phase::ALL {
                    let labels = [
                        ("mesh", key.mesh_or_empty()),
                        ("rollout", key.name.as_str()),
                        ("phase", phase.as_str()),
                    ];
                    count(usize::from(ramp.phase == phase)).encode(phases.encode_family(&labels)?)?;
                }
            }
        }

        let found = &current.problems;
        let mut problems =
            encoder.encode_descriptor("problems", "What is wrong with resources", None, gauge)?;
        for (word, number) in [("error", found.errors()), ("warning", found.warnings())] {
            count(number).encode(problems.encode_family(&[("severity", word)])?)?;
        }
        Ok(())
    }
}
