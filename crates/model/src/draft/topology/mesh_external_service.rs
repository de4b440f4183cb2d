//! Reader of MeshExternalService: a service outside the mesh (spec 01 §7).

mod endpoint;
mod tls;

use crate::draft::topology::{mesh_service, service_name};
use crate::draft::{Body, Context, Fields};
use crate::resource::Spec;
use crate::topology::{MeshExternalService, Protocol};

const PORT_MUST_BE_VALID: &str = "port must be a valid (1-65535)";

/// Reads and checks a MeshExternalService.
pub(crate) fn mesh_external_service(body: &mut Body<'_>, context: &Context<'_>) -> Spec {
    service_name::check(body, context);
    let Body { spec, status } = body;
    let has_match = spec.has("match");
    let fields = spec.object("match");
    let (port, protocol) = match has_match {
        true => read_match(fields),
        false => {
            spec.violate("match", "in body is required");
            (0, Protocol::Tcp)
        }
    };
    let mut extension = spec.object("extension");
    extension.known(&["config"]);
    if extension.text("type").is_none() && extension.is_present() {
        extension.violate("type", "must not be empty");
    }
    let mut vip = status.object("vip");
    vip.know_the_rest();
    Spec::MeshExternalService(MeshExternalService {
        port,
        protocol,
        endpoints: spec.list("endpoints", |fields| endpoint::read(fields, context.profile)),
        tls: tls::read(spec.object("tls"), context.profile),
        has_extension: extension.is_present(),
        vip: vip.text("ip"),
        host_names: mesh_service::host_names(status),
    })
}

/// Reads the port and protocol that clients dial.
fn read_match(mut fields: Fields<'_>) -> (u32, Protocol) {
    let kind = fields.text("type").unwrap_or_else(|| "HostnameGenerator".into());
    if kind != "HostnameGenerator" {
        let message = format!("unrecognized type '{kind}' - only 'HostnameGenerator' is supported");
        fields.violate("type", message);
    }
    let port = fields.number("port").and_then(valid_port);
    if port.is_none() {
        fields.violate("port", PORT_MUST_BE_VALID);
    }
    let words = ["tcp", "grpc", "http", "http2"];
    let protocol = word(&mut fields, "protocol", &words);
    (port.unwrap_or_default(), protocol.map_or(Protocol::Tcp, |word| Protocol::from_text(&word)))
}

fn valid_port(port: u64) -> Option<u32> {
    u16::try_from(port).ok().filter(|port| *port != 0).map(u32::from)
}

/// Reads and checks one of some words, in the words of the reference.
fn word<'d>(fields: &mut Fields<'d>, name: &'d str, known: &[&str]) -> Option<String> {
    let word = fields.text(name)?;
    if !known.contains(&word.as_str()) {
        fields.violate(name, format!("\"{name}\" must be one of [\"{}\"]", known.join("\", \"")));
    }
    Some(word)
}
