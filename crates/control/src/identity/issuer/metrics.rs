//! Metrics of certificates: how many are made, and when the first expires.

use change::certificates::CertificateReport;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family as Labelled;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

use crate::identity::issue::Issuing;

/// Metrics of certificates. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct IssuerMetrics {
    failures: Counter,
    without: Labelled<OfMesh, Gauge>,
    first_end: Labelled<OfMesh, Gauge>,
    authority_end: Labelled<OfAuthority, Gauge>,
    unreadable: Labelled<OfAuthority, Gauge>,
    outside_end: Labelled<OfOutside, Gauge>,
    outside_unreadable: Labelled<OfOutside, Gauge>,
    made: Labelled<OfMesh, Counter>,
    waiting: Gauge,
    /// Certificates counted so far, by mesh and proxy.
    counted: std::sync::Arc<std::sync::Mutex<BTreeMap<(String, String), u64>>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfMesh {
    mesh: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfAuthority {
    mesh: String,
    authority: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfOutside {
    mesh: String,
    service: String,
    part: String,
}

impl IssuerMetrics {
    /// Adds the metrics to a registry with the prefix `meshtcp_identity`.
    pub fn register(&self, registry: &mut Registry) {
        let Self {
            failures,
            without,
            first_end,
            authority_end,
            unreadable,
            outside_end,
            outside_unreadable,
            made,
            waiting,
            counted: _,
        } = self;
        registry.register("certificates", "Certificates made", made.clone());
        registry.register("certificate_failures", "Certificates that could not be made", failures.clone());
        registry.register(
            "proxies_without_certificate",
            "Attached proxies that need a certificate and have none",
            without.clone(),
        );
        registry.register(
            "first_certificate_end_timestamp_seconds",
            "When the first certificate of an attached proxy ends, in seconds since 1970; 0: there is none",
            first_end.clone(),
        );
        registry.register(
            "authority_end_timestamp_seconds",
            "When the certificate of an authority ends, in seconds since 1970; 0: it cannot be read",
            authority_end.clone(),
        );
        registry.register(
            "authority_unreadable",
            "Whether an authority cannot sign, because it cannot be read or is not allowed",
            unreadable.clone(),
        );
        registry.register(
            "external_secret_end_timestamp_seconds",
            "When the first certificate of a secret about a service outside the mesh ends, in seconds since 1970; 0: it cannot be \
             loaded",
            outside_end.clone(),
        );
        registry.register(
            "external_secret_unreadable",
            "Whether a secret about a service outside the mesh cannot be loaded, so that nobody dials the service",
            outside_unreadable.clone(),
        );
        registry.register(
            "circuits_open",
            "Authorities of which all proxies wait, because many failed",
            waiting.clone(),
        );
    }

    pub(super) fn take(&self, report: &CertificateReport, issuing: &Issuing) {
        let mut counted = self.counted.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut meshes: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
        for row in &report.proxies {
            let of_mesh = OfMesh { mesh: row.mesh.clone() };
            let before = counted.insert((row.mesh.clone(), row.name.clone()), row.made_count).unwrap_or(0);
            // a proxy that came again is counted from the beginning
            let new = row.made_count.checked_sub(before).unwrap_or(row.made_count);
            self.made.get_or_create(&of_mesh).inc_by(new);
            let (without, first) = meshes.entry(&row.mesh).or_default();
            match row.ends.map(|ends| ends.as_second()) {
                None => *without += 1,
                Some(ends) if *first == 0 || ends < *first => *first = ends,
                Some(_) => {}
            }
        }
        counted.retain(|(mesh, name), _| {
            report.proxies.binary_search_by(|row| (&row.mesh, &row.name).cmp(&(mesh, name))).is_ok()
        });
        drop(counted);
        self.without.clear();
        self.first_end.clear();
        for (mesh, (without, first)) in meshes {
            let of_mesh = OfMesh { mesh: mesh.to_owned() };
            self.without.get_or_create(&of_mesh).set(without);
            self.first_end.get_or_create(&of_mesh).set(first);
        }
        self.authority_end.clear();
        self.unreadable.clear();
        for row in &report.authorities {
            let labels = OfAuthority { mesh: row.mesh.clone(), authority: row.name.clone() };
            self.unreadable.get_or_create(&labels).set(i64::from(row.why.is_some()));
            self.authority_end.get_or_create(&labels).set(row.ends.map_or(0, |ends| ends.as_second()));
        }
        self.outside_end.clear();
        self.outside_unreadable.clear();
        for row in &report.outside {
            let labels =
                OfOutside { mesh: row.mesh.clone(), service: row.service.clone(), part: row.part.clone() };
            self.outside_unreadable.get_or_create(&labels).set(i64::from(row.why.is_some()));
            self.outside_end.get_or_create(&labels).set(row.ends.map_or(0, |ends| ends.as_second()));
        }
        self.failures.inner().store(issuing.failures, Relaxed);
        self.waiting.set(i64::try_from(issuing.open_breakers()).unwrap_or(i64::MAX));
    }
}
