//! Metrics of the process itself, under the names of Prometheus' own libraries, and its build.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use rustix::process::{Resource, getrlimit};

/// Collector that reads `/proc/self` whenever metrics are encoded. Values that cannot be read are left out.
#[derive(Debug)]
pub(crate) struct Process {
    /// Name of the command, e.g. `up`.
    command: &'static str,
}

impl Process {
    /// Creates the metrics of this process, which runs `command`. They have full names, for a registry without a
    /// prefix.
    pub(crate) fn running(command: &'static str) -> Self {
        Self { command }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let labels = [("version", env!("CARGO_PKG_VERSION")), ("command", self.command)];
        let one = ConstGauge::new(1u64);
        let mut info = encoder.encode_descriptor(
            "meshtcp_build_info",
            "Which version this is, and which command; always 1",
            None,
            one.metric_type(),
        )?;
        one.encode(info.encode_family(&labels)?)?;

        let usage = Usage::now();
        if let Some(seconds) = usage.cpu_seconds {
            let cpu = ConstCounter::new(seconds);
            let help = "Processor time that the process has used";
            cpu.encode(encoder.encode_descriptor("process_cpu_seconds", help, None, cpu.metric_type())?)?;
        }
        let mut gauge = |name: &str, help: &str, value: Option<f64>| match value.map(ConstGauge::new) {
            Some(gauge) => gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?),
            None => Ok(()),
        };
        gauge("process_resident_memory_bytes", "Memory of the process that is in RAM", usage.resident)?;
        gauge("process_virtual_memory_bytes", "Address space of the process", usage.virtual_memory)?;
        gauge("process_threads", "Threads of the process", usage.threads)?;
        gauge("process_open_fds", "File descriptors that are open", usage.open_descriptors)?;
        gauge("process_max_fds", "File descriptors that may be open", usage.most_descriptors)?;
        gauge("process_start_time_seconds", "When the process started, in seconds since 1970", usage.started)
    }
}

/// Resource usage of a process, as far as it can be read.
#[derive(Debug, Default)]
struct Usage {
    cpu_seconds: Option<f64>,
    resident: Option<f64>,
    virtual_memory: Option<f64>,
    threads: Option<f64>,
    open_descriptors: Option<f64>,
    most_descriptors: Option<f64>,
    /// Start time in seconds since 1970.
    started: Option<f64>,
}

impl Usage {
    fn now() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // the name of the program is in parentheses and may have spaces: the fields behind it are used, from field 3 on
        let fields: Vec<&str> =
            stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let booted = fs::read_to_string("/proc/stat").unwrap_or_default();
        let booted = booted.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<f64>().ok());
        let descriptors = fs::read_dir("/proc/self/fd").ok();
        Self {
            cpu_seconds: field(14).zip(field(15)).map(|(user, system)| (user + system) / ticks),
            resident: field(24).map(|pages| pages * rustix::param::page_size() as f64),
            virtual_memory: field(23),
            threads: field(20),
            // one of them is open for this reading
            open_descriptors: descriptors.map(|found| found.count().saturating_sub(1) as f64),
            most_descriptors: getrlimit(Resource::Nofile).current.map(|most| most as f64),
            started: booted.zip(field(22)).map(|(booted, after)| booted + after / ticks),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_what_it_uses() {
        let usage = Usage::now();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
        let started = usage.started.unwrap();
        assert!(started > now - 86_400.0 && started <= now + 2.0, "{started}, now {now}");
        assert!(usage.resident.unwrap() > 1e5 && usage.virtual_memory.unwrap() >= usage.resident.unwrap());
        assert!(usage.open_descriptors.unwrap() >= 3.0 && usage.threads.unwrap() >= 1.0);
        assert!(usage.most_descriptors.unwrap() >= usage.open_descriptors.unwrap());
        assert!(usage.cpu_seconds.is_some());
    }
}
