//! Shell of a listener: its address, and the listener filters before its filter chains (spec 04 §6, §10.2, §12.2).

use std::time::Duration;

use plan::{Bind, Direction, Listener, ListenerTls, Naming, Sourced};
use serde_json::{Map, Value, json};

use super::words::{address, duration, extension, url};

/// Limit on a client's silence where plaintext is accepted beside TLS: as in our own proxy.
const SILENCE: Duration = Duration::from_millis(300);

/// Builds a listener around its filter chains.
pub(super) fn around(chains: Vec<Value>, listener: &Listener) -> Value {
    let Listener {
        name,
        bind: Bind { address: ip, port, captured },
        direction,
        service: _,
        protocol: _,
        accepts,
        settings,
        routes,
        naming: Naming { unified, marks, counts_kafka: _, omitted: _ },
    } = listener;
    let traffic = match direction {
        Direction::Outbound(_) => "OUTBOUND",
        Direction::Inbound | Direction::Gateway | Direction::Zone => "INBOUND",
    };
    let mut tree = json!({
        "@type": url("config.listener.v3.Listener"),
        "name": name,
        "trafficDirection": traffic,
    });
    match direction {
        Direction::Outbound(_) => {}
        Direction::Inbound | Direction::Zone => tree["enableReusePort"] = false.into(),
        Direction::Gateway => {
            tree["enableReusePort"] = true.into();
            tree["perConnectionBufferLimitBytes"] = 32768.into();
        }
    }
    tree["address"] = address(ip, u32::from(*port));
    match direction {
        Direction::Inbound | Direction::Outbound(_) => tree["metadata"] = tags(marks.iter()),
        Direction::Gateway | Direction::Zone => {}
    }
    let inspects = match accepts {
        ListenerTls::Plaintext => routes.iter().any(|(claimed, _)| claimed.server_name.is_some()),
        ListenerTls::Mtls(terminated) => terminated.permissive || terminated.permissions.need_server_name(),
        ListenerTls::ServerName => true,
    };
    let header = reads_proxy_protocol(settings.accept_proxy_protocol.as_ref());
    let filters: Vec<Value> = header.into_iter().chain(inspects.then(tls_inspector)).collect();
    if !filters.is_empty() {
        tree["listenerFilters"] = filters.into();
    }
    if inspects && *accepts == ListenerTls::Plaintext {
        // the server of a silent client may speak first
        tree["listenerFiltersTimeout"] = duration(SILENCE).into();
        tree["continueOnListenerFiltersTimeout"] = true.into();
    }
    if !chains.is_empty() {
        tree["filterChains"] = chains.into();
    }
    if *captured {
        tree["bindToPort"] = false.into();
    }
    if *unified {
        tree["statPrefix"] = name.as_str().into();
    }
    tree
}

fn tags<'t>(tags: impl IntoIterator<Item = (&'t str, &'t str)>) -> Value {
    let tags: Map<String, Value> = tags.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
    json!({ "filterMetadata": { "io.kuma.tags": tags } })
}

fn tls_inspector() -> Value {
    let message = "extensions.filters.listener.tls_inspector.v3.TlsInspector";
    extension("envoy.filters.listener.tls_inspector", message, Map::new())
}

/// Returns the filter that reads a PROXY protocol header, if clients send one.
fn reads_proxy_protocol(accept: Option<&Sourced<bool>>) -> Option<Value> {
    let message = "extensions.filters.listener.proxy_protocol.v3.ProxyProtocol";
    accept
        .is_some_and(|accept| accept.value)
        .then(|| extension("envoy.filters.listener.proxy_protocol", message, Map::new()))
}
