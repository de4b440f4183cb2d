//! Server side of one discovery stream, for every type on it, as plain state.
//!
//! ```text
//!   request ─▶ on_request ─┐                       ┌─▶ poll_response ─▶ response
//!   ResourceSet ─▶ publish ┴─▶ one Feed per type ──┼─▶ poll_event    ─▶ Acked, Rejected
//!                                                  └─▶ wake_at       ─▶ when to poll again
//! ```
//!
//! The shell calls `poll_response` until it returns nothing after each request, each published set, and at `wake_at`.
//! Time is an argument: a duration since any fixed start, as long as it never runs backwards.
//!
//! Rules: at most one unanswered response per type; the newest set wins; additions before removals across types (see
//! [`order`](crate::order)); endpoints again whenever their cluster was sent; no resource that the client already has;
//! refused resources again only when the outcome may differ. No answer at all about an unknown type, where it could be
//! taken for an empty set (see [`peer`](crate::peer)).

mod arrival;
mod bad_request;
mod blame;
mod budget;
mod feed;
mod interest;
mod mentions;
mod names;
mod pacing;
mod protocol;
mod refusals;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use crate::order::{Family, Row, position};
use crate::peer;
use crate::proto::discovery::Node;
use crate::{ResourceSet, TypeUrl, Version};
use arrival::Arrival;
pub use bad_request::BadRequest;
pub use budget::NameBudget;
use budget::{STREAM_BYTES, Share, TOO_MANY};
use feed::{Feed, InFlight, Remembered};
pub use pacing::PATIENCE;
use pacing::Wait;
use protocol::{AnyRequest, Change, Push, Pushed};
pub use protocol::{Delta, Protocol, StateOfTheWorld};

/// Limit on resource bytes in one delta response: below the 4 MiB that gRPC clients accept by default.
const RESPONSE_BYTES: usize = 2 * 1024 * 1024;

/// Limit on types per stream; Envoy knows about a dozen.
const MAX_TYPES: usize = 64;

/// Maximum length of a type name, in bytes.
const TYPE_BYTES: usize = 1024;

/// Maximum length of a NACK's message that is read, in bytes: it may name hundreds of resources.
const REASON_BYTES: usize = 64 * 1024;

/// Server side of one stream that speaks `P`.
#[derive(Debug)]
pub struct Subscription<P> {
    instance: Arc<str>,
    /// Node id of the first request; the rest of a node is its sender's to keep.
    node_id: Option<String>,
    target: Option<Arc<ResourceSet>>,
    /// Bytes that the names of the published set may take.
    published: usize,
    share: Share,
    /// Feeds in the order of sending.
    feeds: BTreeMap<(usize, TypeUrl), Feed>,
    memory: Memory,
    last_nonce: u64,
    resends: u64,
    resumed_at: Option<Duration>,
    events: VecDeque<Event>,
    wake_at: Option<Duration>,
    protocol: PhantomData<fn() -> P>,
}

/// Client's answer to a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// ACK: the client accepted the response.
    Acked {
        /// Type of its resources.
        type_url: TypeUrl,
        /// Version of the response.
        version: String,
    },
    /// NACK: the client refused the response, or part of it, and runs what it ran before.
    Rejected {
        /// Type of the resources.
        type_url: TypeUrl,
        /// Names of the refused resources, sorted. More than were wrong if the message names none.
        names: Vec<String>,
        /// Reason in the client's own words.
        message: String,
    },
}

/// Resources that a proxy accepted and refused on its last stream, so that the next one can go on from there.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    types: BTreeMap<TypeUrl, Remembered>,
}

impl<P: Protocol> Subscription<P> {
    /// Opens a stream. `instance` is the part of `control_plane.identifier` behind `meshtcp@`; `memory` is that of the
    /// proxy's last stream here, or empty: it is used only if the client reports resources from before.
    pub fn new(instance: Arc<str>, memory: Memory) -> Self {
        Self {
            instance: peer::identifier(&instance),
            node_id: None,
            target: None,
            published: 0,
            share: Share::default(),
            feeds: BTreeMap::new(),
            memory,
            last_nonce: 0,
            resends: 0,
            resumed_at: None,
            events: VecDeque::new(),
            wake_at: None,
            protocol: PhantomData,
        }
    }

    /// Shares the budget of other streams for names that nothing is published under; otherwise it has one of its own.
    #[must_use]
    pub fn within(self, budget: NameBudget) -> Self {
        Self { share: Share::of(budget), ..self }
    }

    /// Id of the node that opened the stream; `None` before the first request.
    pub fn node_id(&self) -> Option<&str> {
        self.node_id.as_deref()
    }

    /// Family of the client, by the types that it asked for; `None` while none of them is known.
    pub fn family(&self) -> Option<Family> {
        self.feeds.keys().find_map(|(_, type_url)| Family::of(type_url))
    }

    /// Resources of the published set that the client refused, by type and name: to run them, or to remove them.
    pub fn refused(&self) -> impl Iterator<Item = (&TypeUrl, &str)> {
        self.target.iter().flat_map(|target| {
            self.feeds.values().flat_map(|feed| feed.in_dispute(target).map(|name| (&feed.type_url, name)))
        })
    }

    /// Takes a request: a subscription, an ACK, a NACK, or several of these.
    ///
    /// # Errors
    ///
    /// The client violates the protocol; the stream should end.
    pub fn on_request(&mut self, request: P::Request, now: Duration) -> Result<(), BadRequest> {
        let AnyRequest { node, type_url, nonce, error, change } = P::into_any(request);
        if type_url.is_empty() {
            return Err(BadRequest::NoType);
        }
        self.identify(node)?;
        if type_url.len() > TYPE_BYTES || change.cost() > STREAM_BYTES {
            return Err(TOO_MANY);
        }
        let type_url = TypeUrl::new(type_url);
        if !peer::is_spoken(&type_url, self.spoken()) {
            // A newer proxy may ask for types newer than this version: those known here are served, the others not
            // answered.
            return if self.feeds.is_empty() { Err(BadRequest::NotSpoken(type_url)) } else { Ok(()) };
        }
        let unknown = Row::of(&type_url).is_none();
        let wildcard_type = Row::of(&type_url).is_none_or(|row| row.wildcard);
        let key = (position(&type_url), type_url.clone());
        let first = !self.feeds.contains_key(&key);
        if first && self.feeds.len() >= MAX_TYPES {
            return Err(BadRequest::TooManyTypes);
        }
        let feed = self.feeds.entry(key).or_insert_with(|| Feed::new(type_url.clone()));
        // Any other nonce belongs to a response that a later one replaced: it answers nothing.
        let answered = feed.in_flight.take_if(|response| response.nonce == nonce);
        let reconsider = first || answered.is_some();
        if let Some(response) = answered {
            self.events.push_back(match error {
                None => {
                    let version = response.version.clone();
                    feed.accept(response);
                    Event::Acked { type_url: type_url.clone(), version }
                }
                Some(mut status) => {
                    status.message.truncate(status.message.floor_char_boundary(REASON_BYTES));
                    let names = feed.refuse(response, &status.message, now);
                    Event::Rejected { type_url: type_url.clone(), names, message: status.message }
                }
            });
        }
        let past = |memory: &mut Memory| memory.types.remove(&feed.type_url).unwrap_or_default();
        match change {
            Change::Delta { subscribe, unsubscribe, initial } => {
                if first && unknown && !initial.is_empty() {
                    feed.is_mute = true;
                } else if first {
                    feed.interest.begin(&subscribe, wildcard_type);
                    feed.owed.answer = feed.interest.is_wildcard();
                    let past = past(&mut self.memory);
                    feed.resume_with_versions(initial, past);
                }
                feed.change_interest(&subscribe, &unsubscribe, first);
            }
            Change::Replace { names, version } => {
                if nonce.is_empty() {
                    let past = if first { past(&mut self.memory) } else { feed.remember() };
                    *feed = Feed::new(feed.type_url.clone());
                    feed.is_mute = unknown && !version.is_empty();
                    if !version.is_empty() {
                        feed.resume_from_memory(past);
                    }
                    feed.owed.answer = true;
                }
                let gained = feed.interest.replace(names, wildcard_type);
                feed.owed.answer |= gained;
                feed.forget_uncovered();
            }
        }
        if feed.resumed {
            self.resumed_at.get_or_insert(now);
        }
        if first {
            self.catch_up(&type_url);
        }
        if reconsider {
            self.reconsider();
        }
        self.check_names()
    }

    /// Family whose types are used on the stream; `None` before the first.
    fn spoken(&self) -> Option<Family> {
        // a type without a row that is used here is Envoy's
        (!self.feeds.is_empty()).then(|| self.family().unwrap_or(Family::Envoy))
    }

    fn identify(&mut self, node: Option<Node>) -> Result<(), BadRequest> {
        let node_id = node.map(|node| node.id).filter(|id| !id.is_empty());
        let Some(first) = &self.node_id else {
            self.node_id = Some(node_id.ok_or(BadRequest::NoNode)?);
            return Ok(());
        };
        match node_id {
            Some(now) if now != *first => Err(BadRequest::OtherNode { first: first.clone(), now }),
            _ => Ok(()),
        }
    }

    /// Sets the resources that the proxy should run from now on, replacing a set that was not sent yet.
    pub fn on_publish(&mut self, target: Arc<ResourceSet>) {
        self.published = target.names().map(names::cost).sum();
        self.target = Some(target);
        self.reconsider();
    }

    /// Next response to send; `None`: there is none now.
    pub fn poll_response(&mut self, now: Duration) -> Option<P::Response> {
        self.wake_at = None;
        let target = Arc::clone(self.target.as_ref()?);
        self.end_pauses(&target, now);
        let keys: Vec<_> = self.feeds.keys().cloned().collect();
        let push = keys.into_iter().find_map(|key| self.poll_type(&key, &target, now))?;
        Some(P::response(push))
    }

    /// Time at which `poll_response` may have something although nothing happened until then; set by its last call;
    /// `None`: never.
    pub fn wake_at(&self) -> Option<Duration> {
        self.wake_at
    }

    /// Next answer of the client to a response; `None`: there is none.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Returns `true` if the client has accepted everything published of the types that it asked for. `false` before
    /// the first set, before the first request, and while anything of it is refused.
    pub fn is_in_sync(&self) -> bool {
        let Some(target) = &self.target else { return false };
        !self.feeds.is_empty() && self.feeds.values().all(|feed| feed.is_in_sync(target))
    }

    /// Returns `true` if the client has answered everything that there is to send, by accepting or refusing it. Nothing
    /// is in flight or pending, except removals that wait for refused resources, which may still need them.
    pub fn is_settled(&self) -> bool {
        let Some(target) = &self.target else { return false };
        let refuses = self.refused().next().is_some();
        let is_settled = |feed: &Feed| {
            let refused_before = self.refused_before(Row::of(&feed.type_url), target);
            feed.in_flight.is_none()
                && feed.changed(target, &refused_before).next().is_none()
                && (refuses || feed.stale(target).next().is_none())
        };
        !self.feeds.is_empty() && self.feeds.values().all(is_settled)
    }

    /// Memory for the next stream of the same proxy.
    pub fn memory(&self) -> Memory {
        let mut memory = self.memory.clone();
        let remembered = self.feeds.iter().map(|((_, type_url), feed)| (type_url.clone(), feed.remember()));
        memory.types.extend(remembered);
        memory
    }

    fn poll_type(&mut self, key: &(usize, TypeUrl), target: &ResourceSet, now: Duration) -> Option<Push> {
        let feed = self.feeds.get(key).filter(|feed| feed.in_flight.is_none() && !feed.is_mute)?;
        let row = Row::of(&key.1);
        let refused_before = self.refused_before(row, target);
        let changes =
            feed.changed(target, &refused_before).next().is_some() || feed.missing(target).next().is_some();
        let has_stale = feed.stale(target).next().is_some();
        let says_something = changes || feed.owed.answer;
        if !says_something && !has_stale {
            if let Some(feed) = self.feeds.get_mut(key) {
                // What is still owed was refused before, and the client knows that.
                feed.owed.names.clear();
                feed.waiting_since = None;
            }
            return None;
        }
        if let Some(until) = self.wait_for_earlier(row, feed, target, now) {
            self.wake_by(until);
            if let Some(feed) = self.feeds.get_mut(key) {
                feed.waiting_since.get_or_insert(now);
            }
            return None;
        }
        let wait = if has_stale { self.wait_for_later(row, target, now) } else { Wait::No };
        let drop_stale = match wait {
            Wait::No => true,
            Wait::Until(until) => {
                self.wake_by(until);
                false
            }
            Wait::ForAnEvent => false,
        };
        if !(says_something || has_stale && drop_stale) {
            return None;
        }
        self.send(key, target, &refused_before, drop_stale, now)
    }

    fn send(
        &mut self,
        key: &(usize, TypeUrl),
        target: &ResourceSet,
        refused_before: &[String],
        drop_stale: bool,
        now: Duration,
    ) -> Option<Push> {
        let feed = self.feeds.get_mut(key)?;
        let mut removed: BTreeSet<String> = feed.missing(target).map(str::to_owned).collect();
        if drop_stale {
            removed.extend(feed.stale(target).map(str::to_owned));
        }
        let mut size = 0;
        let changed = feed.changed(target, refused_before).take_while(|(name, resource)| {
            let fits = P::COMPLETE || size == 0 || size + name.len() + resource.body.len() <= RESPONSE_BYTES;
            size += name.len() + resource.body.len();
            fits
        });
        let changed: BTreeMap<_, _> =
            changed.map(|(name, resource)| (name.to_owned(), resource.clone())).collect();
        let repeats = |feed: &Feed, name: &str| feed.owed.names.contains_key(name) && feed.holds(name);
        let resent = changed.keys().any(|name| repeats(feed, name));
        self.resends += u64::from(resent);
        let resends = self.resends;
        let resources =
            if P::COMPLETE { feed.complete(target, refused_before, &removed) } else { changed.clone() };
        // The same content sent again needs another version, or a client may ignore it as already known.
        let version_of = |version: Version, again: bool| {
            if again { format!("{version}.{resends}") } else { version.to_string() }
        };
        let version = if P::COMPLETE {
            Version::of_all(resources.iter().map(|(name, resource)| (name.as_str(), resource.version)))
        } else {
            target.type_version(&key.1)
        };
        let version = version_of(version, P::COMPLETE && resent);
        let pushed = resources.iter().map(|(name, resource)| Pushed {
            name: name.clone(),
            version: version_of(resource.version, repeats(feed, name)),
            body: Arc::clone(&resource.body),
        });
        self.last_nonce += 1;
        let push = Push {
            type_url: key.1.clone(),
            nonce: self.last_nonce.to_string(),
            version: version.clone(),
            resources: pushed.collect(),
            removed: removed.iter().cloned().collect(),
            control_plane: Arc::clone(&self.instance),
        };
        feed.owed.answer = false;
        feed.owed.names.retain(|name| !changed.contains_key(name) && !removed.contains(name));
        feed.waiting_since = None;
        let (arrival, nonce) = (Arrival::With(self.last_nonce), push.nonce.clone());
        feed.in_flight = Some(InFlight { arrival, nonce, sent_at: now, version, resources, removed });
        if let Some(dependent) = Row::of(&key.1).and_then(|row| row.refreshes) {
            self.refresh(dependent, changed.keys());
        }
        Some(push)
    }

    /// Queues resources of a type that is first asked for now, if their owners were sent before.
    fn catch_up(&mut self, type_url: &TypeUrl) {
        let Some(row) = Row::of(type_url) else { return };
        let owner = row.earlier().find(|owner| owner.refreshes == Some(row.type_url));
        let sent = owner.and_then(|owner| self.feed(owner)).into_iter().flat_map(Feed::sent);
        let sent: Vec<String> = sent.map(str::to_owned).collect();
        self.refresh(row.type_url, sent.iter());
    }

    /// Queues resources of another type that must follow those that were just sent.
    fn refresh<'a>(&mut self, dependent: &str, names: impl Iterator<Item = &'a String>) {
        let feed = self.feeds.values_mut().find(|feed| feed.type_url.as_str() == dependent);
        let Some(feed) = feed else { return };
        for name in names {
            let on_its_way =
                feed.in_flight.as_ref().is_some_and(|response| response.resources.contains_key(name));
            if feed.holds(name) || on_its_way {
                feed.owed.names.insert(name.clone(), ());
            }
        }
    }

    fn wake_by(&mut self, time: Duration) {
        self.wake_at = Some(self.wake_at.map_or(time, |other| other.min(time)));
    }
}
