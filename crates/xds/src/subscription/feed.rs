//! One type on one stream: what the client holds, what it was sent, what it refused.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::blame::blamed;
use super::interest::Interest;
use crate::{ResourceSet, TypeUrl, Version, Versioned};

/// The state of one type on one stream.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) type_url: TypeUrl,
    pub(super) interest: Interest,
    /// What the client has of what it asked for.
    held: BTreeMap<String, Held>,
    /// Bodies that the client refused; they are never sent again.
    rejected: BTreeMap<String, BTreeSet<Version>>,
    /// The one response that the client has not answered yet.
    pub(super) in_flight: Option<InFlight>,
    pub(super) owed: Owed,
    /// Whether the client brought resources along from an earlier stream.
    pub(super) resumed: bool,
    /// Whether nothing is said: the client has resources of a type that nobody here knows, and any answer would be that
    /// they are gone.
    pub(super) is_mute: bool,
    /// Since when something is ready that another type holds back.
    pub(super) waiting_since: Option<Duration>,
}

/// One resource at the client.
#[derive(Debug)]
struct Held {
    /// The version it runs; `None` when a refused response leaves that open.
    version: Option<Version>,
    /// The last body it is known to have accepted; `None` when that was on a stream we know nothing of.
    accepted: Option<Versioned>,
}

/// A response that was sent.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) nonce: String,
    pub(super) sent_at: Duration,
    pub(super) version: String,
    pub(super) resources: BTreeMap<String, Versioned>,
    pub(super) removed: Vec<String>,
}

/// What must be said although nothing changed.
#[derive(Debug, Default)]
pub(super) struct Owed {
    /// A response, even an empty one.
    pub(super) answer: bool,
    /// These resources, or that they do not exist.
    pub(super) names: BTreeSet<String>,
}

/// What a proxy accepted and refused of one type, for its next stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Remembered {
    accepted: BTreeMap<String, Versioned>,
    rejected: BTreeMap<String, BTreeSet<Version>>,
}

impl Feed {
    pub(super) fn new(type_url: TypeUrl) -> Self {
        Self {
            type_url,
            interest: Interest::default(),
            held: BTreeMap::new(),
            rejected: BTreeMap::new(),
            in_flight: None,
            owed: Owed::default(),
            resumed: false,
            is_mute: false,
            waiting_since: None,
        }
    }

    /// Takes over what a delta client says that it still has.
    pub(super) fn resume_with_versions(&mut self, initial: BTreeMap<String, String>, past: Remembered) {
        if initial.is_empty() {
            return;
        }
        self.resumed = true;
        self.rejected = past.rejected;
        self.held = initial
            .into_iter()
            .map(|(name, version)| {
                // A resource that was sent again has the number of that behind a dot.
                let version = Version::parse(version.split('.').next().unwrap_or_default());
                (name, Held { version, accepted: None })
            })
            .collect();
    }

    /// Takes over what we know that a state-of-the-world client had; it only says that it had something.
    pub(super) fn resume_from_memory(&mut self, past: Remembered) {
        self.resumed = true;
        self.rejected = past.rejected;
        let held = |accepted| Held { version: None, accepted: Some(accepted) };
        self.held = past.accepted.into_iter().map(|(name, accepted)| (name, held(accepted))).collect();
    }

    pub(super) fn remember(&self) -> Remembered {
        let accepted =
            self.held.iter().filter_map(|(name, held)| Some((name.clone(), held.accepted.clone()?)));
        Remembered { accepted: accepted.collect(), rejected: self.rejected.clone() }
    }

    pub(super) fn holds(&self, name: &str) -> bool {
        self.held.contains_key(name)
    }

    /// Forgets what the client no longer asks for; it has dropped that by itself.
    pub(super) fn forget_uncovered(&mut self) {
        let interest = &self.interest;
        self.held.retain(|name, _| interest.covers(name));
        self.owed.names.retain(|name| interest.covers(name));
    }

    /// The resources to send: new, changed or owed, save for those that were refused, and for those that need
    /// something refused while the client has an older body of them that does not.
    pub(super) fn changed<'a>(
        &'a self,
        target: &'a ResourceSet,
        refused_elsewhere: &'a [String],
    ) -> impl Iterator<Item = (&'a str, &'a Versioned)> {
        self.wanted(target).filter(|(name, resource)| {
            let differs = self.held.get(*name).is_none_or(|held| held.version != Some(resource.version));
            (differs || self.owed.names.contains(*name))
                && !self.is_kept_back(name, resource, refused_elsewhere)
        })
    }

    fn wanted<'a>(&'a self, target: &'a ResourceSet) -> impl Iterator<Item = (&'a str, &'a Versioned)> {
        target.of_type(&self.type_url).filter(|(name, _)| self.interest.covers(name))
    }

    /// What the client has and the target has not.
    pub(super) fn stale<'a>(&'a self, target: &'a ResourceSet) -> impl Iterator<Item = &'a str> {
        self.held.keys().map(String::as_str).filter(|name| target.get(&self.type_url, name).is_none())
    }

    /// What the client waits for and nobody has.
    pub(super) fn missing<'a>(&'a self, target: &'a ResourceSet) -> impl Iterator<Item = &'a str> {
        let names = self.owed.names.iter().map(String::as_str);
        names.filter(|name| !self.holds(name) && target.get(&self.type_url, name).is_none())
    }

    /// Whether the client runs exactly what the target says, and has said so.
    pub(super) fn is_in_sync(&self, target: &ResourceSet) -> bool {
        self.in_flight.is_none()
            && self.changed_or_kept_back(target) == 0
            && self.stale(target).next().is_none()
    }

    fn changed_or_kept_back(&self, target: &ResourceSet) -> usize {
        let runs =
            |name, version| self.held.get(name).is_some_and(|held: &Held| held.version == Some(version));
        self.wanted(target).filter(|(name, resource)| !runs(*name, resource.version)).count()
    }

    /// Whether something of the target will not be sent, because it or something it needs was refused.
    pub(super) fn keeps_back(&self, target: &ResourceSet, refused_elsewhere: &[String]) -> bool {
        self.wanted(target).any(|(name, resource)| self.is_kept_back(name, resource, refused_elsewhere))
    }

    fn is_kept_back(&self, name: &str, resource: &Versioned, refused_elsewhere: &[String]) -> bool {
        self.is_refused(name, resource.version)
            || (self.holds(name) && refused_elsewhere.iter().any(|other| mentions(&resource.body, other)))
    }

    fn is_refused(&self, name: &str, version: Version) -> bool {
        self.rejected.get(name).is_some_and(|versions| versions.contains(&version))
    }

    /// The names of the target's resources that the client refused.
    pub(super) fn refused<'a>(&'a self, target: &'a ResourceSet) -> impl Iterator<Item = &'a str> {
        let refused = self.wanted(target).filter(|(name, resource)| self.is_refused(name, resource.version));
        refused.map(|(name, _)| name)
    }

    /// Those of them that the client has no older version of.
    pub(super) fn refused_and_absent<'a>(&'a self, target: &'a ResourceSet) -> impl Iterator<Item = &'a str> {
        self.refused(target).filter(|name| !self.holds(name))
    }

    /// Everything that a state-of-the-world response has to say: the target, with the last accepted body in place of
    /// one that must not be sent, and what is stale unless `drop_stale`.
    pub(super) fn complete(
        &self,
        target: &ResourceSet,
        refused_elsewhere: &[String],
        drop_stale: bool,
    ) -> BTreeMap<String, Versioned> {
        let mut everything: BTreeMap<String, Versioned> = BTreeMap::new();
        for (name, resource) in self.wanted(target) {
            let accepted = self.held.get(name).and_then(|held| held.accepted.as_ref());
            let said = match (self.is_kept_back(name, resource, refused_elsewhere), accepted) {
                (false, _) => Some(resource),
                (true, Some(accepted)) => Some(accepted),
                // The client may run a body that we do not know; leaving the name out would remove that.
                (true, None) => self.resumed.then_some(resource),
            };
            everything.extend(said.map(|said| (name.to_owned(), said.clone())));
        }
        if !drop_stale {
            let stale = self
                .stale(target)
                .filter_map(|name| Some((name.to_owned(), self.held.get(name)?.accepted.clone()?)));
            everything.extend(stale);
        }
        everything
    }

    /// The client accepted the response in flight.
    pub(super) fn accept(&mut self, response: InFlight) {
        for name in &response.removed {
            self.held.remove(name);
        }
        for (name, resource) in response.resources {
            self.hold(name, resource);
        }
    }

    fn hold(&mut self, name: String, resource: Versioned) {
        if self.interest.covers(&name) {
            self.held.insert(name, Held { version: Some(resource.version), accepted: Some(resource) });
        }
    }

    /// The client refused the response in flight. Returns the names that it refused.
    ///
    /// Clients apply what is good of a refused response, and say in words what was not: a resource that the message
    /// names is refused; if it names none, every new one is, and what the client runs of them is open.
    pub(super) fn refuse(&mut self, response: InFlight, message: &str) -> Vec<String> {
        let runs =
            |name: &String, version| self.held.get(name).is_some_and(|held| held.version == Some(version));
        let (known, new): (BTreeMap<_, _>, BTreeMap<_, _>) =
            response.resources.into_iter().partition(|(name, resource)| runs(name, resource.version));
        if new.is_empty() {
            // Only removals, or nothing that was not accepted before: saying it again would be refused again.
            response.removed.iter().for_each(|name| drop(self.held.remove(name)));
            return blamed(message, known.keys()).into_iter().map(str::to_owned).collect();
        }
        let blamed: BTreeSet<String> = blamed(message, new.keys()).into_iter().map(str::to_owned).collect();
        let named = !blamed.is_empty();
        let mut refused = Vec::new();
        for (name, resource) in new {
            if named && !blamed.contains(&name) {
                self.hold(name, resource);
                continue;
            }
            self.rejected.entry(name.clone()).or_default().insert(resource.version);
            match self.held.get_mut(&name) {
                Some(held) => held.version = None,
                None if named => {}
                None => drop(self.held.insert(name.clone(), Held { version: None, accepted: None })),
            }
            refused.push(name);
        }
        for name in response.removed {
            if let Some(held) = self.held.get_mut(&name) {
                held.version = None;
            }
        }
        refused
    }
}

/// Whether a message has a text in it: protobuf writes texts as they are.
fn mentions(body: &[u8], name: &str) -> bool {
    !name.is_empty() && body.windows(name.len()).any(|window| window == name.as_bytes())
}
