//! Findings about this host's limits for a proxy.

use std::fs;

use rustix::process::{Resource, getrlimit};

use super::finding::Finding;

/// Open files below which the limit is too low. A proxy uses two per connection, and four while it splices.
const FEW_FILES: u64 = 65_536;
/// Length of the accept queue below which a burst of connections may be refused.
const SHORT_QUEUE: u64 = 4_096;
/// Number of local ports below which there are too few: it bounds the connections to one endpoint, less those being
/// closed.
const FEW_PORTS: u64 = 20_000;

/// Findings about the limits of this host. Limits that cannot be read are left out.
pub(super) fn look() -> Vec<Finding> {
    let files = getrlimit(Resource::Nofile).maximum;
    let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let ports = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok();
    let tracked = number("/proc/sys/net/netfilter/nf_conntrack_count")
        .zip(number("/proc/sys/net/netfilter/nf_conntrack_max"));
    [
        Some(open_files(files)),
        number("/proc/sys/net/core/somaxconn").map(queue),
        ports.and_then(|range| local_ports(&range)),
        tracked.map(|(count, most)| conntrack(count, most)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn open_files(most: Option<u64>) -> Finding {
    match most {
        Some(most) if most < FEW_FILES => Finding::warn(
            "open files",
            format!("a process may have {most}: enough for {} connections", most / 4),
        )
        .help("LimitNOFILE=1048576 in the unit, or ulimit -Hn"),
        Some(most) => Finding::ok("open files", format!("a process may have {most}")),
        None => Finding::ok("open files", "a process may have any number"),
    }
}

fn queue(most: u64) -> Finding {
    match most < SHORT_QUEUE {
        true => Finding::warn("queues", format!("{most} connections may wait to be accepted"))
            .help(format!("sysctl -w net.core.somaxconn={SHORT_QUEUE}")),
        false => Finding::ok("queues", format!("{most} connections may wait to be accepted")),
    }
}

fn local_ports(range: &str) -> Option<Finding> {
    let mut ends = range.split_whitespace().map(str::parse::<u64>);
    let (Some(Ok(first)), Some(Ok(last))) = (ends.next(), ends.next()) else { return None };
    let ports = (last + 1).saturating_sub(first);
    let says = format!("{ports} connections at once may go from one address to one endpoint");
    Some(match ports < FEW_PORTS {
        true => {
            Finding::warn("local ports", says).help("sysctl -w net.ipv4.ip_local_port_range='1024 65535'")
        }
        false => Finding::ok("local ports", says),
    })
}

fn conntrack(count: u64, most: u64) -> Finding {
    let says = format!("the kernel tracks {count} of {most} connections");
    match count.saturating_mul(5) > most.saturating_mul(4) {
        true => Finding::warn("conntrack", says)
            .help("raise net.netfilter.nf_conntrack_max: beyond it connections are dropped"),
        false => Finding::ok("conntrack", says),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn small_limits_are_told_with_what_to_do() {
        for (finding, level) in [
            (open_files(Some(1024)), Level::Warn),
            (open_files(Some(1 << 20)), Level::Ok),
            (open_files(None), Level::Ok),
            (queue(128), Level::Warn),
            (queue(4096), Level::Ok),
            (local_ports("32768\t60999\n").unwrap(), Level::Ok),
            (local_ports("60000 60999").unwrap(), Level::Warn),
            (conntrack(81, 100), Level::Warn),
            (conntrack(80, 100), Level::Ok),
        ] {
            assert_eq!((finding.level, finding.help.is_some()), (level, level == Level::Warn), "{finding:?}");
        }
        assert_eq!(local_ports("many"), None);
    }
}
