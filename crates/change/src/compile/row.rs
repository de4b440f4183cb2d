//! Listener of a plan as one row in words: its destination, its split, and the policy that decided it.

use std::fmt;

use dialect::l4::Refusals;
use plan::{
    Backend, BackendFate, Destination, Direction, Listener, Match, Owner, Plan, PolicyOrigin, ProxyId, Route,
    Unusable, shares,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::CompiledProxy;

/// Direction of the connections of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ListenerDirection {
    /// From the mesh to the application.
    Inbound,
    /// From the application into the mesh.
    Outbound,
    /// From outside into the mesh.
    Gateway,
}

impl fmt::Display for ListenerDirection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            ListenerDirection::Inbound => "inbound",
            ListenerDirection::Outbound => "outbound",
            ListenerDirection::Gateway => "gateway",
        })
    }
}

/// Listener in words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Proxy, as `mesh/name`.
    #[schemars(with = "String")]
    pub proxy: ProxyId,
    /// Direction of its connections.
    pub sort: ListenerDirection,
    /// Name of the listener in the plan; with the host name on gateways that route by it.
    pub listener: String,
    /// Address that it listens at: `ip:port`.
    pub address: String,
    /// Destination that clients dial there.
    pub destination: String,
    /// Shares of the backends.
    pub split: Vec<BackendShare>,
    /// Policy that decided the split, as `Kind mesh/name`; `None`: no policy did.
    pub decided_by: Option<String>,
    /// Reason why every connection is refused; `None`: not every one is.
    pub refusal: Option<String>,
}

/// Side of a split in words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackendShare {
    /// BackendRef, without its kind.
    pub backend: String,
    /// Weight.
    pub weight: u32,
    /// Share of all connections, in percent.
    pub percent: f64,
    /// Handling of its share, if it cannot be used; `None`: it can.
    pub unusable: Option<String>,
}

/// Listeners of a plan, in its order: one row for each route.
pub fn rows(plan: &Plan) -> Vec<Row> {
    rows_but(plan, &Refusals::default())
}

/// Listeners as our own proxy carries them, including its refusals beyond the plan.
pub fn carried(proxy: &CompiledProxy) -> Vec<Row> {
    rows_but(&proxy.plan, proxy.told.refusals())
}

fn rows_but(plan: &Plan, refused: &Refusals) -> Vec<Row> {
    let routes = plan
        .listeners
        .iter()
        .flat_map(|listener| listener.routes.iter().map(move |(claimed, route)| (listener, claimed, route)));
    routes.map(|(listener, claimed, route)| row(plan, listener, claimed, route, refused)).collect()
}

fn row(plan: &Plan, listener: &Listener, claimed: &Match, route: &Route, refused: &Refusals) -> Row {
    let claims = match claimed.to_string() {
        all if all == "*" || claimed.is_everything() => None,
        some => Some(some),
    };
    let own = || claims.clone().unwrap_or_else(|| listener.service.clone());
    let (sort, destination, split) = match &listener.direction {
        Direction::Inbound => (ListenerDirection::Inbound, own(), applications(plan, &route.split)),
        Direction::Outbound(dialled) => {
            (ListenerDirection::Outbound, destination(dialled), split(&route.split, refused))
        }
        Direction::Gateway => (ListenerDirection::Gateway, own(), split(&route.split, refused)),
        Direction::Zone => (ListenerDirection::Inbound, own(), split(&route.split, refused)),
    };
    let in_the_plan = match route.owner {
        Owner::Nobody => Some("no rule speaks about it".to_owned()),
        _ => route.refusal.clone(),
    };
    let by_the_proxy = || refused.of_route(&listener.name, claimed).map(str::to_owned);
    Row {
        proxy: plan.proxy.id.clone(),
        sort,
        listener: claims
            .as_ref()
            .map_or_else(|| listener.name.clone(), |name| format!("{} {name}", listener.name)),
        address: joined(&listener.bind.address, listener.bind.port.into()),
        destination,
        split,
        decided_by: route.owner.decided_by().map(policy),
        refusal: in_the_plan.or_else(by_the_proxy).or_else(|| nothing_dialled(&route.split, refused)),
    }
}

impl Row {
    /// Split in words: `ledger 90%, ledger-canary 10%`.
    pub fn split_in_words(&self) -> String {
        if let Some(why) = &self.refusal {
            return format!("refused: {why}");
        }
        if self.is_refused() {
            return "refused".to_owned();
        }
        let share = |share: &BackendShare| {
            let BackendShare { backend, weight: _, percent, unusable } = share;
            let fate = unusable.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
            format!("{backend} {}%{fate}", percent_in_words(*percent))
        };
        match self.split.as_slice() {
            [only] if only.unusable.is_none() => only.backend.clone(),
            several => several.iter().map(share).collect::<Vec<_>>().join(", "),
        }
    }

    /// Returns `true` if every connection is refused.
    pub fn is_refused(&self) -> bool {
        self.refusal.is_some() || self.split.iter().all(|share| share.percent == 0.0)
    }

    /// Shares alone: `90/10`.
    pub fn shares_in_words(&self) -> String {
        self.split.iter().map(|share| percent_in_words(share.percent)).collect::<Vec<_>>().join("/")
    }

    /// Title of the listener in messages: `outbound ledger`.
    pub fn title(&self) -> String {
        if self.destination.is_empty() {
            format!("{} {}", self.sort, self.address)
        } else {
            format!("{} {}", self.sort, self.destination)
        }
    }
}

fn joined(address: &str, port: u32) -> String {
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}

fn destination(destination: &Destination) -> String {
    match destination {
        Destination::Tags(tags) => {
            let mut rest = tags.clone();
            let service = rest.remove(model::reference::SERVICE_TAG).unwrap_or_default();
            if rest.is_empty() { service } else { format!("{service} {rest}") }
        }
        Destination::Resource { id, name: _ } if id.section.is_empty() => id.name.clone(),
        Destination::Resource { id, name: _ } => format!("{}:{}", id.name, id.section),
    }
}

/// Application of an inbound, by its address.
fn applications(plan: &Plan, backends: &[Backend]) -> Vec<BackendShare> {
    let clusters = backends.iter().filter_map(Backend::cluster).filter_map(|name| plan.clusters.get(name));
    let share = |endpoint: &plan::Endpoint| BackendShare {
        backend: joined(&endpoint.address, endpoint.port),
        weight: 1,
        percent: 100.0,
        unusable: None,
    };
    clusters.flat_map(|cluster| &cluster.endpoints).map(share).collect()
}

fn split(backends: &[Backend], refused: &Refusals) -> Vec<BackendShare> {
    let one = |(backend, share): (&Backend, f64)| {
        let Backend { reference, weight, fate, origin: _, weighed_by: _, when_unavailable: _ } = backend;
        let not_dialled = |why: &str| match backend.spills_when_down() {
            true => format!("{why}: spills to the others"),
            false => format!("{why}: refused"),
        };
        BackendShare {
            backend: without_kind(reference),
            weight: *weight,
            percent: share * 100.0,
            unusable: match fate {
                BackendFate::Routed { .. } => refused.of_backend(backend).map(not_dialled),
                // a weight of 0 is intended, and visible in its share
                BackendFate::Spilled(Unusable::ZeroWeight) | BackendFate::Refused(Unusable::ZeroWeight) => {
                    None
                }
                BackendFate::Spilled(why) => Some(format!("{why}: spills to the others")),
                BackendFate::Refused(why) => Some(format!("{why}: refused")),
            },
        }
    };
    backends.iter().zip(shares(backends)).map(one).collect()
}

/// Reason why no backend of a split is dialled; `None`: one is, or none would be anyway.
fn nothing_dialled(backends: &[Backend], refused: &Refusals) -> Option<String> {
    let used = backends.iter().filter(|backend| backend.weight > 0 && backend.cluster().is_some());
    let mut refusals = used.map(|backend| refused.of_backend(backend));
    let why = refusals.next()??;
    refusals.all(|why| why.is_some()).then(|| why.to_owned())
}

/// BackendRef in words, as in [`BackendShare::backend`].
pub fn without_kind(reference: &str) -> String {
    match reference.split_once(' ') {
        Some((kind, rest)) if kind.starts_with("Mesh") && !rest.is_empty() => rest.to_owned(),
        _ => reference.to_owned(),
    }
}

fn policy(origin: &PolicyOrigin) -> String {
    format!("{} {}/{}", origin.policy.kind, origin.policy.mesh, origin.policy.name)
}

/// Percentage in words: `90`, `33.3`, `0.01`, with no more digits than needed to tell shares apart.
fn percent_in_words(percent: f64) -> String {
    let digits = if percent.fract().abs() < 1e-9 {
        0
    } else if percent >= 1.0 {
        1
    } else {
        2
    };
    format!("{percent:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percents_are_short() {
        let words: Vec<_> = [90.0, 100.0 / 3.0, 0.5, 0.0].map(percent_in_words).into();
        assert_eq!(words, ["90", "33.3", "0.50", "0"]);
    }

    #[test]
    fn a_backend_is_named_without_its_kind() {
        assert_eq!(without_kind("MeshServiceSubset redis version=v2"), "redis version=v2");
        assert_eq!(without_kind("redis"), "redis");
    }
}
