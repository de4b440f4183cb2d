//! Merging of the policies that select a proxy into rules about its destinations.
//!
//! * [`tag`] — rules about destinations by tag, also for gateway listeners
//! * [`resource`] — rules about real destinations; [`resolve`] finds those of an item
//! * [`conf`], [`http`] — how the confs of items are merged
//! * [`backend_ref`] — the meaning of a backendRef

mod backend_ref;
mod conf;
mod http;
mod item;
mod resolve;
mod resource;
mod source;
mod tag;

use std::sync::Arc;

use model::policy::{Conf, HttpRouteConf, Policy, PolicyConf};
use model::{Kind, Profile, RefKind, Resource, Tags, TargetRef};

pub use backend_ref::Destined;
pub(crate) use backend_ref::named;
pub(crate) use conf::MATCHED;
pub(crate) use http::matches_hash;
pub(crate) use resolve::resolve;
pub use source::{SourceRule, SourceRules, plain_rules, rules_by_source};

use crate::matching::{Matched, Shadows, policy_of};
use crate::plan::PolicyOrigin;
use crate::reader::Destinations;
use crate::rules::{Rules, TagRule};
use crate::view::View;
use item::{Item, to_items};
use tag::{Entry, Negations};

/// Merges confs of policies of a kind, least important first, into one conf; for MeshHTTPRoute into one per
/// hostname.
pub fn merge_confs<'a>(kind: Kind, confs: impl Iterator<Item = &'a Conf>) -> Vec<Conf> {
    conf::merged(kind, confs)
}

/// Tag that stands for the hash of a MeshHTTPRoute rule's matches among the tags of a destination.
const MATCHES_HASH_TAG: &str = "__rule-matches-hash__";

impl View<'_> {
    /// Returns the rules of the policies of a kind about the proxy's destinations.
    pub fn rules(&self, kind: Kind) -> Arc<Rules> {
        let mut matched = self.gather(self.candidates(kind), Shadows::LeftOut);
        let destinations = self.destinations();
        // Rules about listeners, and warnings, are the proxy's own; without policies there is nothing to compute.
        let is_common = matched.listeners.is_empty() && matched.warnings.is_empty();
        let addresses = matched.policies.iter().map(|policy| std::ptr::from_ref(*policy).addr());
        let key = (is_common && !matched.policies.is_empty()).then(|| (kind, addresses.collect()));
        let mut merge = || {
            matched.sort(self.profile());
            Arc::new(destinations.merge(kind, &matched))
        };
        match key {
            Some(key) => self.reader().memo().rules.get_or(key, merge),
            None => merge(),
        }
    }
}

impl<'r> Destinations<'r> {
    /// Merges matched policies of a kind into rules about destinations in the mesh.
    ///
    /// An error leaves the rules of its sort empty and becomes a warning: one broken policy disables the others
    /// too, as in the reference (spec 03 §2.5).
    pub fn merge(self, kind: Kind, matched: &Matched<'_>) -> Rules {
        let Matched { policies, inbounds: _, listeners, warnings } = matched;
        let profile = self.profile();
        let mut rules = Rules {
            kind,
            profile,
            mesh: self.mesh_name().to_owned(),
            tag: Vec::new(),
            resources: Default::default(),
            listeners: Default::default(),
            matched: policies.iter().map(|resource| resource.id()).collect(),
            warnings: warnings.clone(),
        };
        if profile.has_tag_rules() {
            match self.tag_rules(kind, policies) {
                Ok(tag) => rules.tag = tag,
                Err(reason) => rules.warnings.push(format!("couldn't create To rules: {reason}")),
            }
        }
        if profile.has_resource_rules() && rules.warnings.len() == warnings.len() {
            rules.resources = resource::rules(self, kind, policies);
        }
        for (listener, policies) in listeners {
            match self.tag_rules(kind, policies) {
                Ok(of_listener) => {
                    rules.listeners.insert(listener.clone(), of_listener);
                }
                Err(reason) => {
                    rules.warnings.push(format!("couldn't create Gateway rules: {reason}"));
                    rules.listeners.clear();
                    break;
                }
            }
        }
        rules
    }

    /// Makes rules by tag from the `to` items of policies that matched, least important first.
    ///
    /// # Errors
    /// In words, if a destination cannot be expressed in tags, or if too many of them overlap.
    pub fn tag_rules(self, kind: Kind, policies: &[&Resource]) -> Result<Vec<TagRule>, String> {
        let entries = self.tag_entries(policies)?;
        tag::rules(kind, &entries, Negations::AsNeeded, self.profile()).map_err(|e| e.to_string())
    }

    /// Returns the `to` items of policies that rules by tag are made of, each with its tags.
    pub(crate) fn tag_entries<'a>(self, policies: &[&'a Resource]) -> Result<Vec<Entry<'a>>, String> {
        let mut entries = Vec::new();
        for item in to_items(policies) {
            match self.http_route_of(&item)? {
                Some(route) => entries.extend(self.by_matches(&item, route)),
                None if tag::takes_part(item.target, item.policy, self.profile()) => {
                    let subset = tag::subset(item.target, self.profile()).map_err(|e| e.to_string())?;
                    entries.push(Entry { item, subset });
                }
                None => {}
            }
        }
        Ok(entries)
    }

    /// Returns the route that the item's policy is for; `None`: it is not for a route.
    fn http_route_of(self, item: &Item<'_>) -> Result<Option<&'r Resource>, String> {
        let Some(target) = item.policy.target.as_ref().filter(|t| t.kind == RefKind::MeshHTTPRoute) else {
            return Ok(None);
        };
        let name = target.name.as_deref().unwrap_or_default();
        let found = self.http_routes().iter().find(|route| route.meta().display_name() == name);
        found.map(|route| Some(route.as_ref())).ok_or_else(|| format!("can't resolve MeshHTTPRoute '{name}'"))
    }

    /// Splits a policy for a route into one entry for each rule of the route, by the hash of its matches.
    fn by_matches<'a>(self, item: &Item<'a>, route: &Resource) -> Vec<Entry<'a>> {
        let items = policy_of(route).map(|policy| policy.to.as_slice()).unwrap_or_default();
        let mut entries = Vec::new();
        for to in items {
            let service = match to.target.kind {
                RefKind::Mesh | RefKind::MeshSubset => Tags::default(),
                _ => {
                    let name = to.target.name.as_deref().unwrap_or_default();
                    Tags::from_iter([(model::reference::SERVICE_TAG, name)])
                }
            };
            let rules = HttpRouteConf::of(&to.conf).map(|route| route.rules.as_slice()).unwrap_or_default();
            for rule in rules {
                let mut subset = service.clone();
                subset.insert(MATCHES_HASH_TAG, http::matches_hash(&rule.matches));
                entries.push(Entry { item: item.clone(), subset });
            }
        }
        entries
    }
}

/// Returns all `to` items of policies that matched, in the order in which they are merged for real destinations,
/// least important first (spec 03 §5.1).
pub fn sorted_items<'a>(policies: &[&'a Resource], profile: Profile) -> Vec<SortedItem<'a>> {
    let items = resource::sorted_items(policies, profile).into_iter();
    let sorted = items.map(|item| SortedItem {
        origin: item.origin(),
        policy: item.policy,
        target: item.target,
        conf: item.conf,
    });
    sorted.collect()
}

/// One `to` item of a policy, and its place among others.
#[derive(Clone, Debug)]
pub struct SortedItem<'a> {
    /// Policy and the place in it.
    pub origin: PolicyOrigin,
    /// Policy that the item is in.
    pub policy: &'a Policy,
    /// Destination that the item is about.
    pub target: &'a TargetRef,
    /// Conf of the item.
    pub conf: &'a Conf,
}
