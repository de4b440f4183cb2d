//! Which tag-based services can be dialled by TLS while their mesh takes plaintext too (spec 07 §8.1).

use std::collections::{BTreeMap, BTreeSet};

use change::certificates::CertificateReport;
use model::topology::MtlsMode;
use model::{Kind, ProxyKey, Spec};
use plan::Snapshot;

/// The proxies that were given a certificate. They count for as long as their Dataplanes are there, also while they are not
/// attached: one that is away for a moment brings nobody back to plaintext.
#[derive(Debug, Default)]
pub struct Certified(BTreeSet<ProxyKey>);

impl Certified {
    /// The services of meshes that take plaintext too whose instances all were given a certificate, as mesh and service.
    pub fn services(
        &mut self,
        report: &CertificateReport,
        snapshot: &Snapshot,
    ) -> BTreeSet<(String, String)> {
        let Self(known) = self;
        let given = report.proxies.iter().filter(|row| row.serial.is_some());
        known.extend(given.map(|row| ProxyKey::new(row.mesh.as_str(), row.name.as_str())));
        let mut there = BTreeSet::new();
        let mut services: BTreeMap<(String, String), bool> = BTreeMap::new();
        for resource in snapshot.of_kind(Kind::Dataplane) {
            let Spec::Dataplane(dataplane) = resource.spec() else { continue };
            let (meta, mesh) = (resource.meta(), resource.meta().mesh.as_str());
            let Some(backend) = snapshot.mesh(mesh).and_then(|mesh| mesh.mtls()) else { continue };
            let key = ProxyKey { mesh: meta.mesh.clone(), name: meta.name.clone() };
            let is_certified = known.contains(&key);
            if is_certified {
                there.insert(key);
            }
            if backend.mode == MtlsMode::Permissive {
                for service in dataplane.inbound.iter().filter_map(|inbound| inbound.tags.service()) {
                    let all = services.entry((mesh.to_owned(), service.to_owned())).or_insert(true);
                    *all &= is_certified;
                }
            }
        }
        *known = there;
        services.into_iter().filter_map(|(service, all)| all.then_some(service)).collect()
    }
}
