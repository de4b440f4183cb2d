//! Client that takes resources as Envoy does: it applies the good part of a response at once. It refuses references to
//! missing resources, and a strict client refuses to remove referenced ones.

#![allow(clippy::unwrap_used, reason = "a client that cannot read is a failed test")]

mod wire;

use std::collections::{BTreeMap, BTreeSet};

use meshtcp_xds::order;
pub(crate) use wire::{ClientRequest, ServerResponse, Wire};

/// Relations between the types of a dialect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dialect {
    pub(crate) clusters: &'static str,
    pub(crate) endpoints: &'static str,
    /// Types that name clusters, and then the type that names those, if any.
    pub(crate) users: &'static [&'static str],
    /// `true`: endpoints are asked for by the names of clusters, and wanted again with each change of theirs.
    by_name: bool,
}

pub(crate) const ENVOY: Dialect = Dialect {
    clusters: order::ENVOY_CLUSTER,
    endpoints: order::ENVOY_ENDPOINTS,
    users: &[order::ENVOY_LISTENER],
    by_name: true,
};

pub(crate) const L4: Dialect = Dialect {
    clusters: order::L4_CLUSTER,
    endpoints: order::L4_ENDPOINTS,
    users: &[order::L4_ROUTE, order::L4_LISTENER],
    by_name: false,
};

impl Dialect {
    pub(crate) fn types(&self) -> Vec<&'static str> {
        [&[self.clusters, self.endpoints], self.users].concat()
    }

    /// Type that a resource of another names.
    fn named_by(&self, type_url: &str) -> Option<&'static str> {
        let at = self.users.iter().position(|user| *user == type_url)?;
        Some(at.checked_sub(1).map_or(self.clusters, |before| self.users[before]))
    }
}

/// Body `NAME: WORDS`; users have the names that they use among the words, each before a comma.
pub(crate) fn body(name: &str, uses: &[&str], rest: &str) -> String {
    let uses: String = uses.iter().map(|used| format!("{used}, ")).collect();
    format!("{name}: {uses}{rest}")
}

fn uses(body: &str) -> Vec<&str> {
    let words = body.split_once(": ").unwrap().1;
    let mut parts: Vec<_> = words.split(", ").collect();
    parts.pop();
    parts
}

#[derive(Debug)]
pub(crate) struct Client {
    dialect: Dialect,
    strict: bool,
    /// Version and body, by type and name.
    pub(crate) held: BTreeMap<&'static str, BTreeMap<String, (String, String)>>,
    /// Last accepted version of a type, and last nonce.
    versions: BTreeMap<&'static str, String>,
    nonces: BTreeMap<&'static str, String>,
    /// Clusters whose endpoints are asked for on this stream; `None`: the type was not asked for yet.
    asked: Option<BTreeSet<String>>,
}

impl Client {
    pub(crate) fn new(dialect: Dialect, strict: bool) -> Self {
        let (held, versions, nonces) = Default::default();
        Self { dialect, strict, held, versions, nonces, asked: None }
    }

    /// First requests of a stream.
    pub(crate) fn connect(&mut self) -> Vec<ClientRequest> {
        self.nonces.clear();
        self.asked = None;
        let mut asks = Vec::new();
        for type_url in self.dialect.types() {
            if type_url == self.dialect.endpoints && self.dialect.by_name {
                asks.extend(self.ask_for_endpoints());
            } else {
                asks.push(self.ask(type_url, true));
            }
        }
        asks[0].node = true;
        asks
    }

    fn ask(&self, type_url: &'static str, first: bool) -> ClientRequest {
        let held = self.held.get(type_url).into_iter().flatten().filter(|_| first);
        ClientRequest {
            type_url,
            initial: held.map(|(name, (version, _))| (name.clone(), version.clone())).collect(),
            version: self.versions.get(type_url).cloned().unwrap_or_default(),
            nonce: self.nonces.get(type_url).cloned().unwrap_or_default(),
            names: self.asked.clone().filter(|_| type_url == self.dialect.endpoints).unwrap_or_default(),
            ..ClientRequest::default()
        }
    }

    /// Request for the endpoints of the present clusters; `None`: it would repeat the last one.
    fn ask_for_endpoints(&mut self) -> Option<ClientRequest> {
        let wanted: BTreeSet<String> = self
            .held
            .get(self.dialect.clusters)
            .into_iter()
            .flatten()
            .map(|(name, _)| name.clone())
            .collect();
        let before = self.asked.clone().unwrap_or_default();
        if wanted == before {
            return None;
        }
        let first = self.asked.replace(wanted.clone()).is_none();
        Some(ClientRequest {
            subscribe: wanted.difference(&before).cloned().collect(),
            unsubscribe: before.difference(&wanted).cloned().collect(),
            is_answer: false,
            ..self.ask(self.dialect.endpoints, first)
        })
    }

    /// Takes a response. Returns the answers.
    pub(crate) fn take(&mut self, said: ServerResponse) -> Vec<ClientRequest> {
        let type_url = self.dialect.types().into_iter().find(|known| *known == said.type_url).unwrap();
        let ServerResponse { resources, removed, .. } = said;
        let of_endpoints = type_url == self.dialect.endpoints;
        let now: BTreeSet<&String> = resources.iter().map(|(name, _, _)| name).collect();
        let gone: Vec<String> = match removed {
            Some(removed) => removed,
            None if of_endpoints && self.dialect.by_name => Vec::new(),
            None => {
                let held = self.held.get(type_url).into_iter().flatten();
                held.map(|(name, _)| name.clone()).filter(|name| !now.contains(name)).collect()
            }
        };
        let mut errors = Vec::new();
        for name in gone {
            if self.strict && self.is_used(type_url, &name) {
                errors.push(format!("{name}: it is in use"));
            } else {
                self.remove(type_url, &name);
            }
        }
        for (name, version, body) in resources {
            let missing = self.missing(type_url, &body);
            if !missing.is_empty() {
                errors.push(format!("{name}: there is no {}", missing.join(", no ")));
                continue;
            }
            if of_endpoints && self.asked.as_ref().is_some_and(|asked| !asked.contains(&name)) {
                continue; // nobody waits for it any more
            }
            let before = self.held.entry(type_url).or_default().insert(name.clone(), (version, body.clone()));
            let changed = before.is_none_or(|(_, before)| before != body);
            if type_url == self.dialect.clusters && self.dialect.by_name && changed {
                // A changed cluster begins without endpoints.
                self.remove(self.dialect.endpoints, &name);
            }
        }
        self.nonces.insert(type_url, said.nonce);
        if errors.is_empty() {
            self.versions.insert(type_url, said.version);
        }
        let mut answer = ClientRequest { is_answer: true, ..self.ask(type_url, false) };
        if !errors.is_empty() {
            // Envoy's wording.
            let separator = if type_url == self.dialect.clusters { ", " } else { "\n" };
            answer.error = Some(format!("Error adding/updating resource(s) {}", errors.join(separator)));
        }
        let endpoints = (self.dialect.by_name).then(|| self.ask_for_endpoints()).flatten();
        endpoints.into_iter().chain([answer]).collect()
    }

    fn remove(&mut self, type_url: &str, name: &str) {
        if let Some(held) = self.held.get_mut(type_url) {
            held.remove(name);
        }
        if type_url == self.dialect.clusters && self.dialect.by_name {
            self.remove(self.dialect.endpoints, name);
        }
    }

    fn missing<'a>(&self, type_url: &str, body: &'a str) -> Vec<&'a str> {
        let Some(named) = self.dialect.named_by(type_url) else { return Vec::new() };
        let is_there = |name: &&str| self.held.get(named).is_some_and(|held| held.contains_key(*name));
        uses(body).into_iter().filter(|name| !is_there(name)).collect()
    }

    fn is_used(&self, type_url: &str, name: &str) -> bool {
        let users = self.dialect.users.iter().filter(|user| self.dialect.named_by(user) == Some(type_url));
        let mut bodies = users.filter_map(|user| self.held.get(user)).flat_map(BTreeMap::values);
        bodies.any(|(_, body)| uses(body).contains(&name))
    }
}
