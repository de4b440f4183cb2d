//! Rules about the clients of an inbound, and about inbounds whoever connects (spec 07 §11.4, §11.5).

use std::collections::BTreeMap;

use model::policy::{Conf, InboundRule, Written};
use model::{Kind, Profile, RefKind, Resource};

use crate::matching::{Matched, policy_of};
use crate::merge::item::from_items;
use crate::merge::tag::{self, Entry, Negations};
use crate::plan::{PolicyList, PolicyOrigin};
use crate::rules::{InboundKey, TagRule};
use crate::view::View;

/// Rules of a kind for each inbound that one of its policies selects.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceRules {
    /// Rules by the tags of the client, from `from` items.
    pub by_tag: BTreeMap<InboundKey, Vec<TagRule>>,
    /// Rules without regard to the tags of the client, or with matches of their conf: from `rules`, or from `from`
    /// items for everybody; least important first.
    pub plain: BTreeMap<InboundKey, Vec<SourceRule>>,
}

/// One item of an inbound policy's `rules`, for one of its matches.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceRule {
    /// Conf of the item; absent: the item sets nothing.
    pub conf: Option<Conf>,
    /// Condition under which it applies; absent: always.
    pub matches: Option<Written>,
    /// Policy and the place in its list.
    pub origin: PolicyOrigin,
}

impl View<'_> {
    /// Makes the rules of matched policies about each inbound.
    ///
    /// # Errors
    /// In words, if a source cannot be expressed in tags, or if too many of them overlap.
    pub fn source_rules(&self, kind: Kind, matched: &Matched<'_>) -> Result<SourceRules, String> {
        let mut rules = SourceRules::default();
        for (inbound, policies) in &matched.inbounds {
            rules.by_tag.insert(inbound.clone(), rules_by_source(kind, policies, self.profile())?);
            rules.plain.insert(inbound.clone(), plain_rules(policies));
        }
        Ok(rules)
    }
}

/// Makes rules by the tags of the client, from the `from` items of policies that matched, least important first.
///
/// # Errors
/// In words, if a source cannot be expressed in tags, or if too many of them overlap.
pub fn rules_by_source(kind: Kind, policies: &[&Resource], profile: Profile) -> Result<Vec<TagRule>, String> {
    let mut entries = Vec::new();
    for item in from_items(policies) {
        let subset = tag::subset(item.target, profile).map_err(|e| e.to_string())?;
        entries.push(Entry { item, subset });
    }
    tag::rules(kind, &entries, Negations::Always, profile).map_err(|e| e.to_string())
}

/// Makes rules about an inbound without regard to the client, in the order of the policies that matched it.
pub fn plain_rules(policies: &[&Resource]) -> Vec<SourceRule> {
    let mut rules = Vec::new();
    for resource in policies {
        let Some(policy) = policy_of(resource) else { continue };
        for (index, InboundRule { matches, conf }) in policy.rules.iter().enumerate() {
            let always = matches.is_empty().then_some(None);
            let matches = matches.iter().cloned().map(Some).chain(always);
            rules.extend(matches.map(|matches| SourceRule {
                conf: conf.clone(),
                matches,
                origin: PolicyOrigin::of_item(resource, PolicyList::Rules, index),
            }));
        }
        for (index, item) in policy.from.iter().enumerate() {
            if item.target.kind == RefKind::Mesh && says_same_to_all(policy.kind) {
                rules.push(SourceRule {
                    conf: Some(item.conf.clone()),
                    matches: None,
                    origin: PolicyOrigin::of_item(resource, PolicyList::From, index),
                });
            }
        }
    }
    rules
}

/// Returns `true` for kinds whose `from` has only one possible source, everybody, so that it is the same as
/// `rules`.
fn says_same_to_all(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::MeshAccessLog
            | Kind::MeshTimeout
            | Kind::MeshCircuitBreaker
            | Kind::MeshRateLimit
            | Kind::MeshTLS
    )
}
