//! Reader of `tls`: the end of the TLS sessions of a gateway listener.

use crate::draft::Fields;
use crate::draft::topology::{CANNOT_BE_EMPTY, data_source};
use crate::topology::{GatewayProtocol, GatewayTls, TlsMode};

/// Reads and checks the TLS settings of a listener, if it has any. A TLS listener without any is accepted.
pub(super) fn read(
    listener: &mut Fields<'_>,
    protocol: Option<GatewayProtocol>,
    cross_mesh: bool,
) -> Option<GatewayTls> {
    let mut tls = listener.object("tls");
    if !tls.is_present() {
        if protocol == Some(GatewayProtocol::Https) && !cross_mesh {
            listener.violate("tls", CANNOT_BE_EMPTY);
        }
        return None;
    }
    if cross_mesh {
        listener.violate("tls", "must be empty with crossMesh");
    }
    tls.known(&["options"]);
    let mode = mode(&mut tls);
    let certificates = tls.items("certificates");
    match mode {
        None if !tls.has("mode") => tls.violate("mode", CANNOT_BE_EMPTY),
        None => {}
        Some(TlsMode::Terminate) => match certificates.len() {
            0 => tls.violate("certificates", "cannot be empty in TLS termination mode"),
            // One for each sort of key: RSA and ECDSA.
            1 | 2 => {}
            _ => tls.violate("certificates", "cannot have more than 2 certificates"),
        },
        Some(TlsMode::Passthrough) => {
            if protocol == Some(GatewayProtocol::Https) {
                tls.violate("mode", "mode is not supported on HTTPS listeners");
            }
            if !certificates.is_empty() {
                tls.violate("certificates", "must be empty in TLS passthrough mode");
            }
        }
    }
    let certificates = certificates.into_iter().filter_map(data_source::certificate).collect();
    Some(GatewayTls { mode: mode.unwrap_or(TlsMode::Terminate), certificates })
}

fn mode(tls: &mut Fields<'_>) -> Option<TlsMode> {
    tls.choice("mode", &[("TERMINATE", TlsMode::Terminate), ("PASSTHROUGH", TlsMode::Passthrough)])
}
