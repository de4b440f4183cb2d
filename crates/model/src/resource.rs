//! Resources: metadata and body.

use std::sync::Arc;

use crate::kind::Kind;
use crate::name::{MeshName, ResourceName};
use crate::policy::{LegacyPolicy, Policy, Rollout, TrafficRoute, Written};
use crate::reference::{Labels, ResourceId, ZONE_TAG};
use crate::topology::{
    Dataplane, ExternalService, Mesh, MeshExternalService, MeshGateway, MeshGatewayRoute, MeshIdentity,
    MeshMultiZoneService, MeshService, MeshTrust, MeshZoneAddress, VirtualOutbound, ZoneEgress, ZoneIngress,
};

/// Label that keeps the operator's name if a copy was renamed.
pub const DISPLAY_NAME_LABEL: &str = "kuma.io/display-name";
/// Label with the Kubernetes namespace.
pub const NAMESPACE_LABEL: &str = "k8s.kuma.io/namespace";
/// Label with the origin of a resource: global or zone.
pub const ORIGIN_LABEL: &str = "kuma.io/origin";
/// Label with the environment of a resource: Universal or Kubernetes.
pub const ENV_LABEL: &str = "kuma.io/env";
/// Label with the sort of proxy that a resource stands for.
pub const PROXY_TYPE_LABEL: &str = "kuma.io/proxy-type";
/// Label with the role of a policy.
pub const ROLE_LABEL: &str = "kuma.io/policy-role";
/// Label that turns a policy into a shadow policy.
pub const EFFECT_LABEL: &str = "kuma.io/effect";

/// Origin of a resource (label `kuma.io/origin`). Greater is more important (spec 03 §1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// Global control plane.
    Global,
    /// Missing, or an unknown word.
    Unknown,
    /// Zone.
    Zone,
}

/// Role of a policy (label `kuma.io/policy-role`). Greater is more important (spec 02 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyRole {
    /// Policy of the mesh operator; also if the label is missing.
    System,
    /// Policy of a service's owner, for all its clients.
    Producer,
    /// Policy of a client, for itself.
    Consumer,
    /// Policy of a workload's owner.
    WorkloadOwner,
}

crate::words! {
    /// Name of the role in the label.
    PolicyRole { System: "system", Producer: "producer", Consumer: "consumer", WorkloadOwner: "workload-owner" }
}

/// Metadata of a resource: everything besides its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Mesh; empty for kinds of global scope.
    pub mesh: MeshName,
    /// Stored name.
    pub name: ResourceName,
    /// Labels of the resource.
    pub labels: Labels,
    /// Creation time, in microseconds since 1970; absent: unknown. Older wins some ties (spec 03 §6.3).
    pub created: Option<i64>,
    /// File or other source, with the line: `shop/routes.yaml:12`.
    pub source: Arc<str>,
}

impl Meta {
    /// Name that matching, sorting and identifiers use (spec 01 §1.2): the label `kuma.io/display-name`, or the
    /// stored name without its namespace.
    pub fn display_name(&self) -> &str {
        self.labels.get(DISPLAY_NAME_LABEL).unwrap_or_else(|| self.name_without_namespace())
    }

    /// Stored name, without the namespace that it ends in on Kubernetes.
    pub fn name_without_namespace(&self) -> &str {
        let name = self.name.as_str();
        match self.labels.get(NAMESPACE_LABEL) {
            Some(namespace) => name.strip_suffix(namespace).and_then(|n| n.strip_suffix('.')).unwrap_or(name),
            None => name,
        }
    }

    /// Owning zone; empty: none.
    pub fn zone(&self) -> &str {
        self.labels.get(ZONE_TAG).unwrap_or_default()
    }

    /// Namespace; empty: none.
    pub fn namespace(&self) -> &str {
        self.labels.get(NAMESPACE_LABEL).unwrap_or_default()
    }

    /// Origin of the resource.
    pub fn origin(&self) -> Origin {
        match self.labels.get(ORIGIN_LABEL) {
            Some("global") => Origin::Global,
            Some("zone") => Origin::Zone,
            _ => Origin::Unknown,
        }
    }

    /// Role of the resource, if it is a policy.
    pub fn role(&self) -> PolicyRole {
        match self.labels.get(ROLE_LABEL) {
            Some("producer") => PolicyRole::Producer,
            Some("consumer") => PolicyRole::Consumer,
            Some("workload-owner") => PolicyRole::WorkloadOwner,
            _ => PolicyRole::System,
        }
    }

    /// Returns `true` for a shadow policy, which configures nothing (2.7+).
    pub fn is_shadow(&self) -> bool {
        self.labels.get(EFFECT_LABEL) == Some("shadow")
    }
}

/// Valid resource. Only [`draft`](crate::draft) makes one, from a document; its content never changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    meta: Meta,
    spec: Spec,
}

/// Body of a resource, by kind.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // one variant a kind, named after it
pub enum Spec {
    Mesh(Mesh),
    Dataplane(Dataplane),
    MeshService(MeshService),
    MeshMultiZoneService(MeshMultiZoneService),
    MeshExternalService(MeshExternalService),
    MeshGateway(MeshGateway),
    ZoneIngress(ZoneIngress),
    ZoneEgress(ZoneEgress),
    ExternalService(ExternalService),
    TrafficRoute(TrafficRoute),
    MeshIdentity(MeshIdentity),
    MeshTrust(MeshTrust),
    MeshZoneAddress(MeshZoneAddress),
    MeshGatewayRoute(MeshGatewayRoute),
    VirtualOutbound(VirtualOutbound),
    Rollout(Box<Rollout>),
    /// Policy of the targetRef generation, of any kind.
    Policy(Policy),
    /// Policy of the tag-based model, of any kind but TrafficRoute.
    Legacy(LegacyPolicy),
    /// Kind that is known by name only: stored and shown, without effect on TCP routing.
    Other {
        kind: Kind,
        body: Written,
    },
}

impl Resource {
    /// For the reader of documents only: what it passes was checked.
    pub(crate) fn checked(meta: Meta, spec: Spec) -> Self {
        Self { meta, spec }
    }

    /// Metadata: mesh, name, labels.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Body, by kind.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Returns the resource with a creation time (microseconds since 1970), unless its document has one.
    pub fn or_created(mut self, at: i64) -> Self {
        self.meta.created.get_or_insert(at);
        self
    }

    /// Returns the resource in force: without the label that makes a policy a shadow policy.
    pub fn in_force(&self) -> Self {
        let labels = self.meta.labels.iter().filter(|(key, _)| *key != EFFECT_LABEL);
        let meta = Meta { labels: labels.collect(), ..self.meta.clone() };
        Self { meta, spec: self.spec.clone() }
    }

    /// Kind of the resource.
    pub fn kind(&self) -> Kind {
        match &self.spec {
            Spec::Mesh(_) => Kind::Mesh,
            Spec::Dataplane(_) => Kind::Dataplane,
            Spec::MeshService(_) => Kind::MeshService,
            Spec::MeshMultiZoneService(_) => Kind::MeshMultiZoneService,
            Spec::MeshExternalService(_) => Kind::MeshExternalService,
            Spec::MeshGateway(_) => Kind::MeshGateway,
            Spec::ZoneIngress(_) => Kind::ZoneIngress,
            Spec::ZoneEgress(_) => Kind::ZoneEgress,
            Spec::ExternalService(_) => Kind::ExternalService,
            Spec::TrafficRoute(_) => Kind::TrafficRoute,
            Spec::MeshIdentity(_) => Kind::MeshIdentity,
            Spec::MeshTrust(_) => Kind::MeshTrust,
            Spec::MeshZoneAddress(_) => Kind::MeshZoneAddress,
            Spec::MeshGatewayRoute(_) => Kind::MeshGatewayRoute,
            Spec::VirtualOutbound(_) => Kind::VirtualOutbound,
            Spec::Rollout(_) => Kind::MeshTCPRollout,
            Spec::Policy(policy) => policy.kind,
            Spec::Legacy(policy) => policy.kind,
            Spec::Other { kind, .. } => *kind,
        }
    }

    /// Identifier of the resource, without a section.
    pub fn id(&self) -> ResourceId {
        let Meta { mesh, name: _, labels: _, created: _, source: _ } = &self.meta;
        ResourceId {
            kind: self.kind(),
            mesh: mesh.as_str().into(),
            zone: self.meta.zone().into(),
            namespace: self.meta.namespace().into(),
            name: self.meta.display_name().into(),
            section: String::new(),
        }
    }

    /// Returns `Kind mesh/name`, or `Kind name` without a mesh: its name in messages.
    pub fn describe(&self) -> String {
        let Meta { mesh, name, .. } = &self.meta;
        if mesh.as_str().is_empty() {
            format!("{} {name}", self.kind())
        } else {
            format!("{} {mesh}/{name}", self.kind())
        }
    }
}
