//! Check for listeners of one dataplane with the same address and port: its proxy could open only one of them.
//!
//! The reference accepts such a dataplane, and of two outbounds uses the last one. Different dataplanes may share
//! an address: they may be on different hosts.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::draft::{Fields, Note, NoteSort};
use crate::topology::{Dataplane, InboundState};
use crate::violation::FieldPath;

/// Default address of an outbound.
const OUTBOUNDS: &str = "127.0.0.1";

/// Refuses every listener whose address and port an earlier one has already.
pub(super) fn check(networking: &Fields<'_>, dataplane: &Dataplane) {
    let mut taken: BTreeMap<(IpAddr, u16), FieldPath> = BTreeMap::new();
    for (address, port, path) in listeners(networking, dataplane) {
        let Ok(ip) = address.parse::<IpAddr>() else { continue };
        if port == 0 {
            continue;
        }
        let Some(first) = taken.get(&(ip, port)) else {
            taken.insert((ip, port), path);
            continue;
        };
        let message = format!(
            "{} is wanted twice: by {path} and by {first}, and one proxy cannot open it for both",
            std::net::SocketAddr::new(ip, port)
        );
        let help = Some("give one of the two another port or address".to_owned());
        networking.findings().note(Note { sort: NoteSort::Error, path: path.field("port"), message, help });
    }
}

/// Returns the listeners that the proxy opens, in the order of the document. Redirected outbounds are not opened.
fn listeners<'a>(
    networking: &Fields<'_>,
    dataplane: &'a Dataplane,
) -> impl Iterator<Item = (&'a str, u16, FieldPath)> + use<'a> {
    let (inbounds, outbounds) = (networking.at("inbound"), networking.at("outbound"));
    let opened = dataplane.inbound.iter().enumerate().filter(|(_, it)| it.state != InboundState::Ignored);
    let opened = opened.map(move |(at, inbound)| {
        let address = inbound.address.as_deref().unwrap_or(&dataplane.address);
        (address, inbound.port, inbounds.index(at))
    });
    let dialled = dataplane.outbound.iter().enumerate().filter(|_| !dataplane.is_transparent());
    let dialled = dialled.map(move |(at, outbound)| {
        (outbound.address.as_deref().unwrap_or(OUTBOUNDS), outbound.port, outbounds.index(at))
    });
    opened.chain(dialled)
}
