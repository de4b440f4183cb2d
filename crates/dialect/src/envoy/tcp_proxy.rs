//! TCP proxy filter (spec 04 §6, 01 §14).

use plan::{ConnectionSettings, DataPath, Mirror, Sourced};
use serde_json::{Value, json};

use super::Note;
use super::access_log::{self, Speaker};
use super::split::{Forward, Target};
use super::words::{duration, extension, object};

/// Returns the filters that carry the connections of a listener: a limit if there is one, then the proxy; none if
/// the connections go nowhere.
pub(super) fn filter(
    stat_prefix: &str,
    forward: &Forward,
    settings: &ConnectionSettings,
    speaker: &Speaker<'_>,
    notes: &mut Vec<Note>,
) -> Vec<Value> {
    let ConnectionSettings {
        idle_timeout,
        max_connect_attempts,
        max_connections,
        max_age,
        accept_proxy_protocol: _,
        access_logs,
        mirror,
        data_path,
    } = settings;
    if let Some(Sourced { value: Mirror { reference, .. }, origin }) = mirror {
        let text = format!("{origin}: Envoy cannot mirror TCP connections: nothing is copied to {reference}");
        notes.push(Note { listener: speaker.listener.into(), text });
    }
    if let Some(Sourced { value: DataPath::Kernel, origin }) = data_path {
        let text = format!("{origin}: Envoy decides about connections that it has accepted: it carries them");
        notes.push(Note { listener: speaker.listener.into(), text });
    }
    let mut config = object(json!({ "statPrefix": stat_prefix }));
    let Forward { to, by_client } = forward;
    match to {
        Target::Nowhere => return Vec::new(),
        Target::Cluster(name) => {
            config.insert("cluster".into(), name.as_str().into());
        }
        Target::Weighted(clusters) => {
            let clusters: Vec<Value> =
                clusters.iter().map(|(name, weight)| json!({ "name": name, "weight": weight })).collect();
            config.insert("weightedClusters".into(), json!({ "clusters": clusters }));
        }
    }
    if *by_client {
        config.insert("hashPolicy".into(), json!([{ "sourceIp": {} }]));
    }
    if let Some(age) = max_age.as_ref().filter(|age| !age.value.is_zero()) {
        config.insert("maxDownstreamConnectionDuration".into(), duration(age.value).into());
    }
    if let Some(timeout) = idle_timeout {
        config.insert("idleTimeout".into(), duration(timeout.value).into());
    }
    if let Some(attempts) = max_connect_attempts {
        config.insert("maxConnectAttempts".into(), attempts.value.max(1).into());
    }
    let logs = access_log::loggers(access_logs, speaker, notes);
    if !logs.is_empty() {
        config.insert("accessLog".into(), logs.into());
    }
    let message = "extensions.filters.network.tcp_proxy.v3.TcpProxy";
    let proxy = extension("envoy.filters.network.tcp_proxy", message, config);
    let limit = max_connections.as_ref().map(|limit| {
        let config = json!({ "statPrefix": stat_prefix, "maxConnections": limit.value });
        let message = "extensions.filters.network.connection_limit.v3.ConnectionLimit";
        extension("envoy.filters.network.connection_limit", message, object(config))
    });
    limit.into_iter().chain([proxy]).collect()
}
