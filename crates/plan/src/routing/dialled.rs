//! The outbounds of a proxy (spec 04 §2).

mod reachable;
mod virtual_ip;

use model::topology::{DataplaneOutbound, OutboundTarget};
use model::{Labels, RefKind, ResourceId, Spec};

use super::facts::Facts;
use super::near;
use crate::dialled::{Dialled, DialledTarget};
use crate::plan::Warning;
use crate::view::View;

/// Returns what a proxy dials: its Dataplane's outbounds, or with transparent proxying the virtual IPs that it may
/// reach; what the context lists for it overrides both. An outbound that names nothing is left out, with a warning.
pub(super) fn of_proxy(view: &View<'_>, facts: &Facts<'_>, warnings: &mut Vec<Warning>) -> Vec<Dialled> {
    if let Some(dialled) = view.context().dialled.get(view.proxy()) {
        return dialled.clone();
    }
    if view.dataplane().builtin_gateway().is_some() {
        return Vec::new();
    }
    if !facts.transparent() {
        return written(view, facts, warnings);
    }
    let mut dialled = virtual_ip::of_proxy(view, facts);
    if !facts.profile.transparent_proxies_ignore_outbounds() {
        let written = written(view, facts, warnings);
        dialled.extend(
            written.into_iter().filter(|outbound| !virtual_ip::is_generated(view, &outbound.address)),
        );
    }
    dialled
}

fn written(view: &View<'_>, facts: &Facts<'_>, warnings: &mut Vec<Warning>) -> Vec<Dialled> {
    let mut dialled = Vec::new();
    for DataplaneOutbound { address, port, target: written } in &view.dataplane().outbound {
        let target = match written {
            OutboundTarget::Tags(tags) if tags.service().unwrap_or_default().is_empty() => {
                Err(format!("it names no service that profile {} knows", facts.profile))
            }
            OutboundTarget::Tags(tags) if facts.profile.has_tag_outbounds() => {
                Ok(DialledTarget::Tags(tags.clone()))
            }
            OutboundTarget::Tags(tags) => Err(format!(
                "its tags ({tags}) mean nothing in profile {}: use backendRef with labels",
                facts.profile
            )),
            OutboundTarget::BackendRef { .. } if !facts.profile.has_real_outbounds() => {
                Err(format!("backendRef is not known in profile {}: use tags", facts.profile))
            }
            OutboundTarget::BackendRef { kind, name, labels, port } => {
                resource(view, facts, *kind, name.as_deref(), labels, *port).map(DialledTarget::Resource)
            }
        };
        let marked = match written {
            // a MeshExternalService has one port, which need not be written
            OutboundTarget::BackendRef { port: 0, .. } => Some(String::new()),
            OutboundTarget::BackendRef { port, .. } => Some(port.to_string()),
            OutboundTarget::Tags(_) => None,
        };
        let address = address.clone().unwrap_or_else(|| "127.0.0.1".to_owned());
        match target {
            Ok(target) => dialled.push(Dialled { address, port: *port, target, marked }),
            Err(why) => warnings.push(format!("outbound {address}:{port} is not served: {why}").into()),
        }
    }
    dialled
}

/// Returns the identifier of what a `backendRef` of a Dataplane names: by name in its own zone and namespace, or
/// the oldest with the labels.
fn resource(
    view: &View<'_>,
    facts: &Facts<'_>,
    kind: RefKind,
    name: Option<&str>,
    labels: &Labels,
    port: u32,
) -> Result<ResourceId, String> {
    let Some(kind) = kind.resource_kind() else { return Err(format!("{kind} cannot be dialled")) };
    let own = view.resource().meta();
    let by_name = |zone: &str, namespace: &str, name: &str| ResourceId {
        kind,
        mesh: view.mesh_name().to_owned(),
        zone: zone.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        section: String::new(),
    };
    let found = match name {
        Some(name) => {
            let near_proxy = by_name(own.zone(), own.namespace(), name);
            // Resources of global origin have neither zone nor namespace, and need none to be found from here.
            [
                near_proxy.clone(),
                by_name(own.zone(), "", name),
                by_name("", own.namespace(), name),
                by_name("", "", name),
            ]
            .iter()
            .find_map(|id| view.by_id(id))
            .ok_or_else(|| near::services(view, &near_proxy))?
        }
        None => view
            .by_labels(kind, labels)
            .min_by_key(|resource| (resource.meta().created.unwrap_or(i64::MAX), resource.id()))
            .ok_or_else(|| format!("no {kind} has the labels {labels}"))?,
    };
    let ports = match found.spec() {
        Spec::MeshService(service) => &service.ports,
        Spec::MeshMultiZoneService(service) => &service.ports,
        _ => {
            let section =
                if facts.profile.external_service_has_section() { port.to_string() } else { String::new() };
            return Ok(found.id().with_section(section));
        }
    };
    match ports.iter().find(|candidate| candidate.port == port) {
        Some(port) => Ok(found.id().with_section(port.effective_name())),
        None => Err(format!("{} has no port {port}", found.describe())),
    }
}
