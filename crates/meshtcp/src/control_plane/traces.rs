//! The way of each change as a trace: accepted, compiled, published, and run by one proxy after the other.

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

/// How long a change is followed: what proxies have not answered by then is told as it is.
const LONGEST: Duration = Duration::from_secs(5 * 60);
/// How many reasons of a refusal are told.
const REASONS: usize = 3;

/// Tells the traces of changes; ends at once where nobody wants them.
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

/// The changes that are on their way.
#[derive(Default)]
struct Traces {
    /// The change that was seen last.
    newest: Option<Accepted>,
    underway: BTreeMap<Revision, Change>,
}

impl Traces {
    /// Takes note of what is new, and tells what is over.
    fn look(&mut self, shared: &Shared, standing: &Standing) {
        let now = Timestamp::now();
        let newest = standing.rollouts.all().next_back().map(Rollout::from);
        if let Some(newest) = newest.filter(|it| self.newest.as_ref() != Some(&it.accepted)) {
            self.newest = Some(newest.accepted.clone());
            self.underway.insert(newest.accepted.revision, Change::begin(&newest, shared, now));
        }
        self.underway.retain(|revision, change| {
            let rollout = standing.rollout(*revision).filter(|rollout| rollout.accepted == change.accepted);
            // it is of another life of the store, or long ago
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

/// A change on its way.
struct Change {
    accepted: Accepted,
    compiling: Duration,
    /// When it had been published.
    published: Timestamp,
    /// The first 100 proxies that it told something new, and what has become of it there.
    proxies: BTreeMap<ProxyId, Option<Arrival>>,
}

/// What a proxy has made of a change.
struct Arrival {
    at: Timestamp,
    /// Why it refuses it; empty: it runs.
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

    /// Takes note of those that have answered. Those that lag are named sorted, so that of the first 100 each is among them.
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
