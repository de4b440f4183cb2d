//! Splits: resolves backendRefs to backends (spec 04 §7), and decides about the share of an unusable one.

use model::declared::Declared;
use model::{BackendRef, ResourceId, Tags};

use super::clusters::{Clusters, Made};
use super::facts::Facts;
use super::near;
use super::rollout::{self, Weighed};
use super::service::Service;
use super::settings;
use crate::merge::Destined;
use crate::plan::{Backend, BackendFate, OnUnavailable, PolicyOrigin, Sourced, Unusable, Warning};
use crate::view::View;

/// Weight of the dialled destination, if no policy decides where connections go (spec 04 §4.4).
const DEFAULT_WEIGHT: u64 = 100;

/// One backendRef, and its resolution.
pub(super) struct Side {
    /// backendRef in words.
    pub(super) reference: String,
    /// Weight as written; absent: 1.
    pub(super) weight: Option<u64>,
    /// Destination that it resolves to.
    pub(super) meaning: Destined,
    /// Policy that named it.
    pub(super) origin: Option<PolicyOrigin>,
    /// Rollout that sets its weight.
    pub(super) weighed_by: Option<PolicyOrigin>,
}

/// Builder of splits.
pub(super) struct Splitter<'v, 'a> {
    pub(super) view: &'v View<'a>,
    pub(super) facts: &'v Facts<'a>,
    pub(super) clusters: Clusters<'v, 'a>,
    /// Warnings for the operator, in words.
    pub(super) warnings: Vec<Warning>,
}

/// Context of a split.
#[derive(Clone, Copy)]
pub(super) struct SplitContext<'t> {
    /// Configured treatment of the share of an unusable backend.
    pub(super) on_unavailable: Option<&'t Sourced<OnUnavailable>>,
    /// `true`: backends must have a protocol that TCP is routed to; not for those of HTTP routes.
    pub(super) checks_protocols: bool,
    /// Tags of the gateway listener that it is for.
    pub(super) gateway: Option<&'t Tags>,
}

impl<'a> Splitter<'_, 'a> {
    /// Resolves the backendRefs of a policy, with the weights that are in force.
    pub(super) fn sides(&self, refs: &[BackendRef], origin: &PolicyOrigin) -> Vec<Side> {
        let side = |backend: &BackendRef| Side {
            reference: backend.to_string(),
            weight: backend.weight,
            meaning: self.view.resolve_backend_ref(backend, origin),
            origin: Some(origin.clone()),
            weighed_by: None,
        };
        let mut sides: Vec<Side> = refs.iter().map(side).collect();
        if let Some(Weighed { by, added, weights, both }) = rollout::weighed(self.view, refs, origin) {
            sides.extend(added.iter().map(side));
            for (at, (side, weight)) in sides.iter_mut().zip(weights).enumerate() {
                side.weight = Some(weight);
                side.weighed_by = both.contains(&at).then(|| by.clone());
            }
        }
        sides
    }

    /// Returns the dialled destination, as the only backend.
    pub(super) fn itself(meaning: Destined) -> Vec<Side> {
        let reference = "what was dialled".to_owned();
        vec![Side { reference, weight: Some(DEFAULT_WEIGHT), meaning, origin: None, weighed_by: None }]
    }

    /// Sets what a route declares about the destinations behind its split. An earlier declaration of another route
    /// stays.
    pub(super) fn declare(&mut self, split: &[Backend], route: Option<&ResourceId>) {
        for name in split.iter().filter_map(Backend::cluster) {
            if let Some(cluster) = self.clusters.get_mut(name) {
                settings::declare(self.view, cluster, route, &mut self.warnings);
            }
        }
    }

    /// Makes the backends, in order. In old profiles one with a protocol that is not allowed empties the split.
    pub(super) fn split(&mut self, sides: Vec<Side>, context: SplitContext<'_>) -> Vec<Backend> {
        let mut backends: Vec<Backend> = sides.into_iter().map(|side| self.backend(side, context)).collect();
        let bad = backends.iter().find_map(|backend| match &backend.fate {
            BackendFate::Spilled(Unusable::Protocol { protocol }) => {
                Some(format!("{} ({protocol})", backend.reference))
            }
            _ => None,
        });
        if let Some(by) = bad.filter(|_| self.facts.profile.one_bad_protocol_empties_the_split()) {
            for backend in backends.iter_mut().filter(|backend| backend.cluster().is_some()) {
                backend.fate = BackendFate::Spilled(Unusable::Emptied { by: by.clone() });
            }
        }
        backends
    }

    fn backend(&mut self, side: Side, context: SplitContext<'_>) -> Backend {
        let Side { reference, weight, meaning, origin, weighed_by } = side;
        // Beyond 32 bits the reference keeps the lower ones (spec 04 §7.2).
        let weight = weight.unwrap_or(1) as u32;
        let fate = if weight == 0 {
            BackendFate::Spilled(Unusable::ZeroWeight)
        } else {
            self.fate(&reference, &meaning, origin.as_ref(), context)
        };
        let when_unavailable = context.on_unavailable.cloned();
        Backend { reference, weight, fate, origin, weighed_by, when_unavailable }
    }

    fn fate(
        &mut self,
        reference: &str,
        meaning: &Destined,
        origin: Option<&PolicyOrigin>,
        context: SplitContext<'_>,
    ) -> BackendFate {
        let made = match meaning {
            Destined::Legacy { tags, mesh: _ } if tags.service().unwrap_or_default().is_empty() => {
                Err(Unusable::NotFound { looked_for: "a service, but the reference names none".into() })
            }
            Destined::Legacy { tags, mesh } => self.clusters.of_tags(tags, mesh.as_deref(), context.gateway),
            Destined::Real(id) => Service::find(self.view, id)
                .and_then(|service| self.clusters.of_service(&service, context.gateway)),
            Destined::Dropped { looked_for } => Err(Unusable::NotFound { looked_for: looked_for.clone() }),
        };
        let made = made.and_then(|made| self.allowed(made, context.checks_protocols));
        let (named_by, legacy) = (origin, matches!(meaning, Destined::Legacy { .. }));
        let on_unavailable = context.on_unavailable.map(|said| said.value).unwrap_or_default();
        match (made, on_unavailable) {
            (Err(why), OnUnavailable::Refuse) => self.warned(reference, named_by, why, BackendFate::Refused),
            // A reference that resolves to nothing keeps its place on a gateway (spec 04 §12.2), and everywhere one
            // to a destination that exists and cannot be dialled (spec 07 §7.4).
            (Err(why), OnUnavailable::Reference) if context.gateway.is_some() || exists(&why) => {
                self.warned(reference, named_by, why, BackendFate::Refused)
            }
            (Err(why), OnUnavailable::Reference | OnUnavailable::Spill) => {
                self.warned(reference, named_by, why, BackendFate::Spilled)
            }
            (Ok(made), _) if made.is_offered => routed(made),
            (Ok(made), on_unavailable) => {
                let why = made.lacks.clone();
                self.warn_of_nobody(reference, named_by, meaning, legacy, &why);
                match on_unavailable {
                    OnUnavailable::Reference => routed(made),
                    OnUnavailable::Spill => BackendFate::Spilled(why),
                    OnUnavailable::Refuse => BackendFate::Refused(why),
                }
            }
        }
    }

    fn allowed(&self, made: Made, checks: bool) -> Result<Made, Unusable> {
        if !checks || self.facts.profile.allows_backend_protocol(made.protocol) {
            Ok(made)
        } else {
            Err(Unusable::Protocol { protocol: made.protocol.to_string() })
        }
    }

    fn warned(
        &mut self,
        reference: &str,
        origin: Option<&PolicyOrigin>,
        why: Unusable,
        fate: fn(Unusable) -> BackendFate,
    ) -> BackendFate {
        let fate = fate(why.clone());
        let empties = matches!(why, Unusable::Protocol { .. })
            && self.facts.profile.one_bad_protocol_empties_the_split();
        let effect = match &fate {
            BackendFate::Refused(_) => "its share is refused",
            BackendFate::Spilled(_) | BackendFate::Routed { .. } if empties => "the whole split is dropped",
            // without a policy it is the only backend
            BackendFate::Spilled(_) | BackendFate::Routed { .. } if origin.is_none() => {
                "every connection is refused"
            }
            BackendFate::Spilled(_) | BackendFate::Routed { .. } => "its share goes to the other backends",
        };
        self.warn(reference, origin, format!("{}{reference}: {why}; {effect}", named_by(origin)));
        fate
    }

    fn warn_of_nobody(
        &mut self,
        reference: &str,
        origin: Option<&PolicyOrigin>,
        meaning: &Destined,
        legacy: bool,
        why: &Unusable,
    ) {
        // Without a policy there is nothing to correct: the service just has no endpoints yet.
        if origin.is_none() && !matches!(why, Unusable::Unloaded { .. }) {
            return;
        }
        let hint = match meaning {
            Destined::Legacy { tags, mesh: None } if legacy => {
                near::tag_services(self.view, tags.service().unwrap_or_default())
            }
            Destined::Legacy { .. } | Destined::Real(_) | Destined::Dropped { .. } => None,
        };
        let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        self.warn(reference, origin, format!("{}{reference}: {why}{hint}", named_by(origin)));
    }

    fn warn(&mut self, reference: &str, origin: Option<&PolicyOrigin>, text: String) {
        self.warnings.push(match origin {
            Some(origin) => Warning::about(&origin.policy, reference, text),
            None => text.into(),
        });
    }
}

/// Returns `true` if the unusable destination exists.
fn exists(why: &Unusable) -> bool {
    matches!(why, Unusable::NoServerName(_) | Unusable::NeedsMesh { .. })
}

fn routed(made: Made) -> BackendFate {
    BackendFate::Routed { cluster: made.name, subset: Tags::default() }
}

fn named_by(origin: Option<&PolicyOrigin>) -> String {
    origin.map(|origin| format!("{} `{}`: ", origin.policy.kind, origin.name)).unwrap_or_default()
}

/// Returns the configured treatment of the share of an unusable backend: by the policy that named it, or else the
/// mesh.
pub(super) fn on_unavailable(view: &View<'_>, policy: Option<&ResourceId>) -> Option<Sourced<OnUnavailable>> {
    settings::by_route_or_mesh(view, policy, Declared::on_unavailable)
}
