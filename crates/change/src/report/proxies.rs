//! Of each proxy: whether it is attached, what it runs and what it refuses.

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
use crate::status::{Connection, ProxyStatus, Rejection};

/// One proxy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProxyReport {
    /// The proxy, as `mesh/name`.
    #[schemars(with = "String")]
    pub proxy: ProxyId,
    /// Whether there is a Dataplane of that name.
    pub known: bool,
    /// Its stream; `None`: it is not attached now.
    pub connection: Option<Connection>,
    /// The control plane that it is attached to, where that is another one than the one that was asked.
    #[serde(default)]
    pub control_plane: Option<Arc<str>>,
    /// How many streams it has opened.
    pub streams: u64,
    /// The revision that brought the last change of what it should run; `None` while it is told nothing.
    pub revision: Option<Revision>,
    /// The newest revision that it runs; `None`: none that is known.
    pub runs: Option<Revision>,
    /// The version of the set that it should run.
    #[schemars(with = "Option<String>")]
    pub published: Option<Version>,
    /// The last version that it has accepted as a whole.
    #[schemars(with = "Option<String>")]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// The resource.
    #[serde(flatten)]
    pub rejection: Rejection,
    /// The outbounds and gateway listeners that it is part of.
    #[serde(default)]
    pub listeners: Vec<String>,
}

/// How a proxy is, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProxyState {
    /// It runs all that it should.
    InSync,
    /// It was told, and has not answered yet.
    Pending,
    /// It refuses something, and runs what it had before.
    Refusing,
    /// It is attached, and there is no Dataplane of its name.
    Waiting,
    /// It is not attached.
    Detached,
}

impl ProxyState {
    /// Every one.
    pub const ALL: [ProxyState; 5] = [
        ProxyState::InSync,
        ProxyState::Pending,
        ProxyState::Refusing,
        ProxyState::Waiting,
        ProxyState::Detached,
    ];

    /// The state of a proxy whose status is this; `is_in_sync`: it runs all that it should.
    pub fn of(status: &ProxyStatus, is_in_sync: bool) -> Self {
        match &status.connection {
            None => ProxyState::Detached,
            Some(_) if status.published.is_none() => ProxyState::Waiting,
            Some(_) if !status.refusals().is_empty() => ProxyState::Refusing,
            Some(_) if is_in_sync => ProxyState::InSync,
            Some(_) => ProxyState::Pending,
        }
    }

    /// As it is written: `in-sync`, `pending`, `refusing`, `waiting` or `detached`.
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

/// How many proxies there are, and how they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ProxyTotals {
    /// All.
    pub total: usize,
    /// Those that run all that they should.
    pub in_sync: usize,
    /// Those that were told, and have not answered yet.
    pub pending: usize,
    /// Those that refuse something.
    pub refusing: usize,
    /// Those that are attached and have no Dataplane.
    pub waiting: usize,
    /// Those that are not attached.
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
    /// How it is, in one word.
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
    } = status;
    let refusal = |rejection: Rejection| Refusal {
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
    }
}
