//! Metrics of mirrors.

use l4::counts::{ListenerSnapshot, MirrorsSnapshot};
use l4::ending::MirrorEnd;

use super::sample::{Family, Labels, Sample, families};

/// Returns the families of mirrors: samples of listeners that have one, or had.
pub(super) fn families(listeners: &[ListenerSnapshot]) -> Vec<Family<'_>> {
    let with_mirrors =
        || listeners.iter().filter_map(|listener| Some((listener, listener.mirrors.as_ref()?)));
    let each = |value: fn(&MirrorsSnapshot) -> u64| {
        let sample = |(listener, mirrors)| (labels(listener), Sample::Count(value(mirrors)));
        with_mirrors().map(sample).collect()
    };
    let mut ended = Vec::new();
    for (listener, mirrors) in with_mirrors() {
        // starts at 0: a missing series has no rate
        for end in MirrorEnd::ALL {
            let mut labels = labels(listener);
            labels.push(("ended", end.as_str()));
            ended.push((labels, Sample::Count(mirrors.ended.get(&end).copied().unwrap_or(0))));
        }
    }
    families! {
        "meshtcp_mirror_connections_active", "Mirrors of connections that live",
            Gauge, each(|mirrors| mirrors.active);
        "meshtcp_mirror_connections_ended", "Mirrors of connections that ended or never began, by how",
            Counter, ended;
        "meshtcp_mirror_bytes", "Bytes of clients that were copied to mirrors",
            Counter, each(|mirrors| mirrors.bytes);
    }
}

fn labels(listener: &ListenerSnapshot) -> Labels<'_> {
    vec![("proxy", listener.proxy.as_str()), ("listener", &listener.name)]
}
