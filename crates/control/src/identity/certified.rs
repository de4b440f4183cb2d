//! Tag-based services that can be dialled by TLS while their mesh accepts plaintext too (spec 07 §8.1).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use change::certificates::CertificateReport;
use model::topology::MtlsMode;
use model::{Kind, ProxyKey, Spec};
use plan::Snapshot;

use super::Issuer;

/// Proxies that were given a certificate. They count for as long as their Dataplanes exist, also while they are not
/// attached: a proxy that is away for a moment brings nobody back to plaintext.
#[derive(Debug, Default)]
pub struct Certified {
    known: BTreeSet<ProxyKey>,
    /// Input of the last count: most turns of the loop bring neither another certificate nor other resources.
    counted: Option<(Arc<CertificateReport>, Arc<Snapshot>)>,
}

impl Certified {
    /// Returns the services whose instances all were given a certificate, in meshes that accept plaintext too, as mesh
    /// and service; `None`: nothing has happened that could change them.
    pub fn news(&mut self, issuer: &Issuer, snapshot: &Arc<Snapshot>) -> Option<BTreeSet<(String, String)>> {
        let report = Arc::clone(&issuer.report().borrow());
        let is_same = |(last, of): &(Arc<CertificateReport>, Arc<Snapshot>)| {
            Arc::ptr_eq(last, &report) && Arc::ptr_eq(of, snapshot)
        };
        if self.counted.as_ref().is_some_and(is_same) {
            return None;
        }
        let services = self.services(&report, snapshot);
        self.counted = Some((report, Arc::clone(snapshot)));
        Some(services)
    }

    fn services(&mut self, report: &CertificateReport, snapshot: &Snapshot) -> BTreeSet<(String, String)> {
        let Self { known, counted: _ } = self;
        known.extend(report.certified().map(|(proxy, _)| proxy));
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
