//! How connections are treated, each value with the policy that said it (spec 01 §14).
//!
//! What a listener feels is looked up by what is dialled; what a cluster feels, by the backend.

mod cluster;
mod declared;

use std::time::Duration;

use model::Spec;
use model::policy::{self, AccessLogFormat, AccessLogTarget};
use serde_json::Value;

use crate::plan::{AccessLog, ConnectionSettings, LogBackend, LogFormat, PolicyOrigin, Sourced};
use crate::rules::Merged;
use crate::view::View;

pub(super) use cluster::{SaidOfCluster, of_cluster};
pub(super) use declared::{
    by_route_or_mesh, declare, of_dataplane, of_destination, of_mesh, of_split, within_zone,
};

/// What the policies of each kind say about one listener.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Said<'r> {
    pub(super) timeout: Option<&'r Merged>,
    pub(super) retry: Option<&'r Merged>,
    pub(super) access_log: Option<&'r Merged>,
}

/// The settings of a listener; what cannot be done becomes a warning.
pub(super) fn of_listener(
    view: &View<'_>,
    said: Said<'_>,
    listener: &str,
    warnings: &mut Vec<String>,
) -> ConnectionSettings {
    let Said { timeout, retry, access_log } = said;
    ConnectionSettings {
        idle_timeout: sourced(view, timeout, policy::idle_timeout),
        max_connect_attempts: sourced(view, retry, policy::max_connect_attempts),
        max_connections: None,
        max_age: None,
        accept_proxy_protocol: None,
        access_logs: access_logs(view, access_log, listener, warnings),
    }
}

/// How long establishing a connection to an endpoint of a backend may take.
pub(super) fn connect_timeout(view: &View<'_>, timeout: Option<&Merged>) -> Option<Sourced<Duration>> {
    sourced(view, timeout, policy::connection_timeout)
}

fn sourced<T>(view: &View<'_>, merged: Option<&Merged>, read: fn(&Value) -> Option<T>) -> Option<Sourced<T>> {
    let merged = merged?;
    let value = read(merged.conf())?;
    Some(Sourced { value, origin: who_said(view, merged, |conf| read(conf).is_some())? })
}

fn access_logs(
    view: &View<'_>,
    merged: Option<&Merged>,
    listener: &str,
    warnings: &mut Vec<String>,
) -> Vec<Sourced<AccessLog>> {
    let Some(merged) = merged else { return Vec::new() };
    let Some(origin) = who_said(view, merged, |conf| conf.get("backends").is_some()) else {
        return Vec::new();
    };
    let mut logs = Vec::new();
    for backend in policy::access_log_backends(merged.conf()) {
        let target = match backend.target {
            AccessLogTarget::File(path) => LogBackend::File(path),
            AccessLogTarget::Tcp(address) => LogBackend::Tcp(address),
            AccessLogTarget::OpenTelemetry(endpoint) => {
                let by = format!("{} `{}`", origin.policy.kind, origin.name);
                warnings.push(format!("{listener}: {by} logs to OpenTelemetry at {endpoint}, which is not supported: use File or Tcp"));
                continue;
            }
        };
        let format = backend.format.map(|format| match format {
            AccessLogFormat::Plain(line) => LogFormat::Plain(line),
            AccessLogFormat::Json(members) => LogFormat::Json(members),
        });
        logs.push(Sourced { value: AccessLog { backend: target, format }, origin: origin.clone() });
    }
    logs
}

/// The most important of the merged policies that says anything about a value; merging lets its word stand.
fn who_said(view: &View<'_>, merged: &Merged, says: impl Fn(&Value) -> bool) -> Option<PolicyOrigin> {
    let says = |origin: &&PolicyOrigin| {
        let Some(Spec::Policy(policy)) = view.by_id(&origin.policy).map(|resource| resource.spec()) else {
            return false;
        };
        origin.item.and_then(|item| policy.to.get(item)).is_some_and(|item| says(&item.conf))
    };
    merged.origins.iter().rev().find(says).or(merged.last_origin()).cloned()
}
