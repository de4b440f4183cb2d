//! TLS to a destination outside the mesh (spec 07 §15).

use std::net::IpAddr;

use model::topology::Verification;
use model::topology::{
    AltName, ExternalAuthority, ExternalService, ExternalTls as Written, MeshExternalService,
};
use model::{Resource, Spec};

use crate::plan::{Authority, ExternalName, ExternalPart, ExternalPeer, ExternalSecret, ExternalTls};

/// Returns the TLS to a service outside the mesh; `None`: plaintext, or the resource is of another kind.
pub(crate) fn to_outside(resource: &Resource) -> Option<ExternalTls> {
    match resource.spec() {
        Spec::MeshExternalService(spec) => of_service(resource, spec),
        Spec::ExternalService(spec) => of_external_service(resource, spec),
        _ => None,
    }
}

/// Returns the TLS to a MeshExternalService; `None`: plaintext. One for all of its endpoints, made from the first.
pub(super) fn of_service(resource: &Resource, spec: &MeshExternalService) -> Option<ExternalTls> {
    let Written { server_name, verification, alt_names, authority, client, min, max } = spec.tls.as_ref()?;
    let host = spec.endpoints.first().map(|endpoint| endpoint.address.as_str()).unwrap_or_default();
    let own = Some(host).filter(|host| !host.starts_with("unix://") && host.parse::<IpAddr>().is_err());
    let own = own.filter(|host| !host.is_empty());
    let by = self::authority(authority.as_ref(), || secret(resource, ExternalPart::Authority));
    let certified = |names| ExternalPeer::Certified { by, names, min: *min, max: *max };
    let named = server_name.as_deref().or(own);
    let (server_name, verify) = match verification {
        Verification::Secured => (named, certified(names(named.unwrap_or(host), alt_names))),
        Verification::SkipSan => (own, certified(Vec::new())),
        Verification::SkipCa => (named, ExternalPeer::Anybody),
        Verification::SkipAll => (own, ExternalPeer::Anybody),
    };
    let shows = client.is_some() && *verification != Verification::SkipAll;
    Some(ExternalTls {
        server_name: server_name.map(str::to_owned),
        verify,
        client_certificate: shows.then(|| secret(resource, ExternalPart::Client)),
    })
}

/// Returns the TLS to an ExternalService; `None`: plaintext.
pub(in crate::routing) fn of_external_service(
    resource: &Resource,
    spec: &ExternalService,
) -> Option<ExternalTls> {
    let ExternalService { tags: _, host, port: _, is_dialled_by_host: _, tls } = spec;
    let Written { server_name, verification, alt_names: _, authority, client, min, max } = tls.as_ref()?;
    let name = server_name.as_ref().unwrap_or(host);
    // an address is no server name
    let is_name = server_name.is_some() || host.parse::<IpAddr>().is_err();
    Some(ExternalTls {
        server_name: is_name.then(|| name.clone()),
        verify: ExternalPeer::Certified {
            by: self::authority(authority.as_ref(), || secret(resource, ExternalPart::Authority)),
            names: if *verification == Verification::SkipSan { Vec::new() } else { names(name, &[]) },
            min: *min,
            max: *max,
        },
        client_certificate: client.is_some().then(|| secret(resource, ExternalPart::Client)),
    })
}

fn secret(resource: &Resource, part: ExternalPart) -> ExternalSecret {
    let (mesh, service) = about(resource);
    ExternalSecret { part, mesh, service }
}

/// Returns the mesh of a service outside the mesh, and its name in secrets.
pub(super) fn about(resource: &Resource) -> (String, String) {
    let meta = resource.meta();
    let name = match resource.spec() {
        Spec::ExternalService(_) => format!("externalservice/{}", meta.name),
        _ => meta.name.as_str().to_owned(),
    };
    (meta.mesh.as_str().to_owned(), name)
}

fn authority(written: Option<&ExternalAuthority>, secret: impl FnOnce() -> ExternalSecret) -> Authority {
    match written {
        None => Authority::Host,
        Some(ExternalAuthority::Inline(pem)) => Authority::Inline(pem.clone()),
        Some(ExternalAuthority::At(_)) => Authority::Secret(secret()),
    }
}

/// Returns the names that a certificate may have, in the order of the reference: the server's own in both sorts,
/// and then those that are listed, in one sort and then in the other. They widen what is accepted, and never narrow
/// it.
fn names(own: &str, listed: &[AltName]) -> Vec<ExternalName> {
    let sorts = [false, true];
    let name =
        |is_address, is_prefix, name: &str| ExternalName { is_address, is_prefix, name: name.to_owned() };
    let of_server = sorts.into_iter().map(|is_address| name(is_address, false, own));
    let of_list = sorts.into_iter().flat_map(|is_address| {
        listed.iter().map(move |listed| match listed {
            AltName::Exact(text) => name(is_address, false, text),
            AltName::Prefix(text) => name(is_address, true, text),
        })
    });
    of_server.chain(of_list).collect()
}
