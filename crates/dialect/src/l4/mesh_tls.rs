//! Mesh TLS, which our proxy does not speak: what it refuses for that, and what it serves in plaintext.

use plan::{Mtls, Terminated};

/// Why a connection that the mesh wants secured is refused.
pub(super) fn is_required(mesh: &str, mtls: Option<&Mtls>) -> String {
    format!(
        "mesh `{mesh}` requires mTLS{}, which this proxy does not speak yet; plaintext is accepted in mode PERMISSIVE only",
        issuer(mtls)
    )
}

/// Who issues the certificates, in brackets; empty where nobody is known.
pub(super) fn issuer(mtls: Option<&Mtls>) -> String {
    mtls.map_or_else(String::new, |mtls| format!(" ({})", mtls.identity))
}

/// Why an inbound refuses every connection; absent: it may take plaintext.
pub(super) fn refuses_inbound(terminated: &Terminated) -> Option<String> {
    let Terminated { mtls, permissive, mode_by: _, params: _, peer_prefixes: _, permissions: _ } = terminated;
    (!permissive).then(|| is_required(&mtls.mesh, Some(mtls)))
}

/// What the operator should know about the inbounds of a mesh with TLS.
pub(super) fn of_inbounds(mtls: &Mtls) -> String {
    match mtls.permissive {
        false => {
            format!("every connection to an inbound is refused: {}", is_required(&mtls.mesh, Some(mtls)))
        }
        true => format!(
            "inbounds take plaintext only: mesh `{}` allows it in mode PERMISSIVE, and this proxy does not speak mTLS{} yet",
            mtls.mesh,
            issuer(Some(mtls))
        ),
    }
}
