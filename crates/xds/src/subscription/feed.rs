//! One type on one stream: the resources that the client holds, was sent and refused.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::arrival::Arrival;
use super::blame::blamed;
use super::interest::Interest;
use super::mentions::mentions;
use super::names::Names;
use super::refusals::{Blame, Offer, Refusals};
use crate::{ResourceSet, TypeUrl, Version, Versioned};

/// State of one type on one stream.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) type_url: TypeUrl,
    pub(super) interest: Interest,
    /// Resources that the client has, of those it asked for.
    held: Names<Held>,
    pub(super) refusals: Refusals,
    /// Point of the last change at the client.
    changed: Arrival,
    /// Response that the client has not answered yet; `None`: there is none.
    pub(super) in_flight: Option<InFlight>,
    pub(super) owed: Owed,
    /// `true`: the client brought resources along from an earlier stream.
    pub(super) resumed: bool,
    /// `true`: nothing is sent, because the client has resources of an unknown type, and any answer would mean that
    /// they are gone.
    pub(super) is_mute: bool,
    /// Time since which a resource is ready that another type holds back; `None`: there is none.
    pub(super) waiting_since: Option<Duration>,
}

/// One resource at the client.
#[derive(Debug)]
struct Held {
    /// Version it runs; `None` if a refused response leaves that open.
    version: Option<Version>,
    /// Last body it is known to have accepted; `None` if that was on an unknown stream.
    accepted: Option<Versioned>,
    arrival: Arrival,
}

/// Response that was sent and is not answered.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) arrival: Arrival,
    pub(super) nonce: String,
    pub(super) sent_at: Duration,
    pub(super) version: String,
    pub(super) resources: BTreeMap<String, Versioned>,
    pub(super) removed: BTreeSet<String>,
}

/// Answers that are owed although nothing changed.
#[derive(Debug, Default)]
pub(super) struct Owed {
    /// `true`: a response is owed, even an empty one.
    pub(super) answer: bool,
    /// Names of resources that are owed, or else the notice that they do not exist.
    pub(super) names: Names,
}

/// Accepted and refused resources of one type, for the proxy's next stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Remembered {
    accepted: BTreeMap<String, Versioned>,
    refusals: Refusals,
}

impl Feed {
    /// Memory cost of all names that are kept of the client, in bytes: those that it asks for, has, and is owed.
    pub(super) fn names_taken(&self) -> usize {
        self.interest.taken() + self.held.cost() + self.owed.names.cost()
    }

    pub(super) fn new(type_url: TypeUrl) -> Self {
        Self {
            type_url,
            interest: Interest::default(),
            held: Names::default(),
            refusals: Refusals::default(),
            changed: Arrival::Before,
            in_flight: None,
            owed: Owed::default(),
            resumed: false,
            is_mute: false,
            waiting_since: None,
        }
    }

    /// Takes over the resources that a delta client reports as held.
    pub(super) fn resume_with_versions(&mut self, initial: BTreeMap<String, String>, past: Remembered) {
        if initial.is_empty() {
            return;
        }
        self.resumed = true;
        self.refusals = past.refusals;
        self.refusals.retain(|name, offer| match (initial.get(name), offer) {
            (has, Offer::Removal) => has.is_some(),
            (has, Offer::Version(version)) => has.and_then(|has| parsed(has)) != Some(version),
        });
        self.held = initial
            .into_iter()
            .map(|(name, version)| {
                let version = parsed(&version);
                let before = past.accepted.get(&name).map(|accepted| accepted.version);
                let known = version.is_some() && version == before;
                let arrival = if known { Arrival::Before } else { Arrival::Elsewhere };
                (name, Held { version, accepted: None, arrival })
            })
            .collect();
        self.changed = self.held.values().map(|held| held.arrival).max().unwrap_or(self.changed);
    }

    /// Takes over the remembered resources of a state-of-the-world client, which only says that it had some.
    pub(super) fn resume_from_memory(&mut self, past: Remembered) {
        self.resumed = true;
        self.refusals = past.refusals;
        let held = |accepted| Held { version: None, accepted: Some(accepted), arrival: Arrival::Before };
        self.held = past.accepted.into_iter().map(|(name, accepted)| (name, held(accepted))).collect();
    }

    pub(super) fn remember(&self) -> Remembered {
        let accepted =
            self.held.iter().filter_map(|(name, held)| Some((name.clone(), held.accepted.clone()?)));
        Remembered { accepted: accepted.collect(), refusals: self.refusals.for_next_stream() }
    }

    pub(super) fn holds(&self, name: &str) -> bool {
        self.held.contains_key(name)
    }

    /// Forgets resources that the client no longer asks for; it drops them by itself.
    pub(super) fn forget_uncovered(&mut self) {
        let interest = &self.interest;
        self.held.retain(|name| interest.covers(name));
        self.owed.names.retain(|name| interest.covers(name));
    }

    /// Adds names to the interest of the client and takes others away, and notes what is owed for it. `first`: it is the
    /// first request about the type.
    pub(super) fn change_interest(&mut self, subscribe: &[String], unsubscribe: &[String], first: bool) {
        for name in subscribe {
            self.interest.add(name);
            if name == "*" {
                self.owed.answer = true;
            } else if !(first && self.holds(name)) {
                // A repeated subscription to a known name asks for it again; on a new stream it is only a repetition.
                self.owed.names.insert(name.clone(), ());
            }
        }
        for name in unsubscribe {
            self.interest.drop(name);
            if name != "*" && self.interest.covers(name) {
                // Still covered by the wildcard: the client must learn its current state.
                self.owed.names.insert(name.clone(), ());
            }
            match name.as_str() {
                "*" => self.forget_uncovered(),
                name => self.forget_if_uncovered(name),
            }
        }
    }

    /// Forgets one resource, if the client no longer asks for it.
    pub(super) fn forget_if_uncovered(&mut self, name: &str) {
        if !self.interest.covers(name) {
            self.held.remove(name);
            self.owed.names.remove(name);
        }
    }

    /// Resources to send: new, changed or owed, except those kept back: refused ones, and those that need a refused
    /// resource while the client has an older body without that need.
    pub(super) fn changed<'a>(
        &'a self,
        target: &'a ResourceSet,
        refused_elsewhere: &'a [String],
    ) -> impl Iterator<Item = (&'a str, &'a Versioned)> {
        self.wanted(target).filter(|(name, resource)| {
            let differs = self.held.get(*name).is_none_or(|held| held.version != Some(resource.version));
            (differs || self.owed.names.contains_key(*name))
                && !self.is_kept_back(name, resource, refused_elsewhere)
        })
    }

    fn wanted<'a>(&'a self, target: &'a ResourceSet) -> impl Iterator<Item = (&'a str, &'a Versioned)> {
        target.of_type(&self.type_url).filter(|(name, _)| self.interest.covers(name))
    }

    /// Resources that the client has and the target does not.
    fn leftovers<'a>(&'a self, target: &'a ResourceSet) -> impl Iterator<Item = &'a str> {
        self.held.keys().map(String::as_str).filter(|name| target.get(&self.type_url, name).is_none())
    }

    /// Leftovers to be removed: all but those whose removal the client refused.
    pub(super) fn stale<'a>(&'a self, target: &'a ResourceSet) -> impl Iterator<Item = &'a str> {
        self.leftovers(target).filter(|name| !self.refusals.keep_back(name, Offer::Removal))
    }

    /// Returns `true` if the client will have a resource that is not in the target, once it has taken the response in
    /// flight.
    pub(super) fn will_keep(&self, target: &ResourceSet) -> bool {
        let Some(InFlight { resources, removed, .. }) = &self.in_flight else {
            return self.leftovers(target).next().is_some();
        };
        self.leftovers(target).any(|name| !removed.contains(name))
            || resources.keys().any(|name| target.get(&self.type_url, name).is_none())
    }

    /// Returns `true` if the client will lack a resource of the target that is not kept back, once it has taken the
    /// response in flight. A resource about to be removed counts as missing.
    pub(super) fn will_lack(&self, target: &ResourceSet, refused_elsewhere: &[String]) -> bool {
        self.wanted(target).any(|(name, resource)| {
            self.expected(name) != Some(resource.version)
                && !self.is_kept_back(name, resource, refused_elsewhere)
        })
    }

    /// Version that the client will run of a resource, once it has taken the response in flight.
    fn expected(&self, name: &str) -> Option<Version> {
        match &self.in_flight {
            Some(InFlight { removed, .. }) if removed.contains(name) => None,
            Some(InFlight { resources, .. }) if resources.contains_key(name) => {
                resources.get(name).map(|sent| sent.version)
            }
            _ => self.held.get(name)?.version,
        }
    }

    /// Resources of the client that arrived later than `other`.
    pub(super) fn arrived_after(&self, other: Arrival) -> impl Iterator<Item = &str> {
        let held = self.held.iter().filter(move |(_, held)| held.version.is_some() && held.arrival > other);
        held.map(|(name, _)| name.as_str())
    }

    /// Returns `true` if anything changed at the client later than `other`.
    pub(super) fn changed_after(&self, other: Arrival) -> bool {
        self.changed > other
    }

    /// Resources sent on this stream and not refused.
    pub(super) fn sent(&self) -> impl Iterator<Item = &str> {
        let on_its_way = self.in_flight.iter().flat_map(|response| response.resources.keys());
        on_its_way.map(String::as_str).chain(self.arrived_after(Arrival::Elsewhere))
    }

    /// Returns `true` if the target still asks for the refused offer.
    pub(super) fn wants(&self, target: &ResourceSet, name: &str, offer: Offer) -> bool {
        let wanted = target.get(&self.type_url, name).filter(|_| self.interest.covers(name));
        match offer {
            Offer::Version(version) => wanted.is_some_and(|resource| resource.version == version),
            Offer::Removal => wanted.is_none() && self.holds(name),
        }
    }

    /// Names that the client waits for and the target does not have.
    pub(super) fn missing<'a>(&'a self, target: &'a ResourceSet) -> impl Iterator<Item = &'a str> {
        let names = self.owed.names.keys().map(String::as_str);
        names.filter(|name| !self.holds(name) && target.get(&self.type_url, name).is_none())
    }

    /// Returns `true` if the client runs exactly the target, and has confirmed it.
    pub(super) fn is_in_sync(&self, target: &ResourceSet) -> bool {
        self.in_flight.is_none()
            && self.changed_or_kept_back(target) == 0
            && self.leftovers(target).next().is_none()
    }

    fn changed_or_kept_back(&self, target: &ResourceSet) -> usize {
        let runs =
            |name, version| self.held.get(name).is_some_and(|held: &Held| held.version == Some(version));
        self.wanted(target).filter(|(name, resource)| !runs(*name, resource.version)).count()
    }

    /// Returns `true` if the client goes on without a resource of the target, because it or one that it needs was
    /// refused.
    pub(super) fn keeps_back(&self, target: &ResourceSet, refused_elsewhere: &[String]) -> bool {
        self.wanted(target).any(|(name, resource)| {
            self.is_refused(name, resource.version) || self.is_kept_back(name, resource, refused_elsewhere)
        })
    }

    fn is_kept_back(&self, name: &str, resource: &Versioned, refused_elsewhere: &[String]) -> bool {
        self.refusals.keep_back(name, Offer::Version(resource.version))
            || (self.holds(name) && refused_elsewhere.iter().any(|other| mentions(&resource.body, other)))
    }

    fn is_refused(&self, name: &str, version: Version) -> bool {
        self.refusals.contain(name, Offer::Version(version))
    }

    /// Names of the target's resources that the client refused.
    fn refused<'a>(&'a self, target: &'a ResourceSet) -> impl Iterator<Item = &'a str> {
        let refused = self.wanted(target).filter(|(name, resource)| self.is_refused(name, resource.version));
        refused.map(|(name, _)| name)
    }

    /// Names that the client refused to run or to remove.
    pub(super) fn in_dispute<'a>(&'a self, target: &'a ResourceSet) -> impl Iterator<Item = &'a str> {
        let kept = self.leftovers(target).filter(|name| self.refusals.contain(name, Offer::Removal));
        self.refused(target).chain(kept)
    }

    /// Names of refused resources of which the client has no older version.
    pub(super) fn refused_and_absent<'a>(&'a self, target: &'a ResourceSet) -> impl Iterator<Item = &'a str> {
        self.refused(target).filter(|name| !self.holds(name))
    }

    /// Full content of a state-of-the-world response: the target, with the last accepted body in place of one that must
    /// not be sent, and the client's other resources except those in `removed`.
    pub(super) fn complete(
        &self,
        target: &ResourceSet,
        refused_elsewhere: &[String],
        removed: &BTreeSet<String>,
    ) -> BTreeMap<String, Versioned> {
        let mut everything: BTreeMap<String, Versioned> = BTreeMap::new();
        for (name, resource) in self.wanted(target) {
            let accepted = self.held.get(name).and_then(|held| held.accepted.as_ref());
            let said = match (self.is_kept_back(name, resource, refused_elsewhere), accepted) {
                (false, _) => Some(resource),
                (true, Some(accepted)) => Some(accepted),
                // The client may run a body unknown here; leaving the name out would remove it.
                (true, None) => self.resumed.then_some(resource),
            };
            everything.extend(said.map(|said| (name.to_owned(), said.clone())));
        }
        let kept = self
            .leftovers(target)
            .filter(|name| !removed.contains(*name))
            .filter_map(|name| Some((name.to_owned(), self.held.get(name)?.accepted.clone()?)));
        everything.extend(kept);
        everything
    }

    /// Applies an ACK of the response in flight.
    pub(super) fn accept(&mut self, response: InFlight) {
        if !response.removed.is_empty() {
            self.changed = response.arrival;
        }
        for name in &response.removed {
            self.held.remove(name);
            self.refusals.forget(name, Offer::Removal);
        }
        for (name, resource) in response.resources {
            self.hold(name, resource, response.arrival);
        }
    }

    fn hold(&mut self, name: String, resource: Versioned, arrival: Arrival) {
        if !self.interest.covers(&name) {
            return;
        }
        let version = resource.version;
        self.refusals.forget(&name, Offer::Version(version));
        // A resource that the client already had keeps its first arrival.
        let before = self.held.get(&name).filter(|held| held.version == Some(version));
        let arrival = before.map_or(arrival, |held| held.arrival);
        self.changed = self.changed.max(arrival);
        self.held.insert(name, Held { version: Some(version), accepted: Some(resource), arrival });
    }

    /// Applies a NACK of the response in flight. Returns the names that were refused.
    ///
    /// Clients apply the good part of a refused response, and describe the rest in words: a resource that the message
    /// names is refused; if it names none, every new one is, and the version that the client runs of them is open.
    pub(super) fn refuse(&mut self, response: InFlight, message: &str, now: Duration) -> Vec<String> {
        let InFlight { arrival, resources, removed, .. } = response;
        let runs =
            |name: &String, version| self.held.get(name).is_some_and(|held| held.version == Some(version));
        let (known, new): (BTreeMap<_, _>, BTreeMap<_, _>) =
            resources.into_iter().partition(|(name, resource)| runs(name, resource.version));
        let blamed_of = |names: &mut dyn Iterator<Item = &String>| -> BTreeSet<String> {
            let names: Vec<&String> = names.collect();
            blamed(message, names.into_iter()).into_iter().map(str::to_owned).collect()
        };
        let mut blamed = blamed_of(&mut new.keys().chain(&removed));
        if blamed.is_empty() && new.is_empty() {
            // Then it is about a removal, or about a resource that was accepted before.
            blamed.clone_from(&removed);
            if removed.is_empty() {
                return blamed_of(&mut known.keys()).into_iter().collect();
            }
        }
        let named = !blamed.is_empty();
        let blame = if named { Blame::Named } else { Blame::Any };
        let mut refused = Vec::new();
        for (name, resource) in new {
            if named && !blamed.contains(&name) {
                self.hold(name, resource, arrival);
                continue;
            }
            self.refusals.add(&name, Offer::Version(resource.version), blame, arrival, now);
            match self.held.get_mut(&name) {
                Some(held) => held.version = None,
                None if named => {}
                None => {
                    let held = Held { version: None, accepted: None, arrival };
                    self.held.insert(name.clone(), held);
                }
            }
            refused.push(name);
        }
        for name in removed {
            if blamed.contains(&name) {
                self.refusals.add(&name, Offer::Removal, blame, arrival, now);
                refused.push(name);
            } else if let Some(held) = self.held.get_mut(&name) {
                held.version = None;
            }
        }
        refused.sort();
        refused
    }
}

/// Parses a version as a client returns it: one that was sent again has the number of that after a dot.
fn parsed(version: &str) -> Option<Version> {
    Version::parse(version.split('.').next().unwrap_or_default())
}
