//! Mesh TLS, which our proxy does not speak: what it refuses for that, and what it serves in plaintext.

use plan::Mtls;

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

/// Why inbounds refuse every connection; absent: they may take plaintext.
pub(super) fn refuses_inbounds(mtls: &Mtls) -> Option<String> {
    let Mtls { mesh, permissive, identity: _, uris: _, trust: _, unified_names: _ } = mtls;
    (!permissive).then(|| is_required(mesh, Some(mtls)))
}

/// What the operator should know about the inbounds of a mesh with TLS.
pub(super) fn of_inbounds(mtls: &Mtls) -> String {
    match refuses_inbounds(mtls) {
        Some(why) => format!("every connection to an inbound is refused: {why}"),
        None => format!(
            "inbounds take plaintext only: mesh `{}` allows it in mode PERMISSIVE, and this proxy does not speak mTLS{} yet",
            mtls.mesh,
            issuer(Some(mtls))
        ),
    }
}
