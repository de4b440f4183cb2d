//! Precedence of policies, as an order. Greater wins.

use std::cmp::Reverse;
use std::fmt;

use model::policy::Policy;
use model::{Origin, PolicyRole, Profile, RefKind, Resource, TargetRef};

/// Importance of a policy among those that select a proxy (spec 03 §3).
///
/// The fields are in the order of the specification. A step that a profile does not have gets the same value for every
/// policy. Policies that tie in everything keep store order: sort stably.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Precedence<'a> {
    target: u8,
    dataplane: DataplaneDetail,
    origin: Origin,
    gateway_tags: usize,
    role: PolicyRole,
    name: Name<'a>,
}

/// Importance of a `to` item among all that are about real destinations (spec 03 §5.1).
///
/// Unlike in [`Precedence`], a more specific destination comes before the name of the policy, and the number of
/// gateway tags does not matter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ItemPrecedence<'a> {
    target: u8,
    dataplane: DataplaneDetail,
    origin: Origin,
    role: PolicyRole,
    to: u8,
    to_port: bool,
    name: Name<'a>,
}

/// Detail of a Dataplane targetRef beyond its kind: a name is more than labels, and a section more than none.
///
/// The reference has a Dataplane without name and labels on one level with both of them, which is not an order
/// (labels are below a name); here it is on the level of labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct DataplaneDetail {
    by_name: bool,
    by_section: bool,
}

/// Display name as a tie-break. Only one variant occurs within a profile.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name<'a> {
    LargerWins(&'a str),
    SmallerWins(Reverse<&'a str>),
}

impl<'a> Precedence<'a> {
    /// The precedence of a policy.
    pub fn of(resource: &'a Resource, policy: &Policy, profile: Profile) -> Self {
        let target = top_target(policy);
        let gateway_tags = target.filter(|t| t.kind == RefKind::MeshGateway && profile.ranks_gateway_tags());
        Self {
            target: specificity(target, profile),
            dataplane: DataplaneDetail::of(target, profile),
            origin: origin(resource, profile),
            gateway_tags: gateway_tags.map_or(0, |target| target.tags.len()),
            role: role(resource, profile),
            name: Name::of(resource, profile),
        }
    }
}

/// Step of the order that decides between two policies (spec 03 §3, §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrecedenceStep {
    /// Kind of the top-level targetRef.
    Target,
    /// Detail of a Dataplane targetRef.
    Dataplane,
    /// Origin of the policy.
    Origin,
    /// Number of tags of a MeshGateway targetRef.
    GatewayTags,
    /// Role of the policy.
    Role,
    /// Kind of the destination.
    To,
    /// Presence of a port in the destination.
    ToPort,
    /// Name of the policy.
    Name,
}

impl fmt::Display for PrecedenceStep {
    /// Writes the reason as the end of "it wins because …".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PrecedenceStep::Target => "its top-level targetRef is of a more specific kind",
            PrecedenceStep::Dataplane => "it selects its Dataplanes more exactly",
            PrecedenceStep::Origin => "a policy of a zone beats one of the global control plane",
            PrecedenceStep::GatewayTags => "it selects gateway listeners by more tags",
            PrecedenceStep::Role => "its policy role ranks higher",
            PrecedenceStep::To => "its destination is of a more specific kind",
            PrecedenceStep::ToPort => "it names a port of the destination",
            PrecedenceStep::Name => "of equals, the name decides",
        })
    }
}

impl Precedence<'_> {
    /// Returns the first step at which two policies differ; `None`: only their order in the store tells them apart.
    pub fn decided_by(&self, other: &Self) -> Option<PrecedenceStep> {
        let Self { target, dataplane, origin, gateway_tags, role, name } = self;
        let steps = [
            (PrecedenceStep::Target, *target == other.target),
            (PrecedenceStep::Dataplane, *dataplane == other.dataplane),
            (PrecedenceStep::Origin, *origin == other.origin),
            (PrecedenceStep::GatewayTags, *gateway_tags == other.gateway_tags),
            (PrecedenceStep::Role, *role == other.role),
            (PrecedenceStep::Name, *name == other.name),
        ];
        steps.into_iter().find(|(_, equal)| !equal).map(|(step, _)| step)
    }
}

impl ItemPrecedence<'_> {
    /// Returns the first step at which two items differ; `None`: only their order in the store tells them apart.
    pub fn decided_by(&self, other: &Self) -> Option<PrecedenceStep> {
        let Self { target, dataplane, origin, role, to, to_port, name } = self;
        let steps = [
            (PrecedenceStep::Target, *target == other.target),
            (PrecedenceStep::Dataplane, *dataplane == other.dataplane),
            (PrecedenceStep::Origin, *origin == other.origin),
            (PrecedenceStep::Role, *role == other.role),
            (PrecedenceStep::To, *to == other.to),
            (PrecedenceStep::ToPort, *to_port == other.to_port),
            (PrecedenceStep::Name, *name == other.name),
        ];
        steps.into_iter().find(|(_, equal)| !equal).map(|(step, _)| step)
    }
}

impl<'a> ItemPrecedence<'a> {
    /// The precedence of an item for `to` of a policy.
    pub fn of(resource: &'a Resource, policy: &Policy, to: &TargetRef, profile: Profile) -> Self {
        let target = top_target(policy);
        Self {
            target: specificity(target, profile),
            dataplane: DataplaneDetail::of(target, profile),
            origin: origin(resource, profile),
            role: role(resource, profile),
            to: profile.specificity(to.kind),
            to_port: to.kind == RefKind::MeshService && to.section_name.is_some(),
            name: Name::of(resource, profile),
        }
    }
}

impl DataplaneDetail {
    fn of(target: Option<&TargetRef>, profile: Profile) -> Self {
        match target.filter(|t| t.kind == RefKind::Dataplane && profile.ranks_dataplane_detail()) {
            Some(target) => {
                Self { by_name: target.name.is_some(), by_section: target.section_name.is_some() }
            }
            None => Self::default(),
        }
    }
}

impl<'a> Name<'a> {
    fn of(resource: &'a Resource, profile: Profile) -> Self {
        if profile.smaller_name_wins() {
            Name::SmallerWins(Reverse(resource.meta().display_name()))
        } else {
            Name::LargerWins(resource.meta().name.as_str())
        }
    }
}

fn top_target(policy: &Policy) -> Option<&TargetRef> {
    policy.target.as_ref()
}

fn specificity(target: Option<&TargetRef>, profile: Profile) -> u8 {
    profile.specificity(target.map_or(RefKind::Mesh, |target| target.kind))
}

fn origin(resource: &Resource, profile: Profile) -> Origin {
    if profile.ranks_origin() { resource.meta().origin() } else { Origin::Unknown }
}

fn role(resource: &Resource, profile: Profile) -> PolicyRole {
    if profile.ranks_role() { resource.meta().role() } else { PolicyRole::System }
}
