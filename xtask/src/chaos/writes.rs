//! Changes over the API, and the record of accepted ones.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::json;

use super::identity::Identity;
use super::stage::Stage;
use crate::run::{Outcome, within};

/// Time limit of an answer.
const ANSWER: Duration = Duration::from_secs(8);
/// Time limit of the first changes.
const START: Duration = Duration::from_secs(60);
/// Longest pause between two changes, in milliseconds.
const PAUSE: u64 = 300;

/// API of a control plane, as HOST:PORT.
#[derive(Clone, Debug)]
pub(super) struct Api(pub(super) String);

/// Thread that writes.
pub(super) struct Writes {
    shared: Arc<Shared>,
    writer: JoinHandle<Written>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    accepted: AtomicUsize,
    unanswered: AtomicUsize,
}

/// Expected content of the store.
#[derive(Default)]
pub(super) struct Written {
    /// `true`: put last, `false`: deleted last; by path. Paths whose last change was not answered are absent: it may be
    /// either.
    pub(super) known: BTreeMap<String, bool>,
    pub(super) accepted: usize,
    /// Unexpected answers.
    pub(super) wrong: Vec<String>,
}

impl Writes {
    /// Puts the mesh, and starts to change it.
    pub(super) fn begin(stage: &Stage, identity: Option<Identity>, chance: fastrand::Rng) -> Outcome<Self> {
        let apis = stage.apis();
        let of_identity = identity.iter().flat_map(Identity::resources);
        for (path, document) in of_identity.chain(Stage::resources()) {
            let mut last = String::new();
            let put = within(START, &format!("PUT {path}"), || {
                let answer = ask(&apis[0].0, "PUT", &path, &document.to_string());
                last = format!("{answer:?}");
                matches!(answer, Ok((200 | 201, _)))
            });
            put.map_err(|why| format!("{why}: {last}"))?;
        }
        let shared = Arc::<Shared>::default();
        let for_thread = Arc::clone(&shared);
        let writer = std::thread::spawn(move || for_thread.write(&apis, identity.as_ref(), chance));
        Ok(Self { shared, writer })
    }

    pub(super) fn in_words(&self) -> String {
        let Shared { accepted, unanswered, .. } = &*self.shared;
        format!("{} writes accepted, {} unanswered", accepted.load(Relaxed), unanswered.load(Relaxed))
    }

    pub(super) fn end(self) -> Outcome<Written> {
        self.shared.stop.store(true, Relaxed);
        self.writer.join().map_err(|_| "the writer panicked".to_owned())
    }
}

impl Shared {
    fn write(&self, apis: &[Api; 2], identity: Option<&Identity>, mut chance: fastrand::Rng) -> Written {
        let mut written = Written::default();
        for number in 0.. {
            if self.stop.load(Relaxed) {
                break;
            }
            std::thread::sleep(Duration::from_millis(chance.u64(20..PAUSE)));
            let api = &apis[chance.usize(..2)].0;
            if let Some(identity) = identity.filter(|_| chance.u8(..8) == 0) {
                let (path, document) = identity.change(&mut chance);
                self.put(api, &path, &document, &mut written);
                continue;
            }
            match chance.u8(..10) {
                0..6 => {
                    let route = Stage::route(chance.u32(..10), chance.u32(1..10));
                    self.put(api, "/meshes/default/meshtcproutes/canary", &route, &mut written);
                }
                6 | 7 => {
                    let (path, document) = spare(number);
                    self.put(api, &path, &document, &mut written);
                }
                8 => {
                    let there: Vec<String> = written
                        .known
                        .iter()
                        .filter(|(_, there)| **there)
                        .map(|(path, _)| path.clone())
                        .collect();
                    let spare = there.iter().rfind(|path| path.contains("/spare-"));
                    if let Some(path) = spare {
                        let answer = ask(api, "DELETE", path, "");
                        self.note(path, answer, false, &mut written);
                    }
                }
                _ => slip(api, &mut chance, &mut written),
            }
        }
        written.accepted = self.accepted.load(Relaxed);
        written
    }

    fn put(&self, api: &str, path: &str, document: &serde_json::Value, written: &mut Written) {
        let answer = ask(api, "PUT", path, &document.to_string());
        self.note(path, answer, true, written);
    }

    fn note(&self, path: &str, answer: std::io::Result<(u16, String)>, put: bool, written: &mut Written) {
        match answer {
            Ok((200 | 201, _)) => {
                self.accepted.fetch_add(1, Relaxed);
                written.known.insert(path.to_owned(), put);
            }
            // the store is unavailable: the change was not made, or its outcome is unknown
            Ok((500.., _)) | Err(_) => {
                self.unanswered.fetch_add(1, Relaxed);
                written.known.remove(path);
            }
            // deleted already by a change that was not answered
            Ok((404, _)) if !put => drop(written.known.remove(path)),
            Ok((status, why)) => written.wrong.push(format!("{path}: {status} {why}")),
        }
    }
}

fn spare(number: usize) -> (String, serde_json::Value) {
    let name = format!("spare-{number:05}");
    let document = json!({ "type": "Dataplane", "mesh": "default", "name": name, "networking": {
        "address": "10.9.9.9", "inbound": [{ "port": 1, "tags": { "kuma.io/service": "spare" } }],
    } });
    (format!("/meshes/default/dataplanes/{name}"), document)
}

/// Sends an invalid change, which must not be accepted.
fn slip(api: &str, chance: &mut fastrand::Rng, written: &mut Written) {
    let path = "/meshes/default/meshtcproutes/canary";
    let body = match chance.u8(..4) {
        0 => "spec: [   # my half-finished edit".to_owned(),
        1 => Stage::route(1, 1).to_string().replace("\"weight\"", "\"wieght\""),
        2 => Stage::route(1, 1).to_string().replace("\"canary\"", "\"another\""),
        _ => String::new(),
    };
    match ask(api, "PUT", path, &body) {
        Ok((400..500, _)) | Ok((500.., _)) | Err(_) => {}
        Ok((status, _)) => written.wrong.push(format!("{status} for `{body}`")),
    }
}

/// Sends a request to an HTTP server; returns the status and the body.
pub(super) fn ask(server: &str, method: &str, path: &str, body: &str) -> std::io::Result<(u16, String)> {
    let address = server.parse().map_err(std::io::Error::other)?;
    let mut connection = TcpStream::connect_timeout(&address, ANSWER)?;
    connection.set_read_timeout(Some(ANSWER))?;
    connection.set_write_timeout(Some(ANSWER))?;
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {server}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    connection.write_all(format!("{head}{body}").as_bytes())?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| std::io::Error::other("no answer"))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.ok_or_else(|| std::io::Error::other("no status"))?, body.to_owned()))
}
