//! Trace of each change: accepted, compiled, published, and applied by one proxy after the other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use change::Revision;
use change::rollout::{Accepted, Rollout};
use control::fleet::Standing;
use control::guard::task_again;
use jiff::{SignedDuration, Timestamp};
use otlp::{Span, Value};
use plan::ProxyId;
use xds::Foreign;

use super::Shared;

/// Maximum time that a change is followed; then it is exported without the missing answers of proxies.
const LONGEST: Duration = Duration::from_secs(5 * 60);
/// Maximum number of exported reasons of a refusal.
const REASONS: usize = 3;

/// Exports the traces of changes; returns at once if they are not wanted.
pub(super) async fn follow(shared: Shared) {
    if shared.exporter.takes_spans() {
        task_again("traces", || look_on(shared.clone())).await;
    }
}

async fn look_on(shared: Shared) {
    let mut standing = shared.standing.clone();
    let mut traces = Traces::default();
    loop {
        let now = Arc::clone(&standing.borrow_and_update());
        traces.look(&shared, &now);
        // a change whose proxies do not answer ends by time
        let patience = if traces.underway.is_empty() { Duration::MAX } else { LONGEST };
        if let Ok(Err(_)) = tokio::time::timeout(patience, standing.changed()).await {
            return;
        }
    }
}

/// Changes in progress.
#[derive(Default)]
struct Traces {
    /// Last change seen.
    newest: Option<Accepted>,
    underway: BTreeMap<Revision, Change>,
}

impl Traces {
    /// Adds new changes, and exports those that are over.
    fn look(&mut self, shared: &Shared, standing: &Standing) {
        let now = Timestamp::now();
        let newest = standing.rollouts.all().next_back().map(Rollout::from);
        if let Some(newest) = newest.filter(|it| self.newest.as_ref() != Some(&it.accepted)) {
            self.newest = Some(newest.accepted.clone());
            self.underway.insert(newest.accepted.revision, Change::begin(&newest, shared, now));
        }
        self.underway.retain(|revision, change| {
            let rollout = standing.rollout(*revision).filter(|rollout| rollout.accepted == change.accepted);
            // the revision belongs to another life of the store, or is too old
            let Some(rollout) = rollout else { return false };
            change.look(&rollout, shared, now);
            let goes_on = !rollout.is_over() && now.duration_since(change.accepted.at) < signed(LONGEST);
            if !goes_on {
                shared.exporter.span(|| change.span(&rollout, now));
            }
            goes_on
        });
    }
}

/// Change in progress.
struct Change {
    accepted: Accepted,
    compiling: Duration,
    /// Time of publication.
    published: Timestamp,
    /// First 100 proxies that the change concerns, with the result of each; `None`: it has not answered.
    proxies: BTreeMap<ProxyId, Option<Arrival>>,
}

/// Result of a change at a proxy.
struct Arrival {
    at: Timestamp,
    /// Reasons of a refusal; empty: it was applied.
    refused: Vec<String>,
}

impl Change {
    fn begin(rollout: &Rollout, shared: &Shared, now: Timestamp) -> Self {
        let waiting = rollout.lagging.iter().map(|lagging| &lagging.proxy);
        let refusing = rollout.refused.iter().map(|refused| &refused.proxy);
        Self {
            accepted: rollout.accepted.clone(),
            compiling: shared.compiling.last(),
            published: now,
            proxies: waiting.chain(refusing).map(|proxy| (proxy.clone(), None)).collect(),
        }
    }

    /// Records the proxies that have answered. Lagging proxies are listed sorted, so each of the first 100 is in the
    /// list.
    fn look(&mut self, rollout: &Rollout, shared: &Shared, now: Timestamp) {
        let lagging: Vec<&ProxyId> = rollout.lagging.iter().map(|lagging| &lagging.proxy).collect();
        let refused: BTreeMap<&ProxyId, &Vec<String>> =
            rollout.refused.iter().map(|refused| (&refused.proxy, &refused.reasons)).collect();
        for (proxy, arrival) in self.proxies.iter_mut().filter(|(_, arrival)| arrival.is_none()) {
            if lagging.contains(&proxy) {
                continue;
            }
            let refused = refused.get(proxy).map(|reasons| reasons.iter().take(REASONS).cloned().collect());
            let accepted_at = shared.statuses.get(proxy).and_then(|status| status.accepted_at);
            let at = accepted_at.filter(|_| refused.is_none()).unwrap_or(now);
            *arrival = Some(Arrival { at, refused: refused.unwrap_or_default() });
        }
    }

    fn span(&self, rollout: &Rollout, now: Timestamp) -> Span {
        let Self { accepted, compiling, published, proxies } = self;
        let compiled = accepted.at.checked_add(*compiling).unwrap_or(*published).min(*published);
        let part = |name, start, end| Span {
            name,
            start,
            end,
            attributes: Vec::new(),
            failed: None,
            parts: Vec::new(),
        };
        let mut parts = vec![part("compile", accepted.at, compiled), part("publish", compiled, *published)];
        for (proxy, arrival) in proxies {
            let (at, failed) = match arrival {
                Some(Arrival { at, refused }) if refused.is_empty() => (*at, None),
                Some(Arrival { at, refused }) => {
                    (*at, Some(Foreign::message(refused.join("; ")).to_string()))
                }
                None => (now, Some("it has not answered".to_owned())),
            };
            let attributes = vec![("meshtcp.proxy", Value::from(proxy.to_string()))];
            parts.push(Span { attributes, failed, ..part("deliver", *published, at) });
        }
        let end = parts.iter().map(|part| part.end).max().unwrap_or(*published);
        let refused =
            (rollout.refused_count > 0).then(|| format!("{} proxies refuse it", rollout.refused_count));
        let late = (rollout.lagging_count > 0)
            .then(|| format!("{} proxies have not answered", rollout.lagging_count));
        Span {
            name: "change",
            start: accepted.at,
            end,
            attributes: vec![
                ("meshtcp.revision", accepted.revision.number().into()),
                ("meshtcp.proxies.concerned", rollout.concerned.into()),
                ("meshtcp.proxies.live", rollout.live.into()),
                ("meshtcp.proxies.refused", rollout.refused_count.into()),
            ],
            failed: refused.or(late),
            parts,
        }
    }
}

fn signed(time: Duration) -> SignedDuration {
    SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX)
}
