//! Report about proxies: connection, running configuration and refusals of each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use plan::{Plan, ProxyId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xds::Version;

use super::concern::concerned;
use super::{Known, Question, Subject};
use crate::Revision;
use crate::compile::Compiled;
use crate::paths::ReportedPaths;
use crate::status::{Connection, ProxyStatus, Rejection};

/// Report about one proxy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProxyReport {
    /// Proxy, as `mesh/name`.
    #[schemars(with = "String")]
    pub proxy: ProxyId,
    /// `true`: there is a Dataplane of that name.
    pub known: bool,
    /// Open stream; `None`: it is not attached now.
    pub connection: Option<Connection>,
    /// Control plane that it is attached to; `None`: the one that was asked.
    #[serde(default)]
    pub control_plane: Option<Arc<str>>,
    /// Number of streams it has opened.
    pub streams: u64,
    /// Revision of the last change of its configuration; `None`: it is sent none.
    pub revision: Option<Revision>,
    /// Newest revision that it runs; `None`: unknown.
    pub runs: Option<Revision>,
    /// Version of the set that it should run; `None`: none is published.
    #[schemars(with = "Option<String>")]
    pub published: Option<Version>,
    /// Last version that it has accepted as a whole; `None`: none.
    #[schemars(with = "Option<String>")]
    pub accepted: Option<Version>,
    /// `true`: it runs the set that it should run.
    pub in_sync: bool,
    /// Last response of each type that it ACKed, by the last word of the type.
    #[serde(default)]
    pub acked: BTreeMap<String, String>,
    /// Refused resources, in the proxy's own words.
    #[serde(default)]
    pub refusals: Vec<ProxyRefusal>,
    /// Notes about features that its dialect could not express as asked.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Data paths of its outbounds, as it last reported them; absent: it has not since it attached, as Envoys and older
    /// proxies do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paths: Option<Arc<ReportedPaths>>,
}

/// Refusal by a proxy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProxyRefusal {
    /// Refused resource.
    #[serde(flatten)]
    pub rejection: Rejection,
    /// Outbounds and gateway listeners that it belongs to.
    #[serde(default)]
    pub listeners: Vec<String>,
}

/// State of a proxy, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProxyState {
    /// Runs all that it should.
    InSync,
    /// Was sent a configuration, and has not answered yet.
    Pending,
    /// Refuses something, and runs its previous configuration.
    Refusing,
    /// Attached without a Dataplane of its name.
    Waiting,
    /// Not attached.
    Detached,
}

impl ProxyState {
    /// All states.
    pub const ALL: [ProxyState; 5] = [
        ProxyState::InSync,
        ProxyState::Pending,
        ProxyState::Refusing,
        ProxyState::Waiting,
        ProxyState::Detached,
    ];

    /// State of a proxy with this status; `is_in_sync`: it runs all that it should.
    pub fn of(status: &ProxyStatus, is_in_sync: bool) -> Self {
        match &status.connection {
            None => ProxyState::Detached,
            Some(_) if status.published.is_none() => ProxyState::Waiting,
            Some(_) if !status.refusals().is_empty() => ProxyState::Refusing,
            Some(_) if is_in_sync => ProxyState::InSync,
            Some(_) => ProxyState::Pending,
        }
    }

    /// Name: `in-sync`, `pending`, `refusing`, `waiting` or `detached`.
    pub const fn as_str(self) -> &'static str {
        match self {
            ProxyState::InSync => "in-sync",
            ProxyState::Pending => "pending",
            ProxyState::Refusing => "refusing",
            ProxyState::Waiting => "waiting",
            ProxyState::Detached => "detached",
        }
    }
}

/// Numbers of proxies, by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ProxyTotals {
    /// Number of all proxies.
    pub total: usize,
    /// Proxies that run all that they should.
    pub in_sync: usize,
    /// Proxies that were sent a configuration, and have not answered yet.
    pub pending: usize,
    /// Proxies that refuse something.
    pub refusing: usize,
    /// Proxies that are attached and have no Dataplane.
    pub waiting: usize,
    /// Proxies that are not attached.
    pub detached: usize,
}

impl ProxyTotals {
    fn count(&mut self, state: ProxyState) {
        self.total += 1;
        *match state {
            ProxyState::InSync => &mut self.in_sync,
            ProxyState::Pending => &mut self.pending,
            ProxyState::Refusing => &mut self.refusing,
            ProxyState::Waiting => &mut self.waiting,
            ProxyState::Detached => &mut self.detached,
        } += 1;
    }
}

impl ProxyReport {
    /// State, in one word.
    pub fn state(&self) -> ProxyState {
        match (&self.connection, self.refusals.as_slice(), self.in_sync) {
            (None, ..) => ProxyState::Detached,
            (Some(_), [_, ..], _) => ProxyState::Refusing,
            (Some(_), [], true) => ProxyState::InSync,
            (Some(_), [], false) if self.published.is_none() => ProxyState::Waiting,
            (Some(_), [], false) => ProxyState::Pending,
        }
    }
}

pub(super) fn reports(
    question: &Question,
    compiled: &Compiled,
    known: &BTreeMap<&ProxyId, Known<'_>>,
) -> (ProxyTotals, Vec<ProxyReport>) {
    let (mut totals, mut reports) = (ProxyTotals::default(), Vec::new());
    if !question.is_of(Subject::Proxies) {
        return (totals, reports);
    }
    let names: BTreeSet<&ProxyId> = compiled.proxies.keys().chain(known.keys().copied()).collect();
    let page = question.page();
    for proxy in names.into_iter().filter(|proxy| question.wants_proxy(proxy)) {
        let known = known.get(proxy);
        let state = known
            .map_or(ProxyState::Detached, |known| ProxyState::of(&known.account.status, known.is_in_sync()));
        if page.contains(&totals.total) {
            let plan = compiled.proxies.get(proxy).map(|found| &*found.plan);
            reports.push(report(proxy, plan, known));
        }
        totals.count(state);
    }
    (totals, reports)
}

fn report(proxy: &ProxyId, plan: Option<&Plan>, known: Option<&Known<'_>>) -> ProxyReport {
    let account = known.map(|known| known.account);
    let status = account.map(|it| it.status.clone()).unwrap_or_default();
    let refusals = status.refusals().to_vec();
    let ProxyStatus {
        connection,
        streams,
        published,
        accepted,
        accepted_at: _,
        settled: _,
        withheld,
        types,
        rejections: _,
        paths,
    } = status;
    let refusal = |rejection: Rejection| ProxyRefusal {
        listeners: plan.map(|plan| concerned(plan, &rejection.name)).unwrap_or_default(),
        rejection,
    };
    let last_word = |text: &str| text.rsplit('.').next().unwrap_or_default().to_owned();
    ProxyReport {
        proxy: proxy.clone(),
        known: plan.is_some(),
        connection,
        control_plane: known.and_then(|known| known.elsewhere).cloned(),
        streams,
        revision: account.and_then(|it| it.revision),
        runs: known.and_then(|known| known.account.runs(known.taken_over)),
        published,
        accepted,
        in_sync: known.is_some_and(|known| known.is_in_sync()),
        acked: types
            .into_iter()
            .filter_map(|(type_url, answers)| Some((last_word(type_url.as_str()), answers.acked?.version)))
            .collect(),
        refusals: refusals.into_iter().map(refusal).collect(),
        notes: withheld.into_iter().chain(account.into_iter().flat_map(|it| it.notes.clone())).collect(),
        paths,
    }
}
