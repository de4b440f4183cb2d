//! Data path that connections to the outbounds of a plan would take.

use std::collections::BTreeMap;

use change::compile::CompiledProxy;
use kernel::{Capabilities, Path};
use l4::Config;
use l4::config::{Direction, ProxyName};
use serde_json::{Value, json};

/// Data path of each outbound under `--data-path auto`, by its listener's name, on a host that supports everything.
/// Empty if the proxy would refuse its configuration.
pub(super) fn of_outbounds(proxy: &CompiledProxy) -> BTreeMap<String, Path> {
    let name = ProxyName::new(proxy.plan.proxy.id.to_string());
    let config = Config::parse(&[(name, &*proxy.told.l4().resources)]).unwrap_or_default();
    let outbounds = config.listeners().iter().filter(|it| it.direction == Direction::Outbound);
    outbounds.map(|listener| (listener.name.to_string(), Path::of(listener, Capabilities::ALL))).collect()
}

/// Paths as a tree.
pub(super) fn tree(paths: &BTreeMap<String, Path>) -> Value {
    let path =
        |(name, path): (&String, &Path)| (name.clone(), json!({ "path": path.as_str(), "why": path.why() }));
    paths.iter().map(path).collect()
}
