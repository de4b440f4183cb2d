//! Outcomes of route policies.

use std::fmt;

use model::Kind;
use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};
use serde_json::json;

use super::{PolicyOrigin, PolicyPlace, Unusable};

/// Outcome of one route policy on one listener.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Considered {
    /// Policy and its item.
    #[serde(rename = "policy")]
    pub origin: PolicyOrigin,
    /// Outcome on the listener.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// Outcome of a route policy, for one listener or for the whole proxy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The policy decides.
    Applied,
    /// A more important policy decides instead.
    Shadowed {
        /// More important policy.
        by: PolicyOrigin,
    },
    /// The policy has no effect.
    Ignored(IgnoredBecause),
}

/// Reason why a route policy has no effect.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IgnoredBecause {
    /// A MeshHTTPRoute owns the HTTP-like destination.
    HttpRouteWins {
        /// One of the MeshHTTPRoutes.
        route: PolicyOrigin,
    },
    /// The policy is a MeshHTTPRoute, and the destination is not HTTP-like (spec 06 no. 2).
    DestinationNotHttp,
    /// A MeshTCPRoute owns the destination, although it is HTTP-like: no MeshHTTPRoute decides there (2.5 and before).
    TcpRouteWins {
        /// MeshTCPRoute that owns it.
        route: PolicyOrigin,
    },
    /// A TrafficRoute keeps the proxy (spec 04 §1.1).
    TrafficRouteStays,
    /// A MeshTCPRoute took the whole proxy over (spec 06 no. 7).
    TcpRouteTookOver,
    /// No outbound of the proxy dials its destination.
    NoSuchOutbound,
    /// Its destination does not resolve.
    DestinationNotFound {
        /// Destination that was looked for, in words.
        looked_for: String,
    },
    /// The profile does not route that kind of destination.
    KindUnknownToProfile,
    /// A policy cannot be merged with the others, which leaves the proxy without any of their rules (spec 03 §2.5).
    RulesBroken {
        /// That policy, and what is wrong with it, in words.
        why: String,
    },
    /// The policy is a shadow policy.
    Shadow,
    /// The policy has no `to` items.
    NothingToSay,
}

/// Outcome of one route policy for one proxy.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct RouteStatus {
    /// Route policy.
    pub policy: PolicyOrigin,
    /// Kind of the policy.
    pub kind: Kind,
    /// Outcome: applied if it decides at least one listener.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Listeners that it decides, by name.
    pub decides: Vec<String>,
    /// backendRefs of the policy that cannot be used, each with the reason.
    #[serde(serialize_with = "unresolved")]
    pub unresolved: Vec<(String, Unusable)>,
}

impl Serialize for Outcome {
    /// Serializes as `{outcome, by, why}`: the policy that decides instead, or the reason in words; else null.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (word, by, why) = match self {
            Outcome::Applied => ("applied", None, None),
            Outcome::Shadowed { by } => ("shadowed", Some(by), None),
            Outcome::Ignored(why) => ("ignored", None, Some(why.to_string())),
        };
        let mut said = serializer.serialize_struct("Outcome", 3)?;
        said.serialize_field("outcome", word)?;
        said.serialize_field("by", &by)?;
        said.serialize_field("why", &why)?;
        said.end()
    }
}

fn unresolved<S: Serializer>(all: &[(String, Unusable)], serializer: S) -> Result<S::Ok, S::Error> {
    let one =
        |(reference, why): &(String, Unusable)| json!({ "reference": reference, "why": why.to_string() });
    serializer.collect_seq(all.iter().map(one))
}

impl fmt::Display for IgnoredBecause {
    /// Writes the reason as a sentence without its subject, the policy.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IgnoredBecause::HttpRouteWins { route } => {
                write!(f, "the destination is HTTP-like, and MeshHTTPRoute `{}` decides there", route.name)
            }
            IgnoredBecause::DestinationNotHttp => f.write_str("the destination does not speak HTTP"),
            IgnoredBecause::TcpRouteWins { route } => {
                write!(f, "MeshTCPRoute `{}` decides there", route.name)
            }
            IgnoredBecause::TrafficRouteStays => f.write_str(
                "the mesh has a TrafficRoute, and no MeshTCPRoute has a rule by tag for this proxy",
            ),
            IgnoredBecause::TcpRouteTookOver => {
                f.write_str("MeshTCPRoute has taken over all outbounds of this proxy")
            }
            IgnoredBecause::NoSuchOutbound => f.write_str("no outbound of this proxy dials its destination"),
            IgnoredBecause::DestinationNotFound { looked_for } => {
                write!(f, "its destination does not exist: {looked_for}")
            }
            IgnoredBecause::KindUnknownToProfile => {
                f.write_str("this profile does not route to that kind of destination")
            }
            IgnoredBecause::RulesBroken { why } => {
                write!(f, "a policy cannot be merged with the others: {why}")
            }
            IgnoredBecause::Shadow => {
                f.write_str("it is a shadow policy (label kuma.io/effect: shadow), which configures nothing")
            }
            IgnoredBecause::NothingToSay => f.write_str("it has no `to` items"),
        }
    }
}

impl fmt::Display for PolicyOrigin {
    /// Writes `MeshTCPRoute canary, to[0] (routes.yaml:12)`; unknown parts are left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PolicyPlace { policy, name, list: _, item: _, source } = &**self;
        write!(f, "{} {name}", policy.kind)?;
        let place = self.place("");
        if !place.is_empty() {
            write!(f, ", {place}")?;
        }
        if !source.is_empty() {
            write!(f, " ({source})")?;
        }
        Ok(())
    }
}
