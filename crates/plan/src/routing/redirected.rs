//! Connections that the kernel redirects to the proxy and that match no listener (spec 07 §9.5, §16).

use model::Kind;
use model::policy::{PassthroughConf, PassthroughMatches, PassthroughMode, Policy, PolicyConf as _, merged};

use super::facts::Facts;
use super::inbound::Offered;
use super::mesh_tls::MeshTls;
use super::settings::{self, ListenerRules as SaidOfListener};
use crate::matching::policy_of;
use crate::plan::{
    ConnectionSettings, Leaving, ListenerTls, Naming, Passthrough, PolicyOrigin, Redirected, Warning,
};
use crate::rules::{Rules, mesh_id};
use crate::view::View;

/// Service name of connections that match no outbound in the reference.
const PASSED_THROUGH: &str = "pass_through";

/// Returns the treatment for both directions; `None`: nothing is redirected, and no MeshTLS selects the proxy.
pub(super) fn redirected(
    view: &View<'_>,
    facts: &Facts<'_>,
    mesh_tls: &MeshTls<'_>,
    access_log: &Rules,
    inbounds: &[Offered],
    warnings: &mut Vec<Warning>,
) -> Option<Redirected> {
    let said = MergedPassthrough::of(view, warnings);
    let terminated = || {
        inbounds.iter().filter_map(|inbound| match &inbound.listener.accepts {
            ListenerTls::Mtls(terminated) => Some(terminated),
            ListenerTls::Plaintext | ListenerTls::ServerName => None,
        })
    };
    let mtls = facts.mtls.as_ref().filter(|_| view.profile().closes_undeclared_ports());
    let acts = mtls.is_some_and(|mtls| mtls.has_workload_identity() || mesh_tls.acts());
    // a proxy that binds its outbounds is dialled there, and no other connections of the host reach it
    let redirection = facts.redirection.filter(|_| !facts.binds_outbounds);
    if let Some(said) = said.as_ref().filter(|_| redirection.is_none()) {
        let text = format!("{} has no effect: nothing is redirected to this proxy", said.origin);
        warnings.push(text.into());
    }
    // where nothing is redirected, the reference still makes the listener of MeshTLS
    if redirection.is_none() && !acts {
        return None;
    }
    let is_closed = match mtls {
        _ if acts => terminated().all(|terminated| !terminated.permissive),
        // who has no inbounds serves clients outside of the mesh, as a delegated gateway does
        Some(mtls) => view.features().strict_inbound_ports && !mtls.permissive && !inbounds.is_empty(),
        None => false,
    };
    let mut ports: Vec<u16> = Vec::new();
    for Offered { listener, application: _ } in inbounds {
        if !ports.contains(&listener.bind.port) {
            ports.push(listener.bind.port);
        }
    }
    Some(Redirected {
        port: redirection.map_or(0, |redirection| redirection.inbound),
        only: is_closed.then_some(ports),
        ipv6: redirection.is_none_or(|redirection| redirection.ipv6),
        outbound: redirection.map(|redirection| Leaving {
            settings: settings(view, access_log, warnings),
            ..leaving(view, redirection.outbound, said)
        }),
        naming: Naming { unified: facts.unified, ..Naming::default() },
    })
}

/// Returns the treatment of outgoing connections: a policy precedes the mesh.
fn leaving(view: &View<'_>, port: u16, said: Option<MergedPassthrough>) -> Leaving {
    let by_mesh = || match view.mesh().is_none_or(|mesh| mesh.passthrough) {
        true => Passthrough::Everything,
        false => Passthrough::Nothing,
    };
    let (passthrough, origin) = match said {
        None => (by_mesh(), None),
        Some(MergedPassthrough { conf: PassthroughConf { mode, matches }, origin }) => {
            let passthrough = match mode.unwrap_or_default() {
                PassthroughMode::All => Passthrough::Everything,
                PassthroughMode::None => Passthrough::Nothing,
                PassthroughMode::Matched => {
                    let PassthroughMatches(mut matches) = matches.unwrap_or_default();
                    matches.sort();
                    matches.dedup();
                    Passthrough::Only(matches)
                }
            };
            (passthrough, Some(origin))
        }
    };
    Leaving { port, passthrough, origin, settings: ConnectionSettings::default() }
}

/// Returns the settings of a policy about all destinations, or of one about [`PASSED_THROUGH`] where services have
/// tags.
fn settings(view: &View<'_>, access_log: &Rules, warnings: &mut Vec<Warning>) -> ConnectionSettings {
    let of_mesh = || access_log.for_resource(&mesh_id(view.mesh_name()));
    let access_log = access_log.for_service(PASSED_THROUGH).or_else(of_mesh);
    let said = SaidOfListener { access_log, ..SaidOfListener::default() };
    settings::of_listener(view.reader(), said, "what no outbound is for", warnings)
}

/// Merged conf of all policies that select the proxy, and the most important of them.
struct MergedPassthrough {
    conf: PassthroughConf,
    origin: PolicyOrigin,
}

impl MergedPassthrough {
    fn of(view: &View<'_>, warnings: &mut Vec<Warning>) -> Option<Self> {
        let matched = view.matched(Kind::MeshPassthrough);
        warnings.extend(matched.warnings.into_iter().map(Warning::from));
        let said = |policy: &Policy| PassthroughConf::of(policy.default.as_deref()?).cloned();
        let confs: Vec<PassthroughConf> =
            matched.policies.iter().filter_map(|policy| said(policy_of(policy)?)).collect();
        let origin = PolicyOrigin::of(matched.policies.last()?);
        Some(Self { conf: merged(&confs)?, origin })
    }
}
