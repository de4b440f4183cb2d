//! Reader of MeshAccessLog.

use crate::draft::fields::Fields;
use crate::policy::{AccessLogBackend, AccessLogConf, AccessLogFormat, AccessLogTarget};

/// Sort of backend: the constructor of a target, and the section and field of its address.
type BackendType = (fn(String) -> AccessLogTarget, &'static str, &'static str);

const TCP: BackendType = (AccessLogTarget::Tcp, "tcp", "address");
const FILE: BackendType = (AccessLogTarget::File, "file", "path");
const OPEN_TELEMETRY: BackendType = (AccessLogTarget::OpenTelemetry, "openTelemetry", "endpoint");

pub(super) fn read(mut conf: Fields<'_>) -> AccessLogConf {
    let is_said = conf.has("backends");
    let backends: Vec<_> = conf.items("backends").into_iter().filter_map(backend).collect();
    AccessLogConf { backends: is_said.then_some(backends) }
}

/// Reads a backend; absent if its type and its body do not agree.
fn backend(mut backend: Fields<'_>) -> Option<AccessLogBackend> {
    let sort = backend.choice("type", &[("Tcp", TCP), ("File", FILE), ("OpenTelemetry", OPEN_TELEMETRY)]);
    backend.known(&["tcp", "file", "openTelemetry"]);
    let sort = match sort {
        None if backend.has("type") => return None,
        None => {
            backend.error("type", "a backend needs a type", Some("add `type: File` or `type: Tcp`".into()));
            // a stored backend without a type has that of its section
            [FILE, TCP, OPEN_TELEMETRY].into_iter().find(|(_, section, _)| backend.has(section))?
        }
        Some(sort) => sort,
    };
    let (target, section, place) = sort;
    let mut body = backend.object(section);
    if section == OPEN_TELEMETRY.1 {
        let help = "add a backend of type File or Tcp, if lines are needed from this data plane";
        backend.warn("type", "no line is carried to OpenTelemetry", Some(help.into()));
        body.know_the_rest();
    }
    let format = match body.has("format") {
        true if section != OPEN_TELEMETRY.1 => format(body.object("format")),
        _ => None,
    };
    let at = body.text(place);
    if at.is_none() && section != OPEN_TELEMETRY.1 {
        body.error(place, format!("a backend of this type needs `{place}`"), None);
    }
    Some(AccessLogBackend { target: target(at?), format })
}

fn format(mut format: Fields<'_>) -> Option<AccessLogFormat> {
    format.choice("type", &[("Plain", ()), ("Json", ())]);
    let plain = format.text("plain");
    format.flag("omitEmptyValues");
    let is_json = format.has("json");
    let pairs = format.items("json").into_iter().filter_map(|mut pair| {
        let (key, value) = (pair.text("key"), pair.text("value"));
        Some((key?, value?))
    });
    let pairs: Vec<_> = pairs.collect();
    plain.map(AccessLogFormat::Plain).or(is_json.then_some(AccessLogFormat::Json(pairs)))
}
