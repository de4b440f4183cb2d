//! Limits shared by both data paths: each path is told the number of connections on the other.

use std::collections::BTreeMap;
use std::sync::Arc;

use kernel::{Kernel, Limited};
use l4::config::ProxyName;
use proxy::{Part, Proxy};

/// Owner of a limit: a proxy's listener or cluster, by name.
type LimitOwner = (ProxyName, Arc<str>, bool);

/// Kernel's part of each limit.
#[derive(Default)]
pub(super) struct Parts(BTreeMap<LimitOwner, Part>);

impl Parts {
    /// Tells each path the other's number. Parts without a limit are forgotten.
    pub(super) fn share(&mut self, kernel: &mut Kernel, proxy: &Proxy) {
        let mut before = std::mem::take(&mut self.0);
        kernel.share_limits(|limited, ours| {
            let whose = match limited {
                Limited::Listener(listener) => (listener.proxy.clone(), Arc::clone(&listener.name), false),
                Limited::Cluster(of, cluster) => (of.clone(), Arc::clone(&cluster.name), true),
            };
            let part = before.remove(&whose).unwrap_or_else(|| match limited {
                Limited::Listener(listener) => proxy.part_of_listener(listener),
                Limited::Cluster(of, cluster) => proxy.part_of_cluster(of, cluster),
            });
            self.0.entry(whose).or_insert(part).exchange(ours)
        });
    }
}
