//! How connections are treated, each value with the policy that said it (spec 01 §14).
//!
//! What a listener feels is looked up by what is dialled; what a cluster feels, by the backend.

mod cluster;
mod declared;

use std::time::Duration;

use model::Spec;
use model::policy::{AccessLogConf, AccessLogFormat, AccessLogTarget, RetryConf, Spoken, TimeoutConf};

use crate::plan::{AccessLog, ConnectionSettings, LogBackend, LogFormat, PolicyOrigin, Sourced, Warning};
use crate::rules::Merged;
use crate::view::View;

pub(super) use cluster::{SaidOfCluster, of_cluster};
pub(super) use declared::{
    by_route_or_mesh, data_path, data_path_of_nobody, declare, of_dataplane, of_destination, of_mesh,
    of_split, within_zone,
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
    warnings: &mut Vec<Warning>,
) -> ConnectionSettings {
    let Said { timeout, retry, access_log } = said;
    ConnectionSettings {
        idle_timeout: sourced(view, timeout, |said: &TimeoutConf| said.idle),
        max_connect_attempts: sourced(view, retry, |said: &RetryConf| said.max_connect_attempts),
        access_logs: access_logs(view, access_log, listener, warnings),
        ..ConnectionSettings::default()
    }
}

/// How long establishing a connection to an endpoint of a backend may take.
pub(super) fn connect_timeout(view: &View<'_>, timeout: Option<&Merged>) -> Option<Sourced<Duration>> {
    sourced(view, timeout, |said: &TimeoutConf| said.connect)
}

/// A value of a conf, and who said it.
pub(super) fn sourced<C: Spoken, T>(
    view: &View<'_>,
    merged: Option<&Merged>,
    read: fn(&C) -> Option<T>,
) -> Option<Sourced<T>> {
    together(view, merged, read, |said| read(said).is_some())
}

/// What several policies may say together: the most important one with a word in it stands for all.
fn together<C: Spoken, T>(
    view: &View<'_>,
    merged: Option<&Merged>,
    read: fn(&C) -> Option<T>,
    has_a_word: impl Fn(&C) -> bool,
) -> Option<Sourced<T>> {
    let merged = merged?;
    let value = read(merged.said()?)?;
    Some(Sourced { value, origin: who_said(view, merged, has_a_word)? })
}

fn access_logs(
    view: &View<'_>,
    merged: Option<&Merged>,
    listener: &str,
    warnings: &mut Vec<Warning>,
) -> Vec<Sourced<AccessLog>> {
    let read = |said: &AccessLogConf| said.backends.clone();
    let Some(Sourced { value: backends, origin }) = sourced(view, merged, read) else { return Vec::new() };
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

/// The most important of the merged policies that says anything about a value; merging lets its word stand.
fn who_said<C: Spoken>(view: &View<'_>, merged: &Merged, says: impl Fn(&C) -> bool) -> Option<PolicyOrigin> {
    let says = |origin: &&PolicyOrigin| {
        let Some(Spec::Policy(policy)) = view.by_id(&origin.policy).map(|resource| resource.spec()) else {
            return false;
        };
        origin.item.and_then(|item| policy.to.get(item)).and_then(|item| C::of(&item.conf)).is_some_and(&says)
    };
    merged.origins.iter().rev().find(says).or(merged.last_origin()).cloned()
}
