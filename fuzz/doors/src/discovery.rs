//! Discovery stream between our server side and a client that does everything permitted, and some things that are not.

mod spelling;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use xds::order::{ENVOY_CLUSTER, ENVOY_ENDPOINTS, ENVOY_LISTENER, L4_CLUSTER, L4_LISTENER};
use xds::proto::discovery::Status;
use xds::{Delta, Memory, PATIENCE, ResourceSet, StateOfTheWorld, Subscription, TypeUrl};

use crate::choices::Choices;
use spelling::{ClientRequest, ServerResponse, Spelling};

/// Types that one client subscribes to: a stream has one dialect.
type Types = &'static [&'static str];
const ENVOYS: Types = &[ENVOY_CLUSTER, ENVOY_ENDPOINTS, ENVOY_LISTENER];
const OURS: Types = &[L4_CLUSTER, L4_LISTENER];
/// Type that no server knows: requests for it are never answered.
const UNKNOWN: &str = "type.googleapis.com/unknown.Type";
const NAMES: [&str; 3] = ["a", "b", "c"];
/// Number of responses in a row that exceeds any legitimate number.
const BOUND: usize = 200;

/// Plays a stream of each protocol by the bytes. The server never panics and never sends without end; it has at most
/// one unanswered response per type; and once the client is well-behaved and accepts everything, it holds exactly the
/// last published state.
pub fn discovery(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let types = choices.one_of(&[ENVOYS, OURS]);
    Play::<Delta>::new(types).perform(&mut choices.clone());
    Play::<StateOfTheWorld>::new(types).perform(&mut choices);
}

/// State of one type at the client.
#[derive(Default)]
struct ClientState {
    asked: bool,
    names: BTreeSet<String>,
    held: BTreeMap<String, (String, Vec<u8>)>,
    version: String,
    /// Last nonce received on this stream; empty: none.
    nonce: String,
    unanswered: Option<ServerResponse>,
}

struct Play<P: Spelling> {
    types: Types,
    server: Subscription<P>,
    shelves: BTreeMap<&'static str, ClientState>,
    exchanges: usize,
    target: ResourceSet,
    now: Duration,
}

impl<P: Spelling> Play<P> {
    fn new(types: Types) -> Self {
        let server = Subscription::new("fuzz".into(), Memory::default());
        Play {
            types,
            server,
            shelves: BTreeMap::new(),
            exchanges: 0,
            target: ResourceSet::default(),
            now: Duration::ZERO,
        }
    }

    fn perform(mut self, choices: &mut Choices<'_>) {
        while !choices.is_over() {
            let type_url = choices.one_of(self.types);
            match choices.below(8) {
                0 | 1 => self.publish(choices),
                2 => self.subscribe(type_url, choices),
                3 | 4 => self.answer(type_url, choices),
                5 => self.now += Duration::from_millis(choices.below(256) as u64 * 20),
                6 => self.reconnect(choices),
                _ => self.misbehave(type_url, choices),
            }
            self.listen();
        }
        self.settle();
    }

    /// Publishes a set with some of the names; bodies begin with the name, so that every message identifies itself.
    fn publish(&mut self, choices: &mut Choices<'_>) {
        let mut set = ResourceSet::default();
        for &type_url in self.types {
            for name in NAMES {
                let variant = choices.below(4);
                if variant > 0 {
                    set.insert(TypeUrl::new(type_url), name, format!("{name}{variant}").into_bytes());
                }
            }
        }
        self.target = set.clone();
        self.server.on_publish(Arc::new(set));
    }

    fn subscribe(&mut self, type_url: &'static str, choices: &mut Choices<'_>) {
        let name = choices.one_of(&["*", "a", "b", "c", "none"]).to_owned();
        let shelf = self.shelves.entry(type_url).or_default();
        let (mut subscribe, mut unsubscribe) = (Vec::new(), Vec::new());
        if choices.once_in(3) {
            shelf.names.remove(&name);
            unsubscribe.push(name);
        } else {
            shelf.names.insert(name.clone());
            subscribe.push(name);
        }
        let names = shelf.names.clone();
        shelf.held.retain(|name, _| names.contains("*") || names.contains(name));
        self.say(type_url, subscribe, unsubscribe, String::new(), None);
    }

    /// Accepts or refuses the response; a refusal names one resource, or nothing useful.
    fn answer(&mut self, type_url: &'static str, choices: &mut Choices<'_>) {
        let Some(heard) = self.shelves.get_mut(type_url).and_then(|shelf| shelf.unanswered.take()) else {
            return;
        };
        let nonce = heard.nonce.clone();
        let error = match choices.below(4) {
            0 => Some(String::new()),
            1 => heard.resources.first().map(|(name, ..)| format!("'{name}' is bad")),
            _ => None,
        };
        if error.is_none() {
            self.apply(type_url, heard);
        }
        let error = error.map(|message| Status { message, ..Status::default() });
        self.say(type_url, Vec::new(), Vec::new(), nonce, error);
    }

    fn apply(&mut self, type_url: &'static str, heard: ServerResponse) {
        let shelf = self.shelves.entry(type_url).or_default();
        if heard.complete {
            shelf.held.clear();
        }
        shelf.version = heard.version;
        for (name, version, body) in heard.resources {
            shelf.held.insert(name, (version, body));
        }
        for name in heard.removed {
            shelf.held.remove(&name);
        }
    }

    fn reconnect(&mut self, choices: &mut Choices<'_>) {
        let memory = if choices.once_in(2) { self.server.memory() } else { Memory::default() };
        self.server = Subscription::new("fuzz".into(), memory);
        self.server.on_publish(Arc::new(self.target.clone()));
        for shelf in self.shelves.values_mut() {
            shelf.asked = false;
            shelf.nonce.clear();
            shelf.unanswered = None;
        }
    }

    /// Sends an answer to no response, or a request without a type.
    fn misbehave(&mut self, type_url: &'static str, choices: &mut Choices<'_>) {
        let names = BTreeSet::new();
        let say = ClientRequest {
            type_url: choices.one_of(&["", type_url, UNKNOWN]),
            subscribe: Vec::new(),
            unsubscribe: Vec::new(),
            names: self.shelves.get(type_url).map_or(&names, |shelf| &shelf.names),
            held: BTreeMap::new(),
            version: "made up".into(),
            nonce: "made up".into(),
            error: choices.once_in(2).then(Status::default),
        };
        if self.shelves.get(type_url).is_some_and(|shelf| shelf.asked) || say.type_url != type_url {
            let _ = self.server.on_request(P::spell(say), self.now);
        }
    }

    fn say(
        &mut self,
        type_url: &'static str,
        subscribe: Vec<String>,
        unsubscribe: Vec<String>,
        nonce: String,
        error: Option<Status>,
    ) {
        let pending =
            self.shelves.get_mut(type_url).and_then(|shelf| shelf.unanswered.take_if(|_| P::REPEATS_NONCE));
        if let Some(heard) = pending {
            self.apply(type_url, heard);
        }
        let shelf = self.shelves.entry(type_url).or_default();
        let nonce = if P::REPEATS_NONCE { shelf.nonce.clone() } else { nonce };
        let first = !std::mem::replace(&mut shelf.asked, true);
        let subscribe = if first { shelf.names.iter().cloned().collect() } else { subscribe };
        let held = shelf.held.iter().map(|(name, (version, _))| (name.clone(), version.clone()));
        let held = if first { held.collect() } else { BTreeMap::new() };
        let nonce = if first { String::new() } else { nonce };
        let version = shelf.version.clone();
        let say = ClientRequest {
            type_url,
            subscribe,
            unsubscribe,
            names: &shelf.names,
            held,
            version,
            nonce,
            error,
        };
        let taken = self.server.on_request(P::spell(say), self.now);
        assert!(taken.is_ok(), "a good request was refused: {taken:?}");
    }

    /// Receives all responses that the server has now.
    fn listen(&mut self) {
        for _ in 0..BOUND {
            let Some(response) = self.server.poll_response(self.now) else {
                while self.server.poll_event().is_some() {}
                return;
            };
            let heard = P::hear(response);
            let type_url = self.types.iter().find(|known| **known == heard.type_url);
            let shelf = type_url.and_then(|type_url| self.shelves.get_mut(type_url));
            let shelf = shelf.unwrap_or_else(|| panic!("nobody asked for {}", heard.type_url));
            assert!(shelf.unanswered.is_none(), "two unanswered responses of {}", heard.type_url);
            shelf.nonce.clone_from(&heard.nonce);
            shelf.unanswered = Some(heard);
        }
        panic!("the server talks without end");
    }

    /// Makes the client subscribe to everything and accept everything; asserts that it then holds everything.
    fn settle(&mut self) {
        let mut set = ResourceSet::default();
        for &type_url in self.types {
            for name in NAMES.into_iter().take(2) {
                // A body that was never refused.
                set.insert(TypeUrl::new(type_url), name, format!("{name} settled").into_bytes());
            }
        }
        self.target = set.clone();
        self.server.on_publish(Arc::new(set));
        for &type_url in self.types {
            let wanted: Vec<String> = ["*", "a", "b", "c"].map(str::to_owned).into();
            self.shelves.entry(type_url).or_default().names = wanted.iter().cloned().collect();
            self.say(type_url, wanted, vec!["none".to_owned()], String::new(), None);
        }
        let mut quiet_rounds = 0;
        while quiet_rounds < 3 {
            self.listen();
            self.now += PATIENCE;
            quiet_rounds += 1;
            for &type_url in self.types {
                let unanswered = self.shelves.get_mut(type_url).and_then(|shelf| shelf.unanswered.take());
                if let Some(heard) = unanswered {
                    quiet_rounds = 0;
                    self.exchanges += 1;
                    assert!(self.exchanges < BOUND, "the server never has enough");
                    let nonce = heard.nonce.clone();
                    self.apply(type_url, heard);
                    self.say(type_url, Vec::new(), Vec::new(), nonce, None);
                }
            }
            self.listen();
        }
        for &type_url in self.types {
            let held = &self.shelves[type_url].held;
            let held: Vec<(&str, &[u8])> =
                held.iter().map(|(name, (_, body))| (name.as_str(), &body[..])).collect();
            let url = TypeUrl::new(type_url);
            let wanted: Vec<(&str, &[u8])> =
                self.target.of_type(&url).map(|(name, it)| (name, &it.body[..])).collect();
            assert_eq!(held, wanted, "what the client holds of {type_url} is not what was published");
        }
        assert!(self.server.is_in_sync(), "the client has everything, and the server does not know");
    }
}
