//! Reader of `networking.transparentProxying`: the redirection of connections to the proxy, and the reachable
//! services.

use crate::draft::Fields;
use crate::draft::topology::service_ref;
use crate::profile::Profile;
use crate::topology::TransparentProxying;

/// Reads and checks transparent proxying, if it is set.
pub(super) fn read(networking: &mut Fields<'_>, profile: Profile) -> Option<TransparentProxying> {
    let mut fields = networking.object("transparentProxying");
    if !fields.is_present() {
        return None;
    }
    fields.known(&["redirectPortInboundV6"]);
    Some(TransparentProxying {
        redirect_port_inbound: fields.number("redirectPortInbound").unwrap_or_default(),
        redirect_port_outbound: fields.number("redirectPortOutbound").unwrap_or_default(),
        ipv4_only: fields.text("ipFamilyMode").is_some_and(|mode| mode == "IPv4"),
        direct_access_services: fields.texts("directAccessServices"),
        reachable_services: fields.texts("reachableServices"),
        reachable_backends: fields.has("reachableBackends").then(|| {
            let mut backends = fields.object("reachableBackends");
            backends.list("refs", |reference| service_ref::with_any_port(reference, profile))
        }),
    })
}
