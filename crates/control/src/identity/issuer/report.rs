//! Report on the certificates of all proxies.

use change::certificates::{AuthorityRow, CertificateReport, CertificateRow, OutsideRow};
use plan::ExternalPart;

use crate::identity::issue::{AuthorityId, Issuing};
use crate::identity::outside::OutsideSecrets;

pub(super) fn of(issuing: &Issuing, outside: &OutsideSecrets) -> CertificateReport {
    let authorities = issuing.authorities().map(|(id, signs, former)| AuthorityRow {
        mesh: id.mesh().to_owned(),
        name: name(id),
        ends: signs.as_ref().ok().map(|signs| signs.authority.ends()),
        why: signs.as_ref().err().cloned(),
        former: former.len(),
    });
    let proxies = issuing.holders().map(|(proxy, holder)| {
        let leaf = holder.issued.as_ref().map(|issued| &issued.leaf);
        CertificateRow {
            mesh: proxy.mesh.as_str().to_owned(),
            name: proxy.name.as_str().to_owned(),
            control_plane: None,
            authority: name(&holder.request.by),
            uris: holder.request.uris.clone().unwrap_or_default(),
            serial: leaf.map(|leaf| leaf.serial.clone()),
            made: leaf.map(|leaf| leaf.made),
            ends: leaf.map(|leaf| leaf.ends),
            renews: holder.issued.as_ref().map(|issued| issued.renew_at),
            made_count: holder.made,
            why: holder.why.clone(),
        }
    });
    let outside = outside.secrets().map(|(named, read)| OutsideRow {
        mesh: named.mesh.clone(),
        service: named.service.clone(),
        part: match named.part {
            ExternalPart::Authority => "authority".into(),
            ExternalPart::Client => "client certificate".into(),
        },
        ends: read.as_ref().ok().map(|loaded| loaded.ends),
        why: read.as_ref().err().cloned(),
    });
    CertificateReport {
        authorities: authorities.collect(),
        proxies: proxies.collect(),
        outside: outside.collect(),
    }
}

/// Name of an authority within its mesh.
fn name(id: &AuthorityId) -> String {
    match id {
        AuthorityId::Mesh(_) => "mesh CA".into(),
        AuthorityId::Identity(id) => format!("MeshIdentity {}", id.name),
    }
}
