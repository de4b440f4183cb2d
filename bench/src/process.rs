//! Resource usage of a process with its threads and children: read from `/proc`, before and after.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_setaffinity};

/// Process with all its descendants; `None`: no process, so usage is zero.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Processes(Option<u32>);

impl Processes {
    pub(crate) const NONE: Self = Self(None);

    pub(crate) fn of(root: u32) -> Self {
        Self(Some(root))
    }

    /// CPU time so far, of all threads.
    pub(crate) fn cpu(self) -> Duration {
        let threads = self.threads().into_iter();
        let nanoseconds = threads.filter_map(|thread| number(&format!("/proc/{thread}/schedstat"), 0));
        Duration::from_nanos(nanoseconds.sum())
    }

    /// Resident memory, in KiB.
    pub(crate) fn resident(self) -> u64 {
        let text = |process| fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
        let resident = |process| field(&text(process), "Rss:");
        self.tree().into_iter().map(resident).sum()
    }

    /// Number of times that its threads went to sleep so far.
    pub(crate) fn sleeps(self) -> u64 {
        let text = |thread| fs::read_to_string(format!("/proc/{thread}/status")).unwrap_or_default();
        self.threads().into_iter().map(|thread| field(&text(thread), "voluntary_ctxt_switches:")).sum()
    }

    /// Pins all threads to one CPU.
    pub(crate) fn pin(self, cpu: usize) {
        let mut set = CpuSet::new();
        set.set(cpu);
        for thread in self.threads() {
            // a thread that has just ended cannot be pinned
            let _ = sched_setaffinity(thread.try_into().ok().and_then(Pid::from_raw), &set);
        }
    }

    fn tree(self) -> BTreeSet<u32> {
        let mut known = BTreeSet::new();
        let mut open: Vec<u32> = self.0.into_iter().collect();
        while let Some(process) = open.pop() {
            if known.insert(process) {
                for thread in tasks(process) {
                    let children = fs::read_to_string(format!("/proc/{process}/task/{thread}/children"));
                    let children = children.unwrap_or_default();
                    open.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
                }
            }
        }
        known
    }

    fn threads(self) -> Vec<u32> {
        self.tree().into_iter().flat_map(tasks).collect()
    }
}

/// CPU time so far of everything that ran on this machine, at the kernel's resolution of a hundredth of a second.
pub(crate) fn machine_cpu() -> Duration {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let numbers = text.lines().next().unwrap_or_default().split_whitespace().skip(1);
    // user, nice, system, idle, iowait, irq, softirq
    let busy = numbers.take(7).enumerate().filter(|(position, _)| !matches!(position, 3 | 4));
    Duration::from_millis(10 * busy.filter_map(|(_, ticks)| ticks.parse::<u64>().ok()).sum::<u64>())
}

fn tasks(process: u32) -> Vec<u32> {
    let entries = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn number(path: &str, position: usize) -> Option<u64> {
    fs::read_to_string(path).ok()?.split_whitespace().nth(position)?.parse().ok()
}

fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_process_uses_something() {
        let processes = Processes::of(std::process::id());
        assert!(processes.cpu() > Duration::ZERO && processes.resident() > 100);
        assert_eq!((Processes::NONE.cpu(), Processes::NONE.resident()), (Duration::ZERO, 0));
    }
}
