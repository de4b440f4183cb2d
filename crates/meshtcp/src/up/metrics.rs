//! Metrics of the loop, beside the proxy's own.

use std::fmt;
use std::sync::Arc;

use control::sources::SourceState;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::Status;
use crate::pages::state_in_words;

/// Collector that reads the status whenever metrics are encoded.
pub(super) struct Metrics {
    status: Arc<Status>,
}

impl Metrics {
    pub(super) fn new(status: Arc<Status>) -> Self {
        Self { status }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let report = self.status.report();
        let count = |number: usize| ConstGauge::new(i64::try_from(number).unwrap_or(i64::MAX));

        let changes = ConstCounter::new(report.changes);
        changes.encode(encoder.encode_descriptor(
            "meshtcp_changes",
            "Changes of resources that were taken over",
            None,
            changes.metric_type(),
        )?)?;

        let kind = count(0).metric_type();
        let mut files = encoder.encode_descriptor(
            "meshtcp_files",
            "Files of resources, by what of them is in force",
            None,
            kind,
        )?;
        for state in [SourceState::Current, SourceState::LastGood, SourceState::Nothing] {
            let number = report.files.iter().filter(|(_, found)| *found == state).count();
            count(number).encode(files.encode_family(&[("in_force", state_in_words(state))])?)?;
        }

        let mut problems =
            encoder.encode_descriptor("meshtcp_problems", "What is wrong with resources", None, kind)?;
        for (word, number) in [("error", report.problems.errors()), ("warning", report.problems.warnings())] {
            count(number).encode(problems.encode_family(&[("severity", word)])?)?;
        }

        let unbound = count(report.failed.len());
        unbound.encode(encoder.encode_descriptor(
            "meshtcp_listeners_unbound",
            "Listeners that cannot be bound",
            None,
            kind,
        )?)
    }
}
