//! References of a resource to services and proxies, with their fields.

use model::policy::Policy;
use model::topology::OutboundTarget;
use model::{BackendRef, FieldPath, Kind, Resource, Spec, Tags, TargetRef};

/// Reference of a resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Reference {
    To(TargetRef),
    Backend(BackendRef),
    Service(Tags),
    /// Target of a route: the proxies it is for.
    For(TargetRef),
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::To(target) => write!(f, "{target}"),
            Self::Backend(backend) => write!(f, "{backend}"),
            Self::Service(tags) => write!(f, "{tags}"),
            Self::For(target) => write!(f, "{target}"),
        }
    }
}

/// References of a resource, each with its field below the body.
pub(super) fn references(resource: &Resource) -> Vec<(FieldPath, Reference)> {
    let root = FieldPath::root();
    match resource.spec() {
        Spec::Policy(policy) if matches!(policy.kind, Kind::MeshTCPRoute | Kind::MeshHTTPRoute) => {
            let spec = root.field("spec");
            let target = policy.target.clone();
            let of_target = target.map(|target| (spec.field("targetRef"), Reference::For(target)));
            of_target.into_iter().chain(of_route(policy, &spec.field("to"))).collect()
        }
        Spec::Dataplane(dataplane) => {
            let outbound = root.field("networking").field("outbound");
            let of_outbound = |(index, it): (usize, &model::topology::DataplaneOutbound)| {
                let at = outbound.index(index);
                match &it.target {
                    OutboundTarget::Tags(tags) => (at.field("tags"), Reference::Service(tags.clone())),
                    OutboundTarget::BackendRef { kind, name, labels, port } => {
                        let mut target = TargetRef::of_kind(*kind);
                        target.name.clone_from(name);
                        target.labels = (!labels.is_empty()).then(|| labels.clone());
                        let backend = BackendRef { target, weight: None, port: Some(*port) };
                        (at.field("backendRef"), Reference::Backend(backend))
                    }
                }
            };
            dataplane.outbound.iter().enumerate().map(of_outbound).collect()
        }
        _ => Vec::new(),
    }
}

fn of_route(policy: &Policy, to: &FieldPath) -> Vec<(FieldPath, Reference)> {
    let mut found = Vec::new();
    for (at, item) in policy.to.iter().enumerate() {
        let item_path = to.index(at);
        found.push((item_path.field("targetRef"), Reference::To(item.target.clone())));
        for (rule_at, backends) in item.backend_refs.iter().enumerate() {
            let refs = item_path.field("rules").index(rule_at).field("default").field("backendRefs");
            for (ref_at, backend) in backends.iter().cloned().enumerate() {
                found.push((refs.index(ref_at), Reference::Backend(backend)));
            }
        }
    }
    found
}
