//! Which policies speak about a proxy, and about which of its inbounds and listeners (spec 03 §2).

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

/// The policies of one kind that speak about a proxy.
#[derive(Clone, Debug, Default)]
pub struct Matched<'a> {
    /// All of them, least important first.
    pub policies: Vec<&'a Resource>,
    /// By inbound (for a builtin gateway: by the address and port of its listeners), least important first.
    /// Inbounds that no policy selects are not there.
    pub inbounds: BTreeMap<InboundKey, Vec<&'a Resource>>,
    /// By listener of a builtin gateway, in store order: the reference does not sort these (spec 03 §3).
    /// Listeners that no policy selects are not there.
    pub listeners: BTreeMap<ListenerKey, Vec<&'a Resource>>,
    /// Policies that could not be understood, in words.
    pub warnings: Vec<String>,
}

/// Which policies count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shadows {
    /// Those that configure something.
    #[default]
    LeftOut,
    /// Those with the label `kuma.io/effect: shadow` too: for inspection.
    Included,
}

impl<'a> View<'a> {
    /// The policies of a kind that speak about the proxy. A lookup by index: it reads only policies that may match.
    pub fn matched(&self, kind: Kind) -> Matched<'a> {
        self.match_policies(self.candidates(kind), Shadows::LeftOut)
    }

    /// Those of the given policies that speak about the proxy; ties keep the given order.
    pub fn match_policies(
        &self,
        policies: impl IntoIterator<Item = &'a Resource>,
        shadows: Shadows,
    ) -> Matched<'a> {
        let mut matched = self.gather(policies, shadows);
        matched.sort(self.profile());
        matched
    }

    /// The same, all in the given order.
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

    /// Puts the policies of the proxy and of each inbound in order, least important first.
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

/// The policy in a resource, if it is one.
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
