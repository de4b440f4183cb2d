//! A listener of a plan in one row of words: what it offers, where its connections go, and who decided so.

use std::fmt;

use dialect::l4::Refusals;
use model::ProxyKey;
use plan::{Backend, Destination, Fate, Owner, Plan, PolicyOrigin, Unusable, shares};
use serde::Serialize;

use super::CompiledProxy;

/// Which way the connections of a listener flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sort {
    /// From the mesh to the application.
    Inbound,
    /// From the application into the mesh.
    Outbound,
    /// From outside into the mesh.
    Gateway,
}

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Sort::Inbound => "inbound",
            Sort::Outbound => "outbound",
            Sort::Gateway => "gateway",
        })
    }
}

/// One listener in words.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// The proxy, as `mesh/name`.
    pub proxy: ProxyKey,
    /// Which way connections flow.
    pub sort: Sort,
    /// The listener's name in the plan; with the host name on gateways that route by it.
    pub listener: String,
    /// Where it listens: `ip:port`.
    pub address: String,
    /// What is dialled there.
    pub destination: String,
    /// Where connections go.
    pub split: Vec<Share>,
    /// The policy that decided, as `Kind mesh/name`; `None`: no policy did.
    pub decided_by: Option<String>,
    /// Why every connection is refused, when it is.
    pub refusal: Option<String>,
}

/// One side of a split in words.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Share {
    /// The backendRef, without its kind.
    pub backend: String,
    /// Its weight.
    pub weight: u32,
    /// Its share of all connections, in percent.
    pub percent: f64,
    /// What happens to its share when it cannot be used.
    pub unusable: Option<String>,
}

/// The listeners of a plan: inbounds, outbounds, gateway listeners, each in the order of the plan.
pub fn rows(plan: &Plan) -> Vec<Row> {
    rows_but(plan, &Refusals::default())
}

/// The same as our own proxy carries them: what it refuses although the plan does not is refused here.
pub fn carried(proxy: &CompiledProxy) -> Vec<Row> {
    rows_but(&proxy.plan, proxy.told.refusals())
}

fn rows_but(plan: &Plan, refused: &Refusals) -> Vec<Row> {
    let blank = |sort, listener: &str, address: &str, port: u16| Row {
        proxy: plan.proxy.clone(),
        sort,
        listener: listener.into(),
        address: joined(address, port),
        destination: String::new(),
        split: Vec::new(),
        decided_by: None,
        refusal: None,
    };
    let inbounds = plan.inbounds.iter().map(|inbound| Row {
        destination: inbound.service.clone(),
        split: vec![Share {
            backend: joined(&inbound.service_address, inbound.service_port),
            weight: 1,
            percent: 100.0,
            unusable: None,
        }],
        refusal: refused.routes.get(&inbound.name).cloned(),
        ..blank(Sort::Inbound, &inbound.name, &inbound.address, inbound.port)
    });
    let outbounds = plan.outbounds.iter().map(|outbound| Row {
        destination: destination(&outbound.destination),
        split: split(&outbound.split, refused),
        decided_by: decided_by(&outbound.owner),
        refusal: outbound.refusal.clone().or_else(|| nothing_dialled(&outbound.split, refused)),
        ..blank(Sort::Outbound, &outbound.name, &outbound.address, outbound.port)
    });
    let gateways = plan.gateway_listeners.iter().flat_map(|listener| {
        listener.hosts.iter().map(move |host| Row {
            listener: match host.hostname.as_str() {
                "*" => listener.name.clone(),
                hostname => format!("{} {hostname}", listener.name),
            },
            destination: match host.hostname.as_str() {
                "*" => listener.stat_name.clone(),
                hostname => hostname.to_owned(),
            },
            split: split(&host.split, refused),
            decided_by: host.origins.last().map(policy),
            refusal: match host.routed {
                true => refused
                    .routes
                    .get(&format!("{}#{}", listener.name, host.hostname))
                    .cloned()
                    .or_else(|| nothing_dialled(&host.split, refused)),
                false => Some("no rule speaks about it".to_owned()),
            },
            ..blank(Sort::Gateway, &listener.name, &listener.address, listener.port)
        })
    });
    inbounds.chain(outbounds).chain(gateways).collect()
}

impl Row {
    /// The split in words: `ledger 90%, ledger-canary 10%`.
    pub fn split_in_words(&self) -> String {
        if let Some(why) = &self.refusal {
            return format!("refused: {why}");
        }
        if self.is_refused() {
            return "refused".to_owned();
        }
        let share = |share: &Share| {
            let Share { backend, weight: _, percent, unusable } = share;
            let fate = unusable.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
            format!("{backend} {}%{fate}", percent_in_words(*percent))
        };
        match self.split.as_slice() {
            [only] if only.unusable.is_none() => only.backend.clone(),
            several => several.iter().map(share).collect::<Vec<_>>().join(", "),
        }
    }

    /// Whether every connection is refused.
    pub fn is_refused(&self) -> bool {
        self.refusal.is_some() || self.split.iter().all(|share| share.percent == 0.0)
    }

    /// The shares alone: `90/10`.
    pub fn shares_in_words(&self) -> String {
        self.split.iter().map(|share| percent_in_words(share.percent)).collect::<Vec<_>>().join("/")
    }

    /// How messages call the listener: `outbound ledger`.
    pub fn title(&self) -> String {
        if self.destination.is_empty() {
            format!("{} {}", self.sort, self.address)
        } else {
            format!("{} {}", self.sort, self.destination)
        }
    }
}

fn joined(address: &str, port: u16) -> String {
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

fn split(backends: &[Backend], refused: &Refusals) -> Vec<Share> {
    let one = |(backend, share): (&Backend, f64)| {
        let Backend { reference, weight, fate, origin: _, spills_when_down } = backend;
        Share {
            backend: without_kind(reference),
            weight: *weight,
            percent: share * 100.0,
            unusable: match fate {
                Fate::Routed { cluster } => refused.clusters.get(cluster).map(|why| match spills_when_down {
                    true => format!("{why}: spills to the others"),
                    false => format!("{why}: refused"),
                }),
                // a weight of 0 is a wish, and its share says it
                Fate::Spilled(Unusable::ZeroWeight) | Fate::Refused(Unusable::ZeroWeight) => None,
                Fate::Spilled(why) => Some(format!("{why}: spills to the others")),
                Fate::Refused(why) => Some(format!("{why}: refused")),
            },
        }
    };
    backends.iter().zip(shares(backends)).map(one).collect()
}

/// Why nothing of a split is dialled; `None`: something is, or nothing would be anyway.
fn nothing_dialled(backends: &[Backend], refused: &Refusals) -> Option<String> {
    let mut used = backends.iter().filter(|backend| backend.weight > 0).filter_map(Backend::cluster);
    let why = refused.clusters.get(used.next()?)?;
    used.all(|cluster| refused.clusters.contains_key(cluster)).then(|| why.clone())
}

/// A backendRef in words, as [`Share::backend`] says it.
pub fn without_kind(reference: &str) -> String {
    match reference.split_once(' ') {
        Some((kind, rest)) if kind.starts_with("Mesh") && !rest.is_empty() => rest.to_owned(),
        _ => reference.to_owned(),
    }
}

/// The policy that decided: of several that were merged, the one that named the backends.
pub(super) fn decided_by(owner: &Owner) -> Option<String> {
    match owner {
        Owner::TcpRoute(origins) | Owner::HttpRoute(origins) => origins.last().map(policy),
        Owner::TrafficRoute(origin) => Some(policy(origin)),
        Owner::Default | Owner::HttpDefault | Owner::ImpliedTrafficRoute | Owner::NoTrafficRoute => None,
    }
}

fn policy(origin: &PolicyOrigin) -> String {
    format!("{} {}/{}", origin.policy.kind, origin.policy.mesh, origin.policy.name)
}

/// `90`, `33.3`, `0.01`: no more digits than it takes to tell shares apart.
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
