//! One port of a real service, found by its identifier.

use model::topology::{Protocol, ServicePort};
use model::{Resource, ResourceId, Spec};

use super::near;
use crate::plan::Unusable;
use crate::view::View;

/// One port of a MeshService, MeshMultiZoneService or MeshExternalService.
#[derive(Clone, Debug)]
pub(super) struct Service<'a> {
    /// Resource of the service.
    pub(super) resource: &'a Resource,
    /// Identifier with the section as it was written (spec 04 §5.3).
    pub(super) id: ResourceId,
    /// Port number.
    pub(super) port: u32,
    /// Protocol: `appProtocol`, which an API server defaults to tcp before it stores the service (spec 01 §5).
    pub(super) protocol: Protocol,
}

impl<'a> Service<'a> {
    /// Finds the service; a name or number of a port is looked up by spec 04 §7.
    pub(super) fn find(view: &View<'a>, id: &ResourceId) -> Result<Self, Unusable> {
        let profile = view.profile();
        let Some(resource) = view.by_id(id) else {
            return Err(Unusable::NotFound { looked_for: near::services(view, id) });
        };
        let (port, protocol, name) = match resource.spec() {
            Spec::MeshService(service) => named(service.port(&id.section), &service.ports, id)?,
            Spec::MeshMultiZoneService(service) => named(service.port(&id.section), &service.ports, id)?,
            Spec::MeshExternalService(service) => (service.port, Some(service.protocol), None),
            _ => return Err(Unusable::NotFound { looked_for: near::services(view, id) }),
        };
        let filled_in = name.filter(|_| id.section.is_empty() && profile.fills_in_sections());
        let id = filled_in.map_or_else(|| id.clone(), |name| id.with_section(name));
        Ok(Self { resource, id, port, protocol: profile.protocol(protocol.unwrap_or(Protocol::Tcp)) })
    }
}

type Port = (u32, Option<Protocol>, Option<String>);

fn named(port: Option<&ServicePort>, ports: &[ServicePort], id: &ResourceId) -> Result<Port, Unusable> {
    let Some(port) = port else {
        let has: Vec<String> = ports.iter().map(describe).collect();
        let wanted = if id.section.is_empty() { "an unnamed port" } else { &id.section };
        let has = if has.is_empty() { "no port".to_owned() } else { has.join(", ") };
        return Err(Unusable::NoSuchPort {
            looked_for: format!("{wanted}, {} {} has {has}", id.kind, id.name),
        });
    };
    Ok((port.port, port.protocol, Some(port.effective_name())))
}

fn describe(port: &ServicePort) -> String {
    match &port.name {
        Some(name) => format!("{} ({name})", port.port),
        None => port.port.to_string(),
    }
}
