//! Explanation of a plan in words: the reason for each of its values, for `explain`, `inspect`, the REST API and
//! bug reports.
//!
//! It tells which policies were considered, which step of the order decided between them, where connections go in
//! percent, and which policy says how they are treated. [`Explanation`] is data; its `Display` is a tree.

mod inbound;
mod path;
mod policies;
mod redirected;
mod settings;
mod text;
mod winner;

use model::ProxyKey;
use serde::Serialize;

use crate::plan::{
    Backend, BackendFate, Cluster, Destination, Direction, Listener, Match, Outcome, Plan, PolicyOrigin,
    Route, shares,
};
use crate::snapshot::Snapshot;
use crate::view::View;

/// Explanation of the plan of one proxy.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Proxy, as `mesh/name`.
    pub proxy: String,
    /// Kuma version whose rules apply.
    pub profile: String,
    /// Outbounds and gateway listeners that were asked about, in the order of the plan.
    pub outbounds: Vec<OutboundExplanation>,
    /// Places where mesh TLS ends: the inbounds that were asked about, and the server names of zone proxies, in the
    /// order of the plan.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inbounds: Vec<InboundExplanation>,
    /// Treatment of connections that the kernel redirects to the proxy and that match none of its listeners, in
    /// words; absent where none are redirected, or where only one outbound was asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirected: Option<RedirectedExplanation>,
    /// Every route policy of the mesh, with its outcome for this proxy or the reason why it does not select it.
    pub policies: Vec<PolicyExplanation>,
    /// Warnings for the operator.
    pub warnings: Vec<String>,
}

/// Explanation of one listener: the reason why its connections go where they go.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutboundExplanation {
    /// Name of the listener.
    pub name: String,
    /// Destination that is dialled there, in words.
    pub dials: String,
    /// Connections of the listener that this entry is about, in words; absent: all of them, or all that no other
    /// entry is about.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pub matched: Option<String>,
    /// Protocol of the destination.
    pub protocol: String,
    /// Policy or default that decides, in words.
    pub decided_by: String,
    /// Reason why that one decides, in words; empty if nothing competes with it.
    pub because: String,
    /// Backends that connections are split between.
    pub split: Vec<ShareExplanation>,
    /// Reason why connections are refused; absent: they are not.
    pub refusal: Option<String>,
    /// Settings of the connections, each with its origin.
    pub settings: Vec<SettingExplanation>,
    /// Route policies that apply to it, most important first, with the outcome of each.
    pub considered: Vec<PolicyExplanation>,
}

/// Explanation of an inbound: its TLS and who may connect.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InboundExplanation {
    /// Name of the listener.
    pub name: String,
    /// Mode, versions and ciphers of its TLS, each with its origin.
    pub settings: Vec<SettingExplanation>,
    /// Permissions of those who connect; a client that none of them allows may not connect.
    pub permissions: Vec<PermissionExplanation>,
}

/// Treatment of redirected connections that match no listener.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RedirectedExplanation {
    /// Connections of applications on this host.
    pub outbound: SettingExplanation,
    /// Connections of other hosts.
    pub inbound: SettingExplanation,
    /// Settings of the connections of applications on this host.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<SettingExplanation>,
}

/// Permission of some clients.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PermissionExplanation {
    /// Clients that it is about, in words.
    pub who: String,
    /// `Allow`, `Deny` or `AllowWithShadowDeny`.
    pub does: String,
    /// Origin of the permission.
    pub from: String,
}

/// One backend of a split.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShareExplanation {
    /// Share of connections, in percent.
    pub percent: f64,
    /// Weight, as written or 1.
    pub weight: u32,
    /// Rollout whose state is the weight; absent: the weight is as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weighed_by: Option<String>,
    /// backendRef in words.
    pub reference: String,
    /// Cluster that the share goes to, or the reason why it does not, in words.
    pub goes: String,
    /// Way out of the zone, in words: what it passes through, by which server name, and who is trusted at the end;
    /// empty where destinations are dialled directly.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<String>,
}

/// One setting of a connection or a destination.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SettingExplanation {
    /// Name of the setting.
    pub name: String,
    /// Value in words.
    pub value: String,
    /// Origin of the value.
    pub from: String,
}

/// Outcome of one policy.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyExplanation {
    /// Policy, with the place in it and where it was written.
    pub policy: String,
    /// `applied`, `shadowed`, `ignored`, or `not selected`.
    pub outcome: String,
    /// Reason of the outcome, in words; empty if the policy applies.
    pub why: String,
}

/// Explains a proxy; with `outbound` (a port, a service, or a listener's name) only that part of it. Returns `None`
/// if the snapshot has no Dataplane for the proxy.
pub fn explain(snapshot: &Snapshot, proxy: &ProxyKey, outbound: Option<&str>) -> Option<Explanation> {
    let view = snapshot.seen_by(proxy)?;
    let plan = view.route(&view.proxy_rules());
    let asked =
        plan.listeners.iter().filter(|listener| outbound.is_none_or(|wanted| is_meant(listener, wanted)));
    let inbounds = asked.clone().flat_map(|listener| inbound::explained(listener)).collect();
    let routes = asked
        .flat_map(|listener| listener.routes.iter().map(move |(claimed, route)| (listener, claimed, route)));
    let outbounds = routes.filter_map(|(listener, claimed, route)| {
        let dials = dials(listener, claimed)?;
        Some(explain_route(&view, &plan, listener, claimed, route, dials))
    });
    Some(Explanation {
        proxy: proxy.to_string(),
        profile: view.profile().to_string(),
        outbounds: outbounds.collect(),
        inbounds,
        redirected: plan.redirected.as_ref().filter(|_| outbound.is_none()).and_then(redirected::explained),
        policies: policies::of_mesh(&view, &plan),
        warnings: plan.warnings.iter().map(ToString::to_string).collect(),
    })
}

fn is_meant(listener: &Listener, wanted: &str) -> bool {
    let Listener { name, bind, .. } = listener;
    let service = match listener.destination() {
        None => return name == wanted || bind.port.to_string() == wanted,
        Some(Destination::Tags(tags)) => tags.service() == Some(wanted),
        Some(Destination::Resource { id, name }) => {
            id.name == wanted || name == wanted || id.to_string() == wanted
        }
    };
    service
        || name == wanted
        || bind.port.to_string() == wanted
        || format!("{}:{}", bind.address, bind.port) == wanted
}

/// Returns what is dialled on a listener, in words; `None`: no policy can route it elsewhere.
fn dials(listener: &Listener, claimed: &Match) -> Option<String> {
    match &listener.direction {
        Direction::Inbound | Direction::Zone => None,
        Direction::Outbound(Destination::Tags(tags)) => Some(tags.to_string()),
        Direction::Outbound(Destination::Resource { id, name: _ }) => {
            let section = if id.section.is_empty() { String::new() } else { format!(" port {}", id.section) };
            Some(format!("{} {}{section}", id.kind, id.name))
        }
        Direction::Gateway => Some(format!("hostname {}", claimed.hostname())),
    }
}

fn explain_route(
    view: &View<'_>,
    plan: &Plan,
    listener: &Listener,
    claimed: &Match,
    route: &Route,
    dials: String,
) -> OutboundExplanation {
    let Route { owner, rule, session: _, split, settings, refusal, considered } = route;
    OutboundExplanation {
        name: listener.name.clone(),
        dials,
        matched: rule.and_then(|rule| rule.matched).map(|_| claimed.to_string()),
        protocol: listener.protocol.to_string(),
        decided_by: winner::decided_by(owner),
        because: winner::because(view, listener, route),
        split: explain_split(plan, split),
        refusal: refusal.clone(),
        settings: settings::explained(plan, split, settings, &listener.settings),
        considered: considered.iter().map(|c| policy(&c.origin, &c.outcome)).collect(),
    }
}

fn policy(origin: &PolicyOrigin, outcome: &Outcome) -> PolicyExplanation {
    let (outcome, why) = match outcome {
        Outcome::Applied => ("applied", String::new()),
        Outcome::Shadowed { by } => ("shadowed", format!("{by} is more important")),
        Outcome::Ignored(why) => ("ignored", why.to_string()),
    };
    PolicyExplanation { policy: origin.to_string(), outcome: outcome.to_owned(), why }
}

fn explain_split(plan: &Plan, split: &[Backend]) -> Vec<ShareExplanation> {
    let share = |(backend, share): (&Backend, f64)| {
        let Backend { reference, weight, fate, origin: _, weighed_by, when_unavailable: _ } = backend;
        let goes = match fate {
            BackendFate::Routed { cluster, subset: _ } => {
                plan.clusters.get(cluster).map_or_else(|| cluster.clone(), |cluster| describe(cluster))
            }
            BackendFate::Spilled(why) => format!("no connection: {why}"),
            BackendFate::Refused(why) => format!("refused: {why}"),
        };
        let path = backend
            .cluster()
            .and_then(|name| plan.clusters.get(name))
            .map(|cluster| path::explained(cluster));
        let percent = (share * 10_000.0).round() / 100.0;
        let (reference, path) = (reference.clone(), path.unwrap_or_default());
        let weighed_by = weighed_by.as_ref().map(ToString::to_string);
        ShareExplanation { percent, weight: *weight, weighed_by, reference, goes, path }
    };
    split.iter().zip(shares(split)).map(share).collect()
}

fn describe(cluster: &Cluster) -> String {
    let count = |count: usize| match count {
        1 => "1 endpoint".to_owned(),
        count => format!("{count} endpoints"),
    };
    let endpoints = match &cluster.direct {
        Some(direct) => {
            format!("{} outside the mesh, as there is no zone egress", count(direct.endpoints.len()))
        }
        None if cluster.endpoints.is_empty() => "no endpoint: it is refused".to_owned(),
        None => count(cluster.endpoints.len()),
    };
    format!("{} ({endpoints})", cluster.name)
}
