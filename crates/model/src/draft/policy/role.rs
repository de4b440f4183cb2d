//! Role of a policy in a Kubernetes namespace, which is computed when it is stored (spec 02 §5).

use crate::draft::options::Options;
use crate::policy::Policy;
use crate::profile::RoleRule;
use crate::reference::{Labels, RefKind, TargetRef};
use crate::resource::{DISPLAY_NAME_LABEL, NAMESPACE_LABEL, PolicyRole, ROLE_LABEL};

/// Writes the role into the labels of a policy of a namespace, or reports why it has none.
pub(crate) fn assign(
    labels: &mut Labels,
    policy: &Policy,
    namespace: &str,
    options: &Options,
) -> Result<(), &'static str> {
    let rule = options.profile.role_rule();
    if rule == RoleRule::None {
        let is_system = namespace == &*options.system_namespace;
        return is_system.then_some(()).ok_or("policies live only in the system namespace");
    }
    let keeps_label = rule == RoleRule::ByDirection;
    if !(keeps_label && labels.get(ROLE_LABEL).is_some()) {
        labels.insert(ROLE_LABEL, compute(policy, namespace, options)?.as_str());
    }
    Ok(())
}

fn compute(policy: &Policy, namespace: &str, options: &Options) -> Result<PolicyRole, &'static str> {
    if namespace == &*options.system_namespace {
        return Ok(PolicyRole::System);
    }
    let speaks_about_inbounds = !policy.from.is_empty();
    if options.profile.role_rule() == RoleRule::ByDirection {
        let is_consumer = !policy.to.is_empty() && !speaks_about_inbounds;
        return Ok(if is_consumer { PolicyRole::Consumer } else { PolicyRole::WorkloadOwner });
    }
    if policy.to.is_empty() {
        return Ok(PolicyRole::WorkloadOwner);
    }
    if speaks_about_inbounds {
        return Err("it's not allowed to mix 'to' and 'from' arrays in the same policy");
    }
    let produced = policy.to.iter().filter(|item| is_produced(&item.target, namespace, options)).count();
    match produced {
        0 => Ok(PolicyRole::Consumer),
        all if all == policy.to.len() => Ok(PolicyRole::Producer),
        _ => Err("it's not allowed to mix producer and consumer items in the same policy"),
    }
}

/// Returns `true` if a destination is a service of the policy's own namespace, referred to as such.
fn is_produced(target: &TargetRef, namespace: &str, options: &Options) -> bool {
    let profile = options.profile;
    let right_kind = target.kind == RefKind::MeshService
        || (target.kind == RefKind::MeshHTTPRoute && profile.http_routes_are_produced());
    if profile.role_rule() != RoleRule::ByLabels {
        let is_here = target.namespace.as_deref().is_none_or(|other| other == namespace);
        return right_kind && target.name.is_some() && is_here;
    }
    let labels = target.labels.as_ref();
    let only_names = labels.is_some_and(|labels| {
        labels.get(DISPLAY_NAME_LABEL).is_some()
            && labels.iter().all(|(key, _)| key == DISPLAY_NAME_LABEL || key == NAMESPACE_LABEL)
    });
    let is_here =
        labels.and_then(|labels| labels.get(NAMESPACE_LABEL)).is_none_or(|other| other == namespace);
    right_kind && only_names && is_here
}
