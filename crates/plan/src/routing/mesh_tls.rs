//! MeshTLS settings of the inbounds of a proxy (spec 07 §10).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::Kind;
use model::policy::{MeshTlsConf, TlsVersion, TlsVersionsConf};
use model::topology::MtlsMode;

use super::of_inbounds::OfInbound;
use crate::matching::Matched;
use crate::plan::{Cluster, ClusterKind, Destination, Listener, Sourced, TlsParams, Warning};
use crate::rules::InboundKey;
use crate::view::View;

/// MeshTLS policies that select the proxy.
pub(super) struct MeshTls<'a> {
    matched: Matched<'a>,
}

/// MeshTLS settings of one inbound.
#[derive(Clone, Debug, Default)]
pub(super) struct TlsOfInbound {
    /// TLS mode: plaintext accepted or not; absent: the mode of the mesh, or of the identity.
    pub(super) mode: Option<Sourced<MtlsMode>>,
    /// TLS versions and ciphers.
    pub(super) params: TlsParams,
}

impl<'a> MeshTls<'a> {
    pub(super) fn of(view: &View<'a>, warnings: &mut Vec<Warning>) -> Self {
        let known = view.profile().has_mesh_tls();
        let matched = if known { view.matched(Kind::MeshTLS) } else { Matched::default() };
        warnings.extend(matched.warnings.iter().cloned().map(Warning::from));
        Self { matched }
    }

    /// Returns `true` if any of them selects the proxy.
    pub(super) fn acts(&self) -> bool {
        !self.matched.inbounds.is_empty()
    }

    /// Returns the settings of an inbound: each field from the most important policy that sets it.
    pub(super) fn about(&self, inbound: &InboundKey) -> TlsOfInbound {
        let said = OfInbound::of(&self.matched, inbound);
        let Some(MeshTlsConf { mode, versions, ciphers }) = said.said() else {
            return TlsOfInbound::default();
        };
        let TlsVersionsConf { min, max } = versions.unwrap_or_default();
        let version = |version: Option<TlsVersion>, is: fn(&TlsVersionsConf) -> bool| {
            let version = version.filter(|version| *version != TlsVersion::Auto);
            said.sourced(version, |said: &MeshTlsConf| said.versions.as_ref().is_some_and(is))
        };
        TlsOfInbound {
            mode: said.sourced(mode, |said: &MeshTlsConf| said.mode.is_some()),
            params: TlsParams {
                min: version(min, |versions| versions.min.is_some()),
                max: version(max, |versions| versions.max.is_some()),
                ciphers: said.sourced(ciphers, |said: &MeshTlsConf| said.ciphers.is_some()),
            },
        }
    }

    /// Sets the versions and ciphers with which clusters in the mesh are dialled: those of the first inbound that
    /// has any. Only policies for the whole mesh may set them, so that all inbounds have the same. As in the
    /// reference, tag-based services that the proxy does not dial directly, and those outside the mesh, do not get
    /// them.
    pub(super) fn limit(
        &self,
        clusters: &mut BTreeMap<String, Cluster>,
        listeners: &[Arc<Listener>],
        mesh: &str,
    ) {
        let said = self.matched.inbounds.keys().map(|inbound| self.about(inbound).params);
        let Some(params) = said.into_iter().find(|params| !params.is_empty()) else { return };
        let dialled: BTreeSet<&str> = listeners
            .iter()
            .filter_map(|listener| match listener.destination()? {
                Destination::Tags(tags) => tags.service(),
                Destination::Resource { .. } => None,
            })
            .collect();
        for cluster in clusters.values_mut() {
            let is_meant = match (&cluster.kind, &cluster.resource) {
                (_, None) => dialled.contains(cluster.service.as_str()),
                (ClusterKind::Egress { .. }, Some(_)) => false,
                (_, Some(_)) => true,
            };
            if let Some(tls) = cluster.tls.as_mut().filter(|tls| is_meant && tls.mesh == mesh) {
                tls.params = params.clone();
            }
        }
    }
}
