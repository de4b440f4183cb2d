//! Readers of `logging`, `tracing` and `metrics` of a mesh. They have no effect on routing; only the destinations
//! of access logs are kept, for TrafficLog.

use crate::draft::Fields;
use crate::draft::topology::CANNOT_BE_EMPTY;
use crate::draft::topology::dataplane::check_metrics as check_metrics_backend;
use crate::draft::topology::mesh::backends;
use crate::policy::{AccessLogBackend, AccessLogFormat, AccessLogTarget};
use crate::topology::MeshLogging;

/// Reads the destinations of access logs.
pub(super) fn logging(mut logging: Fields<'_>) -> MeshLogging {
    let mut items = logging.items("backends");
    let names = backends::names(&mut items);
    let mut read = Vec::new();
    for mut backend in items {
        let name = backend.string("name");
        require(&mut backend, "name");
        let format = backend.text("format").map(AccessLogFormat::Plain);
        let kind = backend.string("type");
        let mut conf = backend.object("conf");
        let target = match kind.as_str() {
            "file" => {
                require(&mut conf, "path");
                AccessLogTarget::File(conf.string("path"))
            }
            "tcp" => {
                require(&mut conf, "address");
                AccessLogTarget::Tcp(conf.string("address"))
            }
            _ => {
                conf.know_the_rest();
                backend.violate("type", "unknown backend type. Available backends: \"file\", \"tcp\"");
                continue;
            }
        };
        read.push((name, AccessLogBackend { target, format }));
    }
    let message = "has to be set to one of the logging backend in mesh";
    let default_backend = backends::chosen(&mut logging, "defaultBackend", &names, message);
    MeshLogging { default_backend, backends: read }
}

/// Checks the destinations of traces.
pub(super) fn check_tracing(mut tracing: Fields<'_>) {
    let mut items = tracing.items("backends");
    let names = backends::names(&mut items);
    for mut backend in items {
        require(&mut backend, "name");
        let sampling = backend.value("sampling").and_then(serde_json::Value::as_f64);
        if sampling.is_some_and(|percent| !(0.0..=100.0).contains(&percent)) {
            backend.violate("sampling", "has to be in [0.0 - 100.0] range");
        }
        let kind = backend.string("type");
        let mut conf = backend.object("conf");
        conf.known(&["traceId128bit", "apiVersion", "sharedSpanContext", "port", "splitService"]);
        match kind.as_str() {
            "zipkin" => require(&mut conf, "url"),
            "datadog" => require(&mut conf, "address"),
            _ => {
                conf.know_the_rest();
                let message = "unknown backend type. Available backends: \"zipkin\", \"datadog\"";
                backend.violate("type", message);
            }
        }
    }
    let message = "has to be set to one of the tracing backend in mesh";
    backends::chosen(&mut tracing, "defaultBackend", &names, message);
}

/// Checks the metrics backends.
pub(super) fn check_metrics(mut metrics: Fields<'_>) {
    let mut items = metrics.items("backends");
    let names = backends::names(&mut items);
    items.iter_mut().for_each(check_metrics_backend);
    let message = "has to be set to one of the backends in the mesh";
    backends::chosen(&mut metrics, "enabledBackend", &names, message);
}

fn require<'d>(fields: &mut Fields<'d>, name: &'d str) {
    if fields.text(name).is_none() {
        fields.violate(name, CANNOT_BE_EMPTY);
    }
}
