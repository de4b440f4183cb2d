//! The machine: settings that a measurement changes and restores, and a description.

use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setpriority_process, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};

/// CPU of the measured proxy.
pub(crate) const PROXY_CPU: usize = 0;
/// CPU of the load and the backends.
pub(crate) const LOAD_CPU: usize = 1;

/// Kernel settings that are changed for a while; dropping restores them.
pub(crate) struct Settings(Vec<(&'static str, String)>);

impl Settings {
    /// Sets a congestion control that does not pace loopback, and early reuse of ports.
    pub(crate) fn take() -> Self {
        let wanted = [
            ("/proc/sys/net/ipv4/tcp_congestion_control", "cubic"),
            ("/proc/sys/net/ipv4/tcp_tw_reuse_delay", "100"),
        ];
        let mut before = Vec::new();
        for (path, value) in wanted {
            let Ok(old) = fs::read_to_string(path) else { continue };
            match fs::write(path, value) {
                Ok(()) => before.push((path, old)),
                Err(error) => eprintln!("{path} stays {}: {error}", old.trim()),
            }
        }
        Self(before)
    }
}

impl Drop for Settings {
    fn drop(&mut self) {
        for (path, value) in &self.0 {
            if let Err(error) = fs::write(path, value) {
                eprintln!("{path} could not be set back to {}: {error}", value.trim());
            }
        }
    }
}

/// Raises the priority of this process, and its limit on open files to the maximum. Children inherit both.
pub(crate) fn take_precedence(priority: i32) {
    if let Err(errno) = setpriority_process(None, priority) {
        eprintln!("no precedence over other programs: {errno}");
    }
    let maximum = getrlimit(Resource::Nofile).maximum;
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// Pins this thread, and the processes that it starts from now on, to one CPU; `None`: lets them use any.
pub(crate) fn stay_on(cpu: Option<usize>) {
    let mut set = CpuSet::new();
    for index in 0..CpuSet::MAX_CPU {
        if cpu.is_none_or(|cpu| cpu == index) {
            set.set(index);
        }
    }
    if let Err(errno) = sched_setaffinity(None, &set) {
        eprintln!("not pinned: {errno}");
    }
}

/// Waits until other processes use less than a tenth of the machine, for at most `patience`.
pub(crate) fn wait_for_quiet(patience: Duration) {
    const LOOK: Duration = Duration::from_millis(200);
    let start = Instant::now();
    while start.elapsed() < patience {
        let before = busy_and_all();
        sleep(LOOK);
        let after = busy_and_all();
        if (after.0 - before.0) * 10 <= after.1 - before.1 {
            return;
        }
    }
}

/// Number of CPUs.
pub(crate) fn cpus() -> usize {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count()
}

/// Ticks that all CPUs were busy, and ticks in total.
fn busy_and_all() -> (u64, u64) {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let ticks: Vec<u64> = stat
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|tick| tick.parse().ok())
        .collect();
    let all: u64 = ticks.iter().take(8).sum();
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    (all - idle, all)
}

/// Processor, memory and kernel, in a sentence.
pub(crate) fn in_words() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("unknown processor", |(_, name)| name.trim());
    let meminfo = read("/proc/meminfo");
    let kib = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse::<u64>().ok());
    let kernel = read("/proc/sys/kernel/osrelease");
    format!(
        "{} × {model}, {} GiB, Linux {}, loopback, {}",
        cpus(),
        kib.unwrap_or(0).div_ceil(1 << 20),
        kernel.trim(),
        read("/proc/sys/net/ipv4/tcp_congestion_control").trim(),
    )
}

/// First line of the version output of a program.
pub(crate) fn version(program: &str, argument: &str) -> String {
    let Ok(output) = Command::new(program).arg(argument).output() else { return "unknown".into() };
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text)
        .lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("unknown")
        .trim()
        .into()
}
