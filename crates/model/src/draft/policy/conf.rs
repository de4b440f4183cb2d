//! Readers of the confs that affect a TCP connection, field by field. Fields about HTTP are known by name only.

mod access_log;
mod balancing;
mod breaker;
mod health;
mod mirror;

use std::time::Duration;

use crate::draft::fields::Fields;
use crate::draft::policy::{mesh_tls, permission};
use crate::kind::Kind;
use crate::policy::{Percent, RetryConf, TimeoutConf, TypedConf, parse_duration};
use crate::profile::Profile;

/// Reads the conf below `default`; confs of other kinds are not interpreted.
pub(crate) fn read(kind: Kind, item: &mut Fields<'_>, profile: Profile) -> TypedConf {
    match kind {
        Kind::MeshTimeout => TypedConf::Timeout(timeout(item.object("default"))),
        Kind::MeshRetry => TypedConf::Retry(retry(item.object("default"))),
        Kind::MeshAccessLog => TypedConf::AccessLog(access_log::read(item.object("default"))),
        Kind::MeshLoadBalancingStrategy => TypedConf::LoadBalancing(balancing::read(item.object("default"))),
        Kind::MeshHealthCheck => TypedConf::HealthCheck(health::read(item.object("default"))),
        Kind::MeshCircuitBreaker => TypedConf::CircuitBreaker(breaker::read(item.object("default"))),
        Kind::MeshTrafficPermission => TypedConf::Permission(permission::read(item.object("default"))),
        Kind::MeshTCPMirror => TypedConf::Mirror(mirror::read(item.object("default"), profile)),
        Kind::MeshTLS => TypedConf::Tls(mesh_tls::read(item.object("default"))),
        _ => TypedConf::Unfelt,
    }
}

fn timeout(mut conf: Fields<'_>) -> TimeoutConf {
    let said = TimeoutConf {
        connect: duration(&mut conf, "connectionTimeout"),
        idle: duration(&mut conf, "idleTimeout"),
    };
    conf.object("http").known(&[
        "requestTimeout",
        "streamIdleTimeout",
        "maxStreamDuration",
        "maxConnectionDuration",
        "requestHeadersTimeout",
    ]);
    said
}

fn retry(mut conf: Fields<'_>) -> RetryConf {
    conf.known(&["http", "grpc"]);
    let mut tcp = conf.object("tcp");
    let max_connect_attempts = tcp.number("maxConnectAttempt");
    if max_connect_attempts == Some(0) {
        let help = "write 1 to try once, or leave it out";
        tcp.error("maxConnectAttempt", "0 is no number of attempts", Some(help.into()));
    }
    RetryConf { max_connect_attempts }
}

/// Reads a duration. An invalid one is noted where all durations are normalised.
fn duration<'d>(fields: &mut Fields<'d>, name: &'d str) -> Option<Duration> {
    let is_text = fields.value(name)?.is_string();
    fields.text(name).filter(|_| is_text).and_then(|text| parse_duration(&text))
}

/// Reads a duration above zero: zero is the same as absent.
fn lasting<'d>(fields: &mut Fields<'d>, name: &'d str) -> Option<Duration> {
    duration(fields, name).filter(|duration| !duration.is_zero())
}

/// Reads a share in percent: a whole number, or text with decimals.
fn percent<'d>(fields: &mut Fields<'d>, name: &'d str) -> Option<Percent> {
    let share = Percent::of(fields.value(name)?);
    if share.is_none() {
        fields.error(name, "is no share from 0 to 100", Some("write 50, or \"33.3\"".into()));
    }
    share
}

/// Reads a whole number that must not be 0.
fn above_zero<'d>(fields: &mut Fields<'d>, name: &'d str) -> Option<u32> {
    let number = fields.number(name);
    if number == Some(0) {
        fields.error(name, "must be more than 0", Some("leave it out for the default".into()));
    }
    number.filter(|number| *number > 0)
}

/// Reads an object by `read`; absent if it does not exist.
fn part<'d, T>(fields: &mut Fields<'d>, name: &'d str, read: impl FnOnce(Fields<'d>) -> T) -> Option<T> {
    let object = fields.object(name);
    object.is_present().then(|| read(object))
}
