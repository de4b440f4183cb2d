//! Reader of `metrics`, which Prometheus scrapes. It has no effect on routing, and is only checked.

use std::collections::BTreeSet;

use crate::draft::Fields;

const PROMETHEUS: &str = "prometheus";

/// Checks the metrics backend of a dataplane, or one of a mesh.
pub(crate) fn check(backend: &mut Fields<'_>) {
    backend.known(&["name"]);
    if backend.string("type") != PROMETHEUS {
        backend.violate("type", format!("unknown backend type. Available backends: \"{PROMETHEUS}\""));
        backend.known(&["conf"]);
        return;
    }
    let mut conf = backend.object("conf");
    conf.known(&["port", "path", "tags", "skipMTLS", "envoy", "tls"]);
    let mut names = BTreeSet::new();
    for mut aggregate in conf.items("aggregate") {
        aggregate.known(&["path", "port", "enabled", "address"]);
        let name = aggregate.string("name");
        if !names.insert(name.clone()) {
            aggregate.violate("name", format!("duplicate entry: {name}, values have to be unique"));
        }
    }
}

/// Checks the metrics of a dataplane, if it has any.
pub(super) fn read(dataplane: &mut Fields<'_>) {
    let mut metrics = dataplane.object("metrics");
    if metrics.is_present() {
        check(&mut metrics);
    }
}
