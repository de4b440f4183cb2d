//! Rollouts in force: the current weights of two backends of a route between which connections are being moved.

use model::policy::{Percent, Rollout};
use model::{BackendRef, Kind, Spec};

use crate::plan::PolicyOrigin;
use crate::view::View;

/// Weights that a rollout has in force.
pub(super) struct Weighed {
    /// Rollout that sets them.
    pub(super) by: PolicyOrigin,
    /// Backend that connections go to, if the route does not name it: it comes last.
    pub(super) added: Option<BackendRef>,
    /// Weights of all backends, in their order.
    pub(super) weights: Vec<u64>,
    /// Indexes of the rollout's two backends.
    pub(super) both: [usize; 2],
}

/// Returns the weights of `refs`, which a policy at `origin` names, under a rollout: other backends of the route
/// keep their share. `None`: no rollout is in force here.
pub(super) fn weighed(view: &View<'_>, refs: &[BackendRef], origin: &PolicyOrigin) -> Option<Weighed> {
    if origin.policy.kind != Kind::MeshTCPRoute {
        return None;
    }
    let (by, rollout, share) = in_force(view, refs, origin)?;
    let at = |backend: &BackendRef| refs.iter().position(|it| is_same(it, backend));
    let from = at(&rollout.from)?;
    let (to, added) = match at(&rollout.to) {
        Some(to) => (to, None),
        None => (refs.len(), Some(BackendRef { weight: Some(0), ..rollout.to.clone() })),
    };
    let all = refs.iter().chain(&added);
    let mut weights: Vec<u64> = all.map(|it| u64::from(it.weight.unwrap_or(1) as u32)).collect();
    divide(&mut weights, from, to, share);
    Some(Weighed { by, added, weights, both: [from, to] })
}

/// Returns the rollout that decides about the sides of a route for one destination: of several the first by name.
fn in_force<'a>(
    view: &View<'a>,
    refs: &[BackendRef],
    origin: &PolicyOrigin,
) -> Option<(PolicyOrigin, &'a Rollout, Percent)> {
    let rollouts = view.of_kind(Kind::MeshTCPRollout).iter();
    let mut of_route = rollouts.filter_map(|resource| match resource.spec() {
        Spec::Rollout(rollout) if rollout.route == origin.policy.name || rollout.route == origin.name => {
            Some((resource, &**rollout))
        }
        _ => None,
    });
    of_route.find_map(|(resource, rollout)| {
        let share = rollout.in_force?;
        let is_named = refs.iter().any(|it| is_same(it, &rollout.from));
        (is_named && is_about(view, rollout, origin)).then(|| (PolicyOrigin::of(resource), rollout, share))
    })
}

/// Returns `true` if a rollout is about the destination of the item of a route at `origin`.
fn is_about(view: &View<'_>, rollout: &Rollout, origin: &PolicyOrigin) -> bool {
    let Some(destination) = &rollout.destination else { return true };
    let Some(Spec::Policy(route)) = view.by_id(&origin.policy).map(model::Resource::spec) else {
        return false;
    };
    origin.item.and_then(|item| route.to.get(item)).is_some_and(|item| item.target == *destination)
}

/// Returns `true` if two backendRefs name the same destination, whatever their weights.
fn is_same(one: &BackendRef, other: &BackendRef) -> bool {
    (&one.target, one.port) == (&other.target, other.port)
}

/// Gives `to` its share of the sum of both weights, and `from` the rest. The numbers become as small as possible,
/// and fit 32 bits.
fn divide(weights: &mut [u64], from: usize, to: usize, share: Percent) {
    const WHOLE: u64 = 10_000;
    let both = match weights[from] + weights[to] {
        // the route gives neither any weight, so the rollout does not either
        0 => return,
        both => both,
    };
    let part = u64::from(share.in_hundredths());
    weights.iter_mut().for_each(|weight| *weight *= WHOLE);
    (weights[from], weights[to]) = (both * (WHOLE - part), both * part);
    let divisor = weights.iter().copied().fold(0, greatest_common_divisor).max(1);
    weights.iter_mut().for_each(|weight| *weight /= divisor);
    while weights.iter().any(|weight| *weight > u64::from(u32::MAX)) {
        // no weight above zero becomes zero
        weights.iter_mut().for_each(|weight| *weight = weight.div_ceil(2));
    }
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn divided<const N: usize>(mut weights: [u64; N], percent: f64) -> [u64; N] {
        divide(&mut weights, 0, 1, Percent::hundredths((percent * 100.0) as u32));
        weights
    }

    #[test]
    fn two_backends_share_what_the_route_gives_both() {
        assert_eq!(divided([100, 0], 10.0), [9, 1]);
        assert_eq!(divided([1, 1], 0.0), [1, 0]);
        assert_eq!(divided([100, 0], 100.0), [1, 0].map(|weight| 1 - weight));
        assert_eq!(divided([0, 0], 50.0), [0, 0]);
        assert_eq!(divided([100, 0], 0.01), [9_999, 1]);
    }

    #[test]
    fn others_keep_their_share() {
        assert_eq!(divided([60, 20, 20], 50.0), [2, 2, 1]);
        let large = divided([u64::from(u32::MAX), 0, 1], 0.01);
        assert!(large.iter().all(|weight| (1..=u64::from(u32::MAX)).contains(weight)), "{large:?}");
    }
}
