//! Settings of connections, each value with the policy that set it (spec 01 §14).
//!
//! Settings of a listener are looked up by what is dialled; those of a cluster, by the backend.

mod cluster;
mod declared;

use std::time::Duration;

use model::Spec;
use model::policy::{
    AccessLogBackend, AccessLogConf, AccessLogFormat, AccessLogTarget, PolicyConf, RetryConf, TimeoutConf,
};

use crate::plan::{AccessLog, ConnectionSettings, LogBackend, LogFormat, PolicyOrigin, Sourced, Warning};
use crate::reader::Reader;
use crate::rules::Merged;

pub(super) use cluster::{SaidOfCluster, of_cluster};
pub(super) use declared::{
    by_route_or_mesh, data_path, data_path_of_nobody, declare, of_dataplane, of_destination, of_mesh,
    of_split, within_zone,
};

/// Rules of each policy kind about one listener.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ListenerRules<'r> {
    pub(super) timeout: Option<&'r Merged>,
    pub(super) retry: Option<&'r Merged>,
    pub(super) access_log: Option<&'r Merged>,
}

/// Returns the settings of a listener; a setting that cannot be applied becomes a warning.
pub(super) fn of_listener(
    reader: &Reader<'_>,
    said: ListenerRules<'_>,
    listener: &str,
    warnings: &mut Vec<Warning>,
) -> ConnectionSettings {
    let ListenerRules { timeout, retry, access_log } = said;
    ConnectionSettings {
        idle_timeout: sourced(reader, timeout, |said: &TimeoutConf| said.idle),
        max_connect_attempts: sourced(reader, retry, |said: &RetryConf| said.max_connect_attempts),
        access_logs: sourced(reader, access_log, |said: &AccessLogConf| said.backends.clone())
            .map(|backends| access_logs(backends, listener, warnings))
            .unwrap_or_default(),
        ..ConnectionSettings::default()
    }
}

/// Returns the connect timeout of one endpoint of a backend.
pub(super) fn connect_timeout(reader: &Reader<'_>, timeout: Option<&Merged>) -> Option<Sourced<Duration>> {
    sourced(reader, timeout, |said: &TimeoutConf| said.connect)
}

/// Returns a value of a conf, and its origin.
pub(super) fn sourced<C: PolicyConf, T>(
    reader: &Reader<'_>,
    merged: Option<&Merged>,
    read: fn(&C) -> Option<T>,
) -> Option<Sourced<T>> {
    together(reader, merged, read, |said| read(said).is_some())
}

/// Returns a value that several policies may set together, with the most important one that sets any of it as
/// origin.
fn together<C: PolicyConf, T>(
    reader: &Reader<'_>,
    merged: Option<&Merged>,
    read: fn(&C) -> Option<T>,
    has_a_word: impl Fn(&C) -> bool,
) -> Option<Sourced<T>> {
    let merged = merged?;
    let value = read(merged.said()?)?;
    Some(Sourced { value, origin: who_said(reader, merged, has_a_word)? })
}

/// Where lines go; what cannot be done becomes a warning.
pub(super) fn access_logs(
    Sourced { value: backends, origin }: Sourced<Vec<AccessLogBackend>>,
    listener: &str,
    warnings: &mut Vec<Warning>,
) -> Vec<Sourced<AccessLog>> {
    let mut logs = Vec::new();
    for backend in backends {
        let target = match backend.target {
            AccessLogTarget::File(path) => LogBackend::File(path),
            AccessLogTarget::Tcp(address) => LogBackend::Tcp(address),
            AccessLogTarget::OpenTelemetry(endpoint) => {
                let by = format!("{} `{}`", origin.policy.kind, origin.name);
                warnings.push(format!("{listener}: {by} logs to OpenTelemetry at {endpoint}, which is not supported: use File or Tcp").into());
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

/// Returns the most important of the merged policies that sets a value, which is the one that merging keeps.
fn who_said<C: PolicyConf>(
    reader: &Reader<'_>,
    merged: &Merged,
    says: impl Fn(&C) -> bool,
) -> Option<PolicyOrigin> {
    let says = |origin: &&PolicyOrigin| {
        let Some(Spec::Policy(policy)) = reader.by_id(&origin.policy).map(|resource| resource.spec()) else {
            return false;
        };
        origin.item.and_then(|item| policy.to.get(item)).and_then(|item| C::of(&item.conf)).is_some_and(&says)
    };
    merged.origins.iter().rev().find(says).or(merged.last_origin()).cloned()
}
