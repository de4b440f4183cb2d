//! How every proxy and every route is, as a value: for `/status`, and for whoever asks why a change is not live.

mod concern;
mod served;

use std::collections::BTreeMap;

use concern::concerned;
use model::{Kind, ProxyKey};
use plan::{Outcome, Plan, RouteStatus};
use serde::{Deserialize, Serialize};
use xds::{Family, Version};

use crate::Revision;
use crate::compile::Compiled;
use crate::rollout::Rollout;
use crate::status::{Connection, ProxyStatus, Rejection};
pub use served::{Served, ServedAll};

/// The proxies and the routes of a control plane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FleetReport {
    /// The state of the resources that was adopted last; 0: none yet.
    pub revision: Revision,
    /// How far that state has come; absent before the first.
    pub rollout: Option<Rollout>,
    /// Every proxy that has attached or has a Dataplane, by mesh and name.
    pub proxies: Vec<ProxyReport>,
    /// Every route policy that speaks about a proxy, by identity.
    pub routes: Vec<RouteReport>,
}

/// One proxy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyReport {
    /// The proxy, as `mesh/name`.
    pub proxy: ProxyKey,
    /// Whether there is a Dataplane of that name.
    pub known: bool,
    /// Its stream; `None`: it is not attached now.
    pub connection: Option<Connection>,
    /// How many streams it has opened.
    pub streams: u64,
    /// The revision that brought the last change of what it should run; `None` while it is told nothing.
    pub revision: Option<Revision>,
    /// The newest revision that it runs; `None`: none that is known.
    pub runs: Option<Revision>,
    /// The version of the set that it should run.
    pub published: Option<Version>,
    /// The last version that it has accepted as a whole.
    pub accepted: Option<Version>,
    /// Whether it runs what it should.
    pub in_sync: bool,
    /// The last response of each type that it accepted, by the last word of the type.
    #[serde(default)]
    pub acked: BTreeMap<String, String>,
    /// What it refuses, in its own words.
    #[serde(default)]
    pub refusals: Vec<Refusal>,
    /// What it could not be told as asked.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// Something that a proxy refuses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// The resource.
    #[serde(flatten)]
    pub rejection: Rejection,
    /// The outbounds and gateway listeners that it is part of.
    #[serde(default)]
    pub listeners: Vec<String>,
}

/// One route policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteReport {
    /// The policy, as `Kind mesh/name`.
    pub policy: String,
    /// Where it was written: `file:line`.
    pub source: String,
    /// The proxies that it selects; none: it selects nobody.
    #[serde(default)]
    pub proxies: Vec<RouteAtProxy>,
}

/// One route policy at one proxy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteAtProxy {
    /// The proxy, as `mesh/name`.
    pub proxy: ProxyKey,
    /// The outbounds and gateway listeners that it decides.
    #[serde(default)]
    pub decides: Vec<String>,
    /// How far it has come there.
    pub reach: Reach,
    /// What the proxy said when it refused, in its own words.
    #[serde(default)]
    pub refusals: Vec<String>,
    /// Its backendRefs that cannot be used, with the reason.
    #[serde(default)]
    pub unresolved: Vec<String>,
}

/// How far a route has come at one proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// The proxy runs it.
    Live,
    /// The proxy was told, and has not answered yet.
    Pending,
    /// The proxy refuses it, and runs what it had before.
    Refused,
    /// The proxy is not attached.
    Detached,
    /// It decides nothing there: another policy does, or nobody dials its destination.
    WithoutEffect,
}

impl Reach {
    /// Every one, the best first.
    pub const ALL: [Reach; 5] =
        [Reach::Live, Reach::Pending, Reach::Refused, Reach::Detached, Reach::WithoutEffect];

    /// As it is written: `live`, `pending`, `refused`, `detached` or `without-effect`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reach::Live => "live",
            Reach::Pending => "pending",
            Reach::Refused => "refused",
            Reach::Detached => "detached",
            Reach::WithoutEffect => "without-effect",
        }
    }
}

/// Puts together what the proxies of a state were told and what they answered. `revision` is that of the state, and
/// `rollout` how far it has come; `None`: nothing was adopted yet.
pub fn report(
    revision: Revision,
    rollout: Option<Rollout>,
    compiled: &Compiled,
    served: &ServedAll,
    statuses: &BTreeMap<ProxyKey, ProxyStatus>,
) -> FleetReport {
    let mut routes: BTreeMap<(String, String), RouteReport> = BTreeMap::new();
    for (key, proxy) in &compiled.proxies {
        for route in &proxy.plan.routes {
            let policy = &route.policy.policy;
            let title = format!("{} {}/{}", route.kind, policy.mesh, policy.name);
            let entry = routes.entry((title.clone(), route.policy.name.clone()));
            let entry = entry.or_insert_with(|| RouteReport {
                policy: title,
                source: route.policy.source.to_string(),
                proxies: Vec::new(),
            });
            entry.proxies.push(at_proxy(&proxy.plan, route, key, statuses.get(key)));
        }
    }
    // those that select nobody
    for kind in [Kind::MeshTCPRoute, Kind::MeshHTTPRoute] {
        for meta in compiled.snapshot.of_kind(kind).iter().map(|route| route.meta()) {
            let title = format!("{kind} {}/{}", meta.mesh, meta.display_name());
            routes.entry((title.clone(), meta.name.as_str().to_owned())).or_insert_with(|| RouteReport {
                policy: title,
                source: meta.source.to_string(),
                proxies: Vec::new(),
            });
        }
    }
    let mut names: Vec<&ProxyKey> = compiled.proxies.keys().chain(statuses.keys()).collect();
    names.sort();
    names.dedup();
    let of_proxy = |key: &ProxyKey| {
        let plan = compiled.proxies.get(key).map(|found| &*found.plan);
        let status = statuses.get(key).cloned().unwrap_or_default();
        let family = status.connection.as_ref().map_or(Family::Envoy, |connection| connection.dialect);
        let served = served.get(&(key.clone(), family)).map(|served| &**served);
        proxy(key, plan, served, status, revision)
    };
    FleetReport {
        revision,
        rollout,
        proxies: names.into_iter().map(of_proxy).collect(),
        routes: routes.into_values().collect(),
    }
}

fn proxy(
    key: &ProxyKey,
    plan: Option<&Plan>,
    served: Option<&Served>,
    status: ProxyStatus,
    newest: Revision,
) -> ProxyReport {
    let in_sync = status.connection.is_some() && status.is_in_sync();
    let runs = served.and_then(|served| served.runs(&status, newest));
    let rejections = status.refusals().to_vec();
    let ProxyStatus {
        connection,
        streams,
        published,
        accepted,
        accepted_at: _,
        settled: _,
        types,
        rejections: _,
    } = status;
    let refusal = |rejection: Rejection| Refusal {
        listeners: plan.map(|plan| concerned(plan, &rejection.name)).unwrap_or_default(),
        rejection,
    };
    let last_word = |text: &str| text.rsplit('.').next().unwrap_or_default().to_owned();
    ProxyReport {
        proxy: key.clone(),
        known: plan.is_some(),
        connection,
        streams,
        revision: served.map(|served| served.revision),
        runs,
        published,
        accepted,
        in_sync,
        acked: types
            .into_iter()
            .filter_map(|(type_url, answers)| Some((last_word(type_url.as_str()), answers.acked?.version)))
            .collect(),
        refusals: rejections.into_iter().map(refusal).collect(),
        notes: served.map(|served| served.notes.clone()).unwrap_or_default(),
    }
}

fn at_proxy(plan: &Plan, route: &RouteStatus, key: &ProxyKey, status: Option<&ProxyStatus>) -> RouteAtProxy {
    let RouteStatus { policy: _, kind: _, outcome, decides, unresolved } = route;
    let touches = |rejection: &&Rejection| {
        concerned(plan, &rejection.name).iter().any(|listener| decides.contains(listener))
    };
    let refusals: Vec<String> = status
        .map(|status| {
            status.refusals().iter().filter(touches).map(|it| it.message.trim_end().to_owned()).collect()
        })
        .unwrap_or_default();
    let reach = match status {
        _ if *outcome != Outcome::Applied => Reach::WithoutEffect,
        Some(_) if !refusals.is_empty() => Reach::Refused,
        Some(status) if status.connection.is_none() => Reach::Detached,
        Some(status) if status.is_in_sync() || !status.refusals().is_empty() => Reach::Live,
        Some(_) => Reach::Pending,
        None => Reach::Detached,
    };
    RouteAtProxy {
        proxy: key.clone(),
        decides: decides.clone(),
        reach,
        refusals,
        unresolved: unresolved.iter().map(|(reference, why)| format!("{reference}: {why}")).collect(),
    }
}
