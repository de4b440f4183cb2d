//! Metrics of compiling.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use change::compile::Compiled;

/// Metrics of compiling. Cloning shares the numbers.
#[derive(Clone, Debug)]
pub struct CompileMetrics {
    planned: Counter,
    untouched: Counter,
    refused: Counter,
    seconds: Histogram,
    /// Duration of the last compilation, in nanoseconds.
    last: Arc<AtomicU64>,
}

impl Default for CompileMetrics {
    fn default() -> Self {
        let bounds = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0];
        let (planned, untouched, refused, last) = Default::default();
        Self { planned, untouched, refused, seconds: Histogram::new(bounds), last }
    }
}

impl CompileMetrics {
    /// Adds the metrics to a registry, under `compile_`.
    pub fn register(&self, registry: &mut Registry) {
        let Self { planned, untouched, refused, seconds, last: _ } = self;
        let compile = registry.sub_registry_with_prefix("compile");
        compile.register(
            "seconds",
            "How long it took to make of resources what proxies run",
            seconds.clone(),
        );
        compile.register("proxies_planned", "Plans that were made for a change", planned.clone());
        compile.register(
            "proxies_untouched",
            "Plans that stayed as they were, as nothing that they read had changed",
            untouched.clone(),
        );
        compile.register("refused", "States of the resources that were not taken over", refused.clone());
    }

    /// Records an adopted state, and the duration of its compilation.
    pub fn adopted(&self, compiled: &Compiled, took: Duration) {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        self.planned.inc_by(count(compiled.planned));
        self.untouched.inc_by(count(compiled.proxies.len().saturating_sub(compiled.planned)));
        self.seconds.observe(took.as_secs_f64());
        self.last.store(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Returns the duration of the compilation of the last adopted state; zero before any.
    pub fn last(&self) -> Duration {
        Duration::from_nanos(self.last.load(Relaxed))
    }

    /// Records a state that was refused.
    pub fn refused(&self) {
        self.refused.inc();
    }
}
