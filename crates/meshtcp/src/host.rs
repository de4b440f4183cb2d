//! Addresses, name and trusted authorities of this host.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Weak};
use std::time::Duration;

use proxy::Proxy;

use crate::output::print;

/// Interval between two checks of the authorities that this host trusts.
const LOOKS: Duration = Duration::from_secs(30);

/// Every address at which connections to this host may arrive, except loopback (always ours), sorted.
///
/// Read from the kernel's own tables: `/proc/net/fib_trie` lists local IPv4 addresses, `/proc/net/if_inet6` the IPv6
/// ones. Empty where there is no `/proc`: then proxies are named with `--dataplane`.
pub(crate) fn addresses() -> BTreeSet<IpAddr> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let mut addresses: BTreeSet<IpAddr> = BTreeSet::new();
    addresses.extend(local_v4(&read("/proc/net/fib_trie")).map(IpAddr::V4));
    addresses.extend(local_v6(&read("/proc/net/if_inet6")).map(IpAddr::V6));
    addresses.retain(|address| !address.is_loopback());
    addresses
}

/// Has a proxy check now and then which authorities this host trusts, until the proxy is dropped.
pub(crate) async fn watch_authorities(proxy: Weak<Proxy>) {
    loop {
        tokio::time::sleep(LOOKS).await;
        let Some(proxy) = proxy.upgrade() else { return };
        read_authorities(proxy).await;
    }
}

/// Has a proxy read the authorities that this host trusts. A change is printed.
pub(crate) async fn read_authorities(proxy: Arc<Proxy>) {
    // it reads a file, and waits for the workers
    let has_changed = tokio::task::spawn_blocking(move || proxy.read_host_authorities()).await;
    if has_changed.is_ok_and(|has_changed| has_changed) {
        print("this host believes other authorities: services outside the mesh are verified by those\n");
    }
}

/// Name of this host; `None`: it cannot be read.
pub(crate) fn name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// Each leaf `|-- ADDRESS` is followed by a line per route; `/32 host LOCAL` marks an address of this host.
fn local_v4(table: &str) -> impl Iterator<Item = Ipv4Addr> {
    let mut leaf = None;
    table.lines().filter_map(move |line| {
        let line = line.trim();
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse().ok();
            return None;
        }
        if line == "/32 host LOCAL" { leaf } else { None }
    })
}

/// One line per address: 32 hexadecimal digits, then details.
fn local_v6(table: &str) -> impl Iterator<Item = Ipv6Addr> {
    table.lines().filter_map(|line| {
        let digits = line.split_whitespace().next().filter(|digits| digits.len() == 32)?;
        u128::from_str_radix(digits, 16).ok().map(Ipv6Addr::from)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_tables_are_read() {
        let fib = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     |-- 10.0.0.7\n        \
                   /32 host LOCAL\n     |-- 10.0.0.255\n        /32 link BROADCAST\nLocal:\n     |-- 127.0.0.1\n        \
                   /32 host LOCAL\n";
        let found: Vec<_> = local_v4(fib).map(|address| address.to_string()).collect();
        assert_eq!(found, ["10.0.0.7", "127.0.0.1"]);
        let inet6 = "fe80000000000000000000000000abcd 02 40 20 80     eth0\n\
                     00000000000000000000000000000001 01 80 10 80       lo\nnonsense\n";
        let found: Vec<_> = local_v6(inet6).map(|address| address.to_string()).collect();
        assert_eq!(found, ["fe80::abcd", "::1"]);
    }
}
