//! Reader of MeshService: a service's ports, and the dataplanes that offer it (spec 01 §5).

use serde_json::Value;

use crate::draft::topology::{protocol, service_name, tags};
use crate::draft::{Body, Context, Fields};
use crate::profile::Profile;
use crate::reference::Labels;
use crate::resource::Spec;
use crate::topology::{Identity, MeshService, ServiceAvailability, ServicePort, ServiceSelector, TargetPort};

/// Reads and checks a MeshService.
pub(crate) fn mesh_service(body: &mut Body<'_>, context: &Context<'_>) -> Spec {
    service_name::check(body, context);
    let Body { spec, status } = body;
    let availability =
        [("Available", ServiceAvailability::Available), ("Unavailable", ServiceAvailability::Unavailable)];
    Spec::MeshService(MeshService {
        selector: selector(spec.object("selector"), context.profile),
        ports: spec.list("ports", |fields| port(fields, context.profile)),
        identities: spec.items("identities").into_iter().filter_map(identity).collect(),
        availability: spec.choice("state", &availability).unwrap_or_default(),
        vips: vips(status),
        host_names: host_names(status),
        tls_ready: tls_is_ready(status),
    })
}

fn selector(mut selector: Fields<'_>, profile: Profile) -> ServiceSelector {
    let forms = match profile.tags_name_services() {
        true => &["dataplaneTags", "dataplaneRef", "dataplaneLabels"][..],
        false => &["dataplaneRef", "dataplaneLabels"][..],
    };
    if profile.checks_service_selector() && forms.iter().filter(|form| selector.has(form)).count() > 1 {
        let only = forms.join(", ");
        let only = only.rsplit_once(", ").map_or(only.clone(), |(all, last)| format!("{all} or {last}"));
        selector.violate_here(format!("must specify only one of: {only}"));
    }
    let mut reference = selector.object("dataplaneRef");
    let (name, namespace) = (reference.text("name"), reference.text("namespace"));
    let (by_labels, labels) = labels(&mut selector);
    let by_tags = selector.has("dataplaneTags");
    let tags = tags::read(&mut selector, "dataplaneTags");
    match name {
        _ if by_tags => ServiceSelector::Tags(tags),
        Some(name) => ServiceSelector::Name { name, namespace },
        None if by_labels => ServiceSelector::Labels(labels),
        None => ServiceSelector::None,
    }
}

/// Reads `dataplaneLabels`: `{matchLabels: {…}}`, or the labels themselves. Returns `true` if it is present, and
/// its labels.
fn labels(selector: &mut Fields<'_>) -> (bool, Labels) {
    let name = "dataplaneLabels";
    let mut fields = selector.object(name);
    let nested = fields.has("matchLabels") || fields.names().next().is_none();
    let labels = match nested {
        true => fields.map("matchLabels"),
        false => {
            fields.know_the_rest();
            selector.map(name)
        }
    };
    (fields.is_present(), labels.unwrap_or_default())
}

/// Reads and checks one port of a service.
pub(super) fn port(mut fields: Fields<'_>, profile: Profile) -> ServicePort {
    // Name of the field before 2.9.
    let older = protocol::read(&mut fields, "protocol", profile);
    ServicePort {
        name: fields.text("name"),
        port: fields.number("port").unwrap_or_default(),
        target_port: target_port(&mut fields),
        protocol: protocol::read(&mut fields, "appProtocol", profile).or(older),
    }
}

fn target_port(fields: &mut Fields<'_>) -> Option<TargetPort> {
    let is_number = matches!(fields.value("targetPort")?, Value::Number(_));
    match is_number {
        true => fields.number("targetPort").map(TargetPort::Number),
        false => fields.text("targetPort").map(TargetPort::Name),
    }
}

fn identity(mut fields: Fields<'_>) -> Option<Identity> {
    let value = fields.string("value");
    let is_tag = fields.choice("type", &[("ServiceTag", true), ("SpiffeID", false)])?;
    Some(if is_tag { Identity::ServiceTag(value) } else { Identity::SpiffeId(value) })
}

/// Reads the virtual IP addresses of a service from its status.
pub(super) fn vips(status: &mut Fields<'_>) -> Vec<String> {
    let vip = |mut vip: Fields<'_>| {
        vip.know_the_rest();
        vip.text("ip")
    };
    status.items("vips").into_iter().filter_map(vip).collect()
}

/// Reads the host names of a service from its status.
pub(super) fn host_names(status: &mut Fields<'_>) -> Vec<String> {
    let name = |mut address: Fields<'_>| {
        address.know_the_rest();
        address.text("hostname")
    };
    status.items("addresses").into_iter().filter_map(name).collect()
}

fn tls_is_ready(status: &mut Fields<'_>) -> Option<bool> {
    let mut tls = status.object("tls");
    tls.know_the_rest();
    tls.text("status").map(|status| status == "Ready")
}
