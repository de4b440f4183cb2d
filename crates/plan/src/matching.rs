//! Selection of policies: which of them select a proxy, and which of its inbounds and listeners (spec 03 §2).

mod candidates;
mod condition;
mod filter;
mod select;

use std::collections::BTreeMap;

use model::policy::Policy;
use model::{Kind, Resource, Spec};

use crate::precedence::Precedence;
use crate::rules::{InboundKey, ListenerKey};
use crate::view::View;

pub(crate) use condition::{condition_of, index_target};

/// Policies of one kind that select a proxy.
#[derive(Clone, Debug, Default)]
pub struct Matched<'a> {
    /// All policies, least important first.
    pub policies: Vec<&'a Resource>,
    /// Policies by inbound (for a builtin gateway: by the address and port of its listeners), least important
    /// first. Inbounds that no policy selects have no entry.
    pub inbounds: BTreeMap<InboundKey, Vec<&'a Resource>>,
    /// Policies by listener of a builtin gateway, in store order: the reference does not sort these (spec 03 §3).
    /// Listeners that no policy selects have no entry.
    pub listeners: BTreeMap<ListenerKey, Vec<&'a Resource>>,
    /// Policies that could not be understood, in words.
    pub warnings: Vec<String>,
}

/// Treatment of shadow policies in a selection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shadows {
    /// Shadow policies are left out: only those that configure something are matched.
    #[default]
    LeftOut,
    /// Policies with the label `kuma.io/effect: shadow` are matched too: for inspection.
    Included,
}

impl<'a> View<'a> {
    /// Returns the policies of a kind that select the proxy. A lookup by index: it reads only policies that may
    /// match.
    pub fn matched(&self, kind: Kind) -> Matched<'a> {
        self.match_policies(self.candidates(kind), Shadows::LeftOut)
    }

    /// Returns those of the given policies that select the proxy; ties keep the given order.
    pub fn match_policies(
        &self,
        policies: impl IntoIterator<Item = &'a Resource>,
        shadows: Shadows,
    ) -> Matched<'a> {
        let mut matched = self.gather(policies, shadows);
        matched.sort(self.profile());
        matched
    }

    /// As `match_policies`, with all of them in the given order.
    pub(crate) fn gather(
        &self,
        policies: impl IntoIterator<Item = &'a Resource>,
        shadows: Shadows,
    ) -> Matched<'a> {
        let mut matched = Matched::default();
        for resource in policies {
            let Spec::Policy(policy) = resource.spec() else { continue };
            let is_shadow = self.profile().knows_shadow_policies() && resource.meta().is_shadow();
            if is_shadow && shadows == Shadows::LeftOut {
                continue;
            }
            match self.select(resource, policy) {
                Ok(selection) if selection.is_empty() => {}
                Ok(selection) => matched.add(resource, selection),
                Err(reason) => matched.warnings.push(unresolved(resource, &reason)),
            }
        }
        matched
    }
}

impl<'a> Matched<'a> {
    fn add(&mut self, resource: &'a Resource, selection: select::Selection) {
        let select::Selection { inbounds, listeners, delegated: _ } = selection;
        self.policies.push(resource);
        let of_listeners = listeners.iter().map(ListenerKey::inbound);
        let mut keys: Vec<InboundKey> = inbounds.into_iter().chain(of_listeners).collect();
        keys.sort();
        keys.dedup();
        for key in keys {
            self.inbounds.entry(key).or_default().push(resource);
        }
        for key in listeners {
            self.listeners.entry(key).or_default().push(resource);
        }
    }

    /// Sorts the policies of the proxy and of each inbound, least important first.
    pub(crate) fn sort(&mut self, profile: model::Profile) {
        let precedence = |resource: &&'a Resource| {
            policy_of(resource).map(|policy| Precedence::of(resource, policy, profile))
        };
        self.policies.sort_by_cached_key(precedence);
        for policies in self.inbounds.values_mut() {
            policies.sort_by_cached_key(precedence);
        }
    }
}

/// Policy in a resource; `None`: it is not a policy.
pub(crate) fn policy_of(resource: &Resource) -> Option<&Policy> {
    match resource.spec() {
        Spec::Policy(policy) => Some(policy),
        _ => None,
    }
}

fn unresolved(resource: &Resource, reason: &str) -> String {
    let meta = resource.meta();
    format!("unable to resolve TargetRef on policy: mesh:{} name:{} error:\"{reason}\"", meta.mesh, meta.name)
}
