//! Settings from the environment variables of OpenTelemetry.
//!
//! Names, meanings and defaults are those of the specification of OpenTelemetry, with one exception: nothing is
//! exported unless an endpoint is set, or `OTEL_{TRACES,METRICS,LOGS}_EXPORTER=otlp` asks for the one on this host.

mod pairs;
mod target;
mod variables;

use std::time::Duration;

use pairs::pairs;
use variables::Variables;

use crate::sampler::Sampler;
use crate::signal::Signal;
pub(crate) use target::{Protocol, Target, path};

/// Settings of the export: signals and their collectors.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Resource attributes of this process, with a `service.name`.
    pub(crate) resource: Vec<(String, String)>,
    pub(crate) traces: Option<Traces>,
    pub(crate) metrics: Option<Metrics>,
    pub(crate) logs: Option<Logs>,
}

/// Result of reading the environment.
#[derive(Debug)]
pub struct Reading {
    /// Settings; `None`: nothing is exported.
    pub settings: Option<Settings>,
    /// Warnings about invalid values, a sentence each, with the value that is used instead.
    pub warnings: Vec<String>,
}

/// Settings of the export of spans.
#[derive(Clone, Debug)]
pub(crate) struct Traces {
    pub(crate) target: Target,
    pub(crate) batches: Batches,
    pub(crate) sampler: Sampler,
}

/// Settings of the export of metrics.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    pub(crate) target: Target,
    /// Time between two exports.
    pub(crate) interval: Duration,
}

/// Settings of the export of log records.
#[derive(Clone, Debug)]
pub(crate) struct Logs {
    pub(crate) target: Target,
    pub(crate) batches: Batches,
}

/// Settings of batches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batches {
    /// Maximum delay of the first item of a batch.
    pub(crate) delay: Duration,
    /// Limit on items of one batch.
    pub(crate) size: usize,
    /// Limit on queued items; further ones are dropped.
    pub(crate) waiting: usize,
}

impl Settings {
    /// Reads the environment through `read`. `service`: default of the service name.
    pub fn read(read: &dyn Fn(&str) -> Option<String>, service: &str) -> Reading {
        let mut variables = Variables::new(read);
        if variables.is_true("OTEL_SDK_DISABLED") {
            return variables.reading(None);
        }
        let mut target =
            |signal| is_wanted(&mut variables, signal).then(|| Target::read(&mut variables, signal));
        let (traces, metrics, logs) = (target(Signal::Traces), target(Signal::Metrics), target(Signal::Logs));
        let (traces, metrics, logs) = (traces.flatten(), metrics.flatten(), logs.flatten());
        if traces.is_none() && metrics.is_none() && logs.is_none() {
            return variables.reading(None);
        }
        let traces = traces.map(|target| Traces {
            target,
            batches: batches(&mut variables, "BSP", Duration::from_secs(5)),
            sampler: sampler(&mut variables),
        });
        let metrics = metrics.map(|target| {
            let interval = variables.time("OTEL_METRIC_EXPORT_INTERVAL", Duration::from_secs(60));
            let limit = variables.time("OTEL_METRIC_EXPORT_TIMEOUT", Duration::from_secs(30));
            differences_are_not_told(&mut variables);
            Metrics { target: Target { timeout: target.timeout.min(limit), ..target }, interval }
        });
        let logs = logs
            .map(|target| Logs { target, batches: batches(&mut variables, "BLRP", Duration::from_secs(1)) });
        let resource = resource(&mut variables, service);
        variables.reading(Some(Self { resource, traces, metrics, logs }))
    }
}

impl Settings {
    /// Adds resource attributes; those of the variables take precedence.
    #[must_use]
    pub fn described(mut self, attributes: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        for (key, value) in attributes {
            if !self.resource.iter().any(|(known, _)| known == key) {
                self.resource.push((key.to_owned(), value));
            }
        }
        self
    }
}

/// Returns `true` if a signal is to be exported at all.
fn is_wanted(variables: &mut Variables<'_>, signal: Signal) -> bool {
    let name = format!("OTEL_{}_EXPORTER", signal.in_variables());
    match variables.text(&name).as_deref() {
        None => variables.of_exporter(signal, "ENDPOINT").is_some(),
        Some("otlp") => true,
        Some("none") => false,
        Some(other) => {
            variables.warn(&name, other, format_args!("is neither `otlp` nor `none`: no {signal} are told"));
            false
        }
    }
}

fn batches(variables: &mut Variables<'_>, sort: &str, delay: Duration) -> Batches {
    let name = |name: &str| format!("OTEL_{sort}_{name}");
    let waiting = variables.number(&name("MAX_QUEUE_SIZE"), 2048);
    Batches {
        delay: variables.time(&name("SCHEDULE_DELAY"), delay),
        size: variables.number(&name("MAX_EXPORT_BATCH_SIZE"), 512).min(waiting),
        waiting,
    }
}

fn sampler(variables: &mut Variables<'_>) -> Sampler {
    const NAME: &str = "OTEL_TRACES_SAMPLER";
    const SHARE: &str = "OTEL_TRACES_SAMPLER_ARG";
    let Some(said) = variables.text(NAME) else { return Sampler::All };
    // traces here have no parent
    match said.strip_prefix("parentbased_").unwrap_or(&said) {
        "always_on" => Sampler::All,
        "always_off" => Sampler::None,
        "traceidratio" => {
            let Some(share) = variables.text(SHARE) else { return Sampler::All };
            match share.parse() {
                Ok(number) if (0.0..=1.0).contains(&number) => Sampler::Share(number),
                Ok(_) | Err(_) => {
                    variables.warn(SHARE, &share, "is no share from 0 to 1: 1 is used");
                    Sampler::All
                }
            }
        }
        _ => {
            let known = "is none of always_on, always_off and traceidratio, with or without parentbased_ in front: \
                         every trace is told";
            variables.warn(NAME, &said, known);
            Sampler::All
        }
    }
}

fn differences_are_not_told(variables: &mut Variables<'_>) {
    const NAME: &str = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
    if let Some(said) = variables.text(NAME)
        && !said.eq_ignore_ascii_case("cumulative")
    {
        variables.warn(NAME, &said, "is not done: totals are told (`cumulative`)");
    }
}

/// Resource attributes: the service name of the variables, or else that of the command.
fn resource(variables: &mut Variables<'_>, service: &str) -> Vec<(String, String)> {
    const NAME: &str = "OTEL_RESOURCE_ATTRIBUTES";
    const SERVICE: &str = "service.name";
    let said = variables.text(NAME).unwrap_or_default();
    let (mut attributes, wrong) = pairs(&said);
    for pair in wrong {
        variables.warn(NAME, &pair, "is no `key=value`: it is left out");
    }
    let named = attributes.iter().any(|(key, _)| key == SERVICE);
    if let Some(name) = variables.text("OTEL_SERVICE_NAME").or_else(|| (!named).then(|| service.to_owned())) {
        attributes.retain(|(key, _)| key != SERVICE);
        attributes.push((SERVICE.to_owned(), name));
    }
    attributes
}

#[cfg(test)]
mod tests;
