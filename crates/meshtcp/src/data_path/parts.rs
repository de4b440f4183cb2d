//! Limits of connections that go either way: each path is told how many the other has.

use std::collections::BTreeMap;
use std::sync::Arc;

use kernel::{Kernel, Limited};
use l4::config::ProxyName;
use proxy::{Part, Proxy};

/// Whose limit it is: a proxy's listener or cluster, by name.
type Whose = (ProxyName, Arc<str>, bool);

/// What the kernel has of each limit.
#[derive(Default)]
pub(super) struct Parts(BTreeMap<Whose, Part>);

impl Parts {
    /// Tells each path what the other has. What has no limit any more is forgotten.
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
