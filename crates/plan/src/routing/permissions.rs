//! Permissions to connect to each inbound of a proxy (spec 07 §11.3 to §11.5).

mod exits;

use model::policy::{LegacyPolicy, PermissionAction, PermissionConf, PolicyConf as _};
use model::reference::SERVICE_TAG;
use model::{Kind, Profile, Resource, Spec, Tags};

use super::legacy::best;
use crate::matching::Matched;
use crate::merge::{plain_rules, rules_by_source};
use crate::plan::{Mtls, NameCondition, NameRule, PeerList, Permissions, PolicyOrigin, Warning};
use crate::reader::Reader;
use crate::rules::{InboundKey, Subset, SubsetTag, TagRule};
use crate::view::View;

pub(super) use exits::Exits;

/// Name of the rules of all MeshTrafficPermissions about an inbound in statistics of the reference.
const CALLED: &str = Kind::MeshTrafficPermission.as_str();

/// Policies that permit connections to a proxy.
pub(super) struct Permitting<'v, 'a> {
    view: &'v View<'a>,
    matched: Matched<'a>,
    /// `true`: tags are ignored, since certificates have none.
    by_identity_only: bool,
}

impl<'v, 'a> Permitting<'v, 'a> {
    /// Returns the policies. If the proxy speaks plaintext, they have no effect, which becomes a warning.
    pub(super) fn of(view: &'v View<'a>, mtls: Option<&Mtls>, warnings: &mut Vec<Warning>) -> Self {
        let matched = view.matched(Kind::MeshTrafficPermission);
        warnings.extend(matched.warnings.iter().cloned().map(Warning::from));
        if let (None, Some(policy)) = (mtls, matched.policies.last()) {
            let text = format!(
                "{} has no effect on this proxy: mesh {} has no mTLS, so that nobody knows who connects",
                policy.describe(),
                view.mesh_name()
            );
            warnings.push(text.into());
        }
        let profile = view.profile();
        let by_workload = mtls.is_some_and(Mtls::has_workload_identity);
        let by_identity_only = !profile.has_mesh_mtls() || (by_workload && profile.denies_before_it_allows());
        Self { view, matched, by_identity_only }
    }

    /// Returns the permissions to connect to an inbound with these tags; adds a warning if they allow nobody.
    pub(super) fn to(&self, inbound: &InboundKey, tags: &Tags, warnings: &mut Vec<Warning>) -> Permissions {
        let permissions = self.of_inbound(inbound, tags, warnings);
        if permissions.allow_nobody() {
            let InboundKey { address, port } = inbound;
            let text = format!(
                "inbound {address}:{port}: nobody may connect over mTLS: no permission allows anybody"
            );
            warnings.push(text.into());
        }
        permissions
    }

    /// As `to`, without that warning; policies that cannot be understood allow nobody.
    fn of_inbound(&self, inbound: &InboundKey, tags: &Tags, warnings: &mut Vec<Warning>) -> Permissions {
        let profile = self.view.profile();
        let policies = self.matched.inbounds.get(inbound).map(Vec::as_slice).unwrap_or_default();
        match permissions_of(policies, self.view.mesh_name(), profile) {
            Ok(Some(permissions @ Permissions::ByIdentity { .. })) => permissions,
            _ if self.by_identity_only => Permissions::ByIdentity { lists: Vec::new(), shadow: Vec::new() },
            Ok(Some(permissions)) => permissions,
            Ok(None) => {
                by_tags(self.view.reader(), self.view.mesh_name(), tags).unwrap_or_else(Permissions::nobody)
            }
            Err(why) => {
                let InboundKey { address, port } = inbound;
                let text = format!(
                    "inbound {address}:{port}: the `from` items of its MeshTrafficPermissions cannot be merged: {why}"
                );
                warnings.push(text.into());
                Permissions::nobody()
            }
        }
    }
}

/// Returns the permissions of the TrafficPermission that fits some tags best: of several the newest, and then the
/// first by name. `None`: none fits.
fn by_tags(reader: &Reader<'_>, mesh: &str, tags: &Tags) -> Option<Permissions> {
    let policies = reader.in_mesh(Kind::TrafficPermission, mesh).iter().enumerate();
    let fitting = policies.filter_map(|(at, resource)| match resource.spec() {
        Spec::Legacy(policy) => {
            let rank = (best(&policy.destinations, tags)?, resource.meta().created, std::cmp::Reverse(at));
            Some((rank, (resource.as_ref(), policy)))
        }
        _ => None,
    });
    let (_, (resource, policy)) = fitting.max_by_key(|(rank, _)| *rank)?;
    let LegacyPolicy { kind: _, sources, destinations: _, conf: _ } = policy;
    let rules = sources.iter().map(|source| NameRule {
        conditions: conditions(mesh, &known(source)),
        action: PermissionAction::Allow,
        origin: PolicyOrigin::of(resource),
    });
    Some(Permissions::ByName { called: resource.meta().name.as_str().to_owned(), rules: rules.collect() })
}

/// Returns the permissions from MeshTrafficPermissions that matched an inbound, least important first; `None`: they
/// have no rules.
///
/// # Errors
/// In words, if a source cannot be expressed in tags, or if too many of them overlap.
pub fn permissions_of(
    policies: &[&Resource],
    mesh: &str,
    profile: Profile,
) -> Result<Option<Permissions>, String> {
    if profile.permissions_have_rules()
        && let Some(by_identity) = by_identity(policies, profile.denies_before_it_allows())
    {
        return Ok(Some(by_identity));
    }
    by_name(policies, mesh, profile)
}

/// Returns the permissions of their `from` items; `None`: they have none.
fn by_name(policies: &[&Resource], mesh: &str, profile: Profile) -> Result<Option<Permissions>, String> {
    let rules = rules_by_source(Kind::MeshTrafficPermission, policies, profile)?;
    let rule = |TagRule { subset, merged }: &TagRule| {
        let action = merged.said::<PermissionConf>()?.action?;
        Some(NameRule { conditions: conditions(mesh, subset), action, origin: merged.last_origin()?.clone() })
    };
    let rules: Vec<NameRule> = rules.iter().filter_map(rule).collect();
    Ok((!rules.is_empty()).then(|| Permissions::ByName { called: CALLED.to_owned(), rules }))
}

/// Allows every client of the mesh, as its Mesh says.
pub(super) fn everybody(mesh: &Resource) -> Permissions {
    let rule =
        NameRule { conditions: Vec::new(), action: PermissionAction::Allow, origin: PolicyOrigin::of(mesh) };
    Permissions::ByName { called: CALLED.to_owned(), rules: vec![rule] }
}

/// Converts tags to names in certificates that the CA of the mesh issues (spec 07 §4).
fn conditions(mesh: &str, subset: &Subset) -> Vec<NameCondition> {
    let condition = |SubsetTag { key, value, not }: &SubsetTag| NameCondition {
        uri: match key.as_str() {
            SERVICE_TAG => format!("spiffe://{mesh}/{value}"),
            key => format!("kuma://{key}/{value}"),
        },
        not: *not,
    };
    subset.0.iter().map(condition).collect()
}

/// Returns the tags of a source with a fixed value; other tags come before the service.
fn known(source: &Tags) -> Subset {
    let said: Tags = source.iter().filter(|(_, value)| *value != "*").collect();
    let Subset(mut tags) = Subset::of(&said);
    tags.sort_by_key(|tag| tag.key == SERVICE_TAG);
    Subset(tags)
}

/// Returns the permissions of `rules`, least important first; `None`: there are none. Nothing is merged: all lists
/// are evaluated.
fn by_identity(policies: &[&Resource], denies_first: bool) -> Option<Permissions> {
    let (mut lists, mut shadow) = (Vec::new(), Vec::new());
    for rule in plain_rules(policies) {
        let Some(said) = rule.conf.as_ref().and_then(PermissionConf::of) else { continue };
        let PermissionConf { action: _, deny, allow, allow_with_shadow_deny } = said;
        let list = |peers: Vec<_>, allows| PeerList { peers, allows, origin: rule.origin.clone() };
        let [deny, allow, shadowed] = [deny, allow, allow_with_shadow_deny].map(Option::as_ref);
        let [deny, allow, shadowed] = [deny, allow, shadowed].map(|peers| peers.cloned().unwrap_or_default());
        let allowed: Vec<_> = allow.iter().chain(&shadowed).cloned().collect();
        lists.extend([(deny, false), (allowed, true)].map(|(peers, allows)| list(peers, allows)));
        shadow.push(list(shadowed, true));
    }
    if lists.is_empty() {
        return None;
    }
    lists.retain(|list| !list.peers.is_empty());
    shadow.retain(|list| !list.peers.is_empty());
    if denies_first {
        lists.sort_by_key(|list| list.allows);
    }
    Some(Permissions::ByIdentity { lists, shadow })
}
