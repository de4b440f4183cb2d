//! The confs that a TCP connection feels, checked field by field. What they say about HTTP is known by name only.

mod balancing;
mod breaker;
mod health;

use crate::draft::fields::Fields;
use crate::kind::Kind;
use crate::policy::Percent;

/// Reads a conf for its types and for fields that nobody knows; confs of other kinds are not looked into.
pub(crate) fn check(kind: Kind, item: &mut Fields<'_>) {
    match kind {
        Kind::MeshTimeout => timeout(item.object("default")),
        Kind::MeshRetry => retry(item.object("default")),
        Kind::MeshAccessLog => access_log(item.object("default")),
        Kind::MeshLoadBalancingStrategy => balancing::check(item.object("default")),
        Kind::MeshHealthCheck => health::check(item.object("default")),
        Kind::MeshCircuitBreaker => breaker::check(item.object("default")),
        _ => {}
    }
}

fn timeout(mut conf: Fields<'_>) {
    // The durations themselves are checked where they are written in their one form.
    conf.text("connectionTimeout");
    conf.text("idleTimeout");
    conf.object("http").known(&[
        "requestTimeout",
        "streamIdleTimeout",
        "maxStreamDuration",
        "maxConnectionDuration",
        "requestHeadersTimeout",
    ]);
}

fn retry(mut conf: Fields<'_>) {
    conf.known(&["http", "grpc"]);
    let mut tcp = conf.object("tcp");
    if tcp.number::<u32>("maxConnectAttempt") == Some(0) {
        let help = "write 1 to try once, or leave it out";
        tcp.error("maxConnectAttempt", "0 is no number of attempts", Some(help.into()));
    }
}

fn access_log(mut conf: Fields<'_>) {
    for mut backend in conf.items("backends") {
        let sorts = [
            ("Tcp", ("tcp", "address")),
            ("File", ("file", "path")),
            ("OpenTelemetry", ("openTelemetry", "")),
        ];
        let sort = backend.choice("type", &sorts);
        backend.known(&["tcp", "file", "openTelemetry"]);
        match sort {
            None if !backend.has("type") => {
                backend.error(
                    "type",
                    "a backend needs a type",
                    Some("add `type: File` or `type: Tcp`".into()),
                );
            }
            None => {}
            Some(("openTelemetry", _)) => {
                let help = "add a backend of type File or Tcp, if lines are needed from this data plane";
                backend.warn("type", "no line is carried to OpenTelemetry", Some(help.into()));
            }
            Some((section, place)) => {
                let mut body = backend.object(section);
                format(body.object("format"));
                if body.text(place).is_none() {
                    body.error(place, format!("a backend of this type needs `{place}`"), None);
                }
            }
        }
    }
}

fn format(mut format: Fields<'_>) {
    format.choice("type", &[("Plain", ()), ("Json", ())]);
    format.text("plain");
    format.flag("omitEmptyValues");
    for mut pair in format.items("json") {
        pair.text("key");
        pair.text("value");
    }
}

/// Reads a share in percent: a whole number, or text with decimals.
fn percent<'d>(fields: &mut Fields<'d>, name: &'d str) {
    if let Some(value) = fields.value(name)
        && Percent::of(value).is_none()
    {
        fields.error(name, "is no share from 0 to 100", Some("write 50, or \"33.3\"".into()));
    }
}

/// Reads a whole number that must not be 0.
fn above_zero<'d>(fields: &mut Fields<'d>, name: &'d str) {
    if fields.number::<u32>(name) == Some(0) {
        fields.error(name, "must be more than 0", Some("leave it out for the default".into()));
    }
}
