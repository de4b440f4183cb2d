//! Rollouts in plans, and reasons why a rollout is in no plan.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::policy::{Percent, Policy, Rollout};
use model::{BackendRef, FieldPath, Kind, Problem, Resource, ResourceKey, Severity, Spec, Violation};
use plan::{Backend, BackendFate, Destination, Direction, Listener, ProxyId, Unusable};

use super::Compiled;
use crate::ramp::RolloutPlacement;
use crate::{Entry, Ledger};

/// Effect of a rollout on plans.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// Standing of the rollout: in force, or the reason why not.
    pub standing: RolloutPlacement,
    /// Proxies whose plans have it.
    pub proxies: BTreeSet<ProxyId>,
    /// Destinations at which they have it, as proxies name them.
    pub destinations: BTreeSet<String>,
}

/// Rollouts of a ledger, each with its effect on plans.
pub fn applied(ledger: &Ledger, compiled: &Compiled) -> BTreeMap<ResourceKey, (Arc<Entry>, Applied)> {
    let entries = ledger.entries().filter(|(key, _)| key.kind == Kind::MeshTCPRollout);
    let mut found: BTreeMap<ResourceKey, (Arc<Entry>, Found)> =
        entries.map(|(key, entry)| (key.clone(), (Arc::clone(entry), Found::default()))).collect();
    if found.is_empty() {
        return BTreeMap::new();
    }
    for (proxy, compiled) in &compiled.proxies {
        for listener in &compiled.plan.listeners {
            for backend in listener.routes().flat_map(|route| &route.split) {
                let Some(by) = &backend.weighed_by else { continue };
                let key = ResourceKey::new(by.policy.kind, by.policy.mesh.as_str(), by.name.as_str());
                if let Some((entry, found)) = found.get_mut(&key) {
                    found.note(proxy, listener, backend, entry);
                }
            }
        }
    }
    let with_standing = |(key, (entry, found)): (ResourceKey, (Arc<Entry>, Found))| {
        let standing = match entry.resource.spec() {
            Spec::Rollout(rollout) => standing(ledger, &key, rollout, &found),
            _ => RolloutPlacement::Nowhere("it is no rollout".to_owned()),
        };
        let Found { proxies, destinations, unusable: _ } = found;
        (key, (entry, Applied { standing, proxies, destinations }))
    };
    found.into_iter().map(with_standing).collect()
}

/// Part of plans about a rollout.
#[derive(Default)]
struct Found {
    proxies: BTreeSet<ProxyId>,
    destinations: BTreeSet<String>,
    /// Reason why a backend of it cannot be used.
    unusable: Option<String>,
}

impl Found {
    fn note(&mut self, proxy: &ProxyId, listener: &Listener, backend: &Backend, entry: &Entry) {
        self.proxies.insert(proxy.clone());
        self.destinations.insert(dialled(listener));
        let Spec::Rollout(rollout) = entry.resource.spec() else { return };
        let is_to = backend.reference == rollout.to.to_string();
        match &backend.fate {
            BackendFate::Spilled(why) | BackendFate::Refused(why)
                if is_to && *why != Unusable::ZeroWeight =>
            {
                self.unusable.get_or_insert_with(|| format!("{}: {why}", backend.reference));
            }
            BackendFate::Routed { .. } | BackendFate::Spilled(_) | BackendFate::Refused(_) => {}
        }
    }
}

/// Destination of a listener, as proxies report it.
fn dialled(listener: &Listener) -> String {
    match &listener.direction {
        Direction::Outbound(Destination::Tags(tags)) => tags.service().unwrap_or_default().to_owned(),
        Direction::Outbound(Destination::Resource { id, name: _ }) => id.to_string(),
        Direction::Inbound | Direction::Gateway | Direction::Zone => {
            let hosts: Vec<&str> = listener.routes.iter().map(|(claimed, _)| claimed.hostname()).collect();
            hosts.join(", ")
        }
    }
}

/// Returns `true` if two rollouts are about one destination of one route: only one of them can be in force.
pub fn contend(one: &Rollout, other: &Rollout) -> bool {
    let alike = |one: &Option<_>, other: &Option<_>| one.is_none() || other.is_none() || one == other;
    one.route == other.route && alike(&one.destination, &other.destination)
}

/// Warnings about rollouts that cannot be in force, whatever proxies there are.
pub(super) fn warnings(ledger: &Ledger) -> impl Iterator<Item = Problem> {
    ledger.entries().filter_map(|(key, entry)| {
        let Spec::Rollout(rollout) = entry.resource.spec() else { return None };
        let why = written(ledger, key, rollout).err()?;
        Some(Problem {
            source: entry.document.source().clone(),
            position: entry.name_position(),
            severity: Severity::Warning,
            resource: Some(key.to_string()),
            violation: Violation::new(FieldPath::root(), format!("is not in force: {why}")),
            help: None,
        })
    })
}

fn standing(ledger: &Ledger, key: &ResourceKey, rollout: &Rollout, found: &Found) -> RolloutPlacement {
    let written = match written(ledger, key, rollout) {
        Ok(written) => written,
        Err(why) => return RolloutPlacement::Nowhere(why),
    };
    if let Some(why) = &found.unusable {
        return RolloutPlacement::Nowhere(why.clone());
    }
    if found.proxies.is_empty() && rollout.in_force.is_some() {
        let route = &rollout.route;
        return RolloutPlacement::Nowhere(format!(
            "MeshTCPRoute {route} decides about no proxy's connections there"
        ));
    }
    RolloutPlacement::InForce { written }
}

/// Share that the route itself gives `to`; `None`: it differs between destinations, or both weights are 0.
///
/// # Errors
/// Reason why the rollout cannot be in force.
fn written(ledger: &Ledger, key: &ResourceKey, rollout: &Rollout) -> Result<Option<Percent>, String> {
    let route =
        route(ledger, key, rollout).ok_or_else(|| format!("there is no MeshTCPRoute {}", rollout.route))?;
    let named = weights(route, rollout);
    if named.is_empty() {
        return Err(format!("MeshTCPRoute {} does not name {} there", rollout.route, rollout.from));
    }
    let is_before = |(other, entry): &(&ResourceKey, &Arc<Entry>)| {
        let contends = matches!(entry.resource.spec(), Spec::Rollout(it) if contend(it, rollout));
        contends && other.mesh == key.mesh && other.name < key.name
    };
    if let Some((other, _)) = ledger.entries().find(is_before) {
        return Err(format!("{other} is about the same destination, and comes first"));
    }
    let shares: BTreeSet<Option<Percent>> = named.into_iter().map(share).collect();
    Ok(if shares.len() == 1 { shares.into_iter().next().flatten() } else { None })
}

/// Route of a rollout; `None`: there is none.
fn route<'l>(ledger: &'l Ledger, key: &ResourceKey, rollout: &Rollout) -> Option<&'l Policy> {
    let policy = |resource: &'l Arc<Resource>| match resource.spec() {
        Spec::Policy(policy) => Some(policy),
        _ => None,
    };
    let stored = ResourceKey::new(Kind::MeshTCPRoute, key.mesh_or_empty(), rollout.route.as_str());
    let of_name = || {
        ledger.entries().map(|(_, entry)| &entry.resource).find(|resource| {
            let meta = resource.meta();
            resource.kind() == Kind::MeshTCPRoute
                && meta.mesh.as_str() == key.mesh_or_empty()
                && meta.display_name() == rollout.route
        })
    };
    policy(ledger.get(&stored).map(|entry| &entry.resource).or_else(of_name)?)
}

/// Weights that a route gives `from` and `to`, for each destination of the rollout.
fn weights(route: &Policy, rollout: &Rollout) -> Vec<(u64, u64)> {
    let is_same =
        |one: &BackendRef, other: &BackendRef| (&one.target, one.port) == (&other.target, other.port);
    let items =
        route.to.iter().filter(|item| rollout.destination.as_ref().is_none_or(|it| item.target == *it));
    let refs = items.flat_map(|item| &item.backend_refs);
    let weight = |refs: &Vec<BackendRef>, wanted: &BackendRef| {
        Some(refs.iter().find(|it| is_same(it, wanted))?.weight.unwrap_or(1))
    };
    refs.filter_map(|refs| Some((weight(refs, &rollout.from)?, weight(refs, &rollout.to).unwrap_or(0))))
        .collect()
}

/// Share of `to` in the sum of both; `None`: both are 0.
fn share((from, to): (u64, u64)) -> Option<Percent> {
    let both = from.checked_add(to).filter(|both| *both > 0)?;
    let hundredths = (u128::from(to) * 10_000).checked_div(u128::from(both))?;
    u32::try_from(hundredths).ok().map(Percent::hundredths)
}
