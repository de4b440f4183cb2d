//! MeshTimeout and MeshRetry, as far as a TCP connection feels them.

use std::time::Duration;

use serde_json::Value;

use crate::policy::parse_duration;

/// How long a connection to an endpoint may take to be established: `connectionTimeout` of a merged MeshTimeout conf.
pub fn connection_timeout(conf: &Value) -> Option<Duration> {
    parse_duration(conf.get("connectionTimeout")?.as_str()?)
}

/// How long nothing may move on a connection: `idleTimeout` of a merged MeshTimeout conf. Zero: for ever.
pub fn idle_timeout(conf: &Value) -> Option<Duration> {
    parse_duration(conf.get("idleTimeout")?.as_str()?)
}

/// How many endpoints to try: `tcp.maxConnectAttempt` of a merged MeshRetry conf.
pub fn max_connect_attempts(conf: &Value) -> Option<u32> {
    u32::try_from(conf.pointer("/tcp/maxConnectAttempt")?.as_u64()?).ok()
}
