//! Stand-in for a control plane's REST API in a hundred lines: stores resources, pages its lists by two, and reports
//! the progress of a revision. It checks nothing: the requests of the client, and its use of the answers, are under
//! test.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// The server; its thread ends with the test.
pub(crate) struct StandIn {
    pub(crate) server: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    resources: BTreeMap<String, Value>,
    revision: u64,
    asked: Vec<String>,
    rollout: Vec<Value>,
    /// `true`: a stream of events stays open after the last event.
    falls_silent: bool,
    /// Number of requests still to be put off, as by a control plane that has no mesh yet.
    put_off: u32,
}

impl StandIn {
    /// Starts one that reports rollouts with these events, the last of which ends the stream.
    pub(crate) fn start(rollout: Vec<Value>) -> Self {
        Self::with(State { rollout, ..State::default() })
    }

    /// Starts one whose stream stays open and silent after these events. Without events there is not even a response
    /// head.
    pub(crate) fn that_falls_silent(rollout: Vec<Value>) -> Self {
        Self::with(State { rollout, falls_silent: true, ..State::default() })
    }

    /// Starts one that puts off its first `put_off` requests.
    pub(crate) fn that_is_starting(put_off: u32) -> Self {
        Self::with(State { put_off, ..State::default() })
    }

    fn with(state: State) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || serve(connection, &state));
            }
        });
        Self { server, state }
    }

    /// Methods and paths of the requests since the last call.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }
}

fn serve(mut connection: TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(connection.try_clone().unwrap());
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let mut words = first.split(' ');
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let mut state = state.lock().unwrap();
        state.asked.push(format!("{method} {target}"));
        if state.put_off > 0 {
            state.put_off -= 1;
            let text = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";
            let _ = connection.write_all(text.as_bytes());
            continue;
        }
        let (status, kind, text) = state.answer(method, target, &body);
        let revision = state.revision;
        if state.falls_silent && kind == "text/event-stream" {
            drop(state);
            if !text.is_empty() {
                let _ = write!(connection, "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\n\r\n{text}");
            }
            // until the peer closes the connection
            let _ = reader.read_to_end(&mut Vec::new());
            return;
        }
        let _ = write!(
            connection,
            "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nmeshtcp-revision: {revision}\r\n\r\n{text}",
            text.len()
        );
    }
}

impl State {
    fn answer(&mut self, method: &str, target: &str, body: &[u8]) -> (&'static str, &'static str, String) {
        const JSON: &str = "application/json";
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let missing = || {
            (
                "404 Not Found",
                JSON,
                json!({"title": "Could not retrieve a resource", "status": 404}).to_string(),
            )
        };
        if path.ends_with("/_events") {
            let events = self.rollout.iter().map(|event| format!("event: rollout\ndata: {event}\n\n"));
            return ("200 OK", "text/event-stream", events.collect());
        }
        let plural = path.rsplit('/').next().unwrap();
        let is_list = ["meshes", "dataplanes", "meshtcproutes"].contains(&plural);
        match method {
            "GET" if path == "/_resources" => {
                let kinds = ["meshes", "dataplanes", "meshtcproutes"].map(|path| json!({"path": path}));
                ("200 OK", JSON, json!({"resources": kinds}).to_string())
            }
            "GET" if path == "/_status" => {
                let proxies = [
                    json!({"proxy": "default/web-1", "known": true, "inSync": true, "revision": 3, "runs": 3,
                    "streams": 1, "published": null, "accepted": null, "refusals": [], "connection":
                    {"since": "2026-11-25T00:00:00Z", "protocol": "delta", "dialect": "l4", "peer": null, "agent": "meshtcp 0.1.0"}}),
                ];
                let routes = [json!({"policy": "MeshTCPRoute default/canary", "source": "", "proxies":
                    [{"proxy": "default/web-1", "reach": "live", "decides": [], "refusals": [], "unresolved": []}]})];
                let status = json!({"revision": self.revision, "rollout": self.rollout.last(), "proxies": proxies, "routes": routes});
                ("200 OK", JSON, status.to_string())
            }
            "GET" if is_list => {
                let offset: usize =
                    query.split('&').find_map(|it| it.strip_prefix("offset=")?.parse().ok()).unwrap_or(0);
                let mesh = path.strip_suffix(&format!("/{plural}")).unwrap_or_default();
                let is_in = |key: &String| {
                    key.rsplit_once('/')
                        .is_some_and(|(list, _)| list == path || (mesh.is_empty() && list.ends_with(path)))
                };
                let all: Vec<&Value> =
                    self.resources.iter().filter(|(key, _)| is_in(key)).map(|(_, it)| it).collect();
                let items: Vec<&Value> = all.iter().skip(offset).take(2).copied().collect();
                let next = (offset + 2 < all.len())
                    .then(|| format!("http://elsewhere:1{path}?offset={}&size=2", offset + 2));
                ("200 OK", JSON, json!({"total": all.len(), "items": items, "next": next}).to_string())
            }
            "GET" => self.resources.get(path).map_or_else(missing, |it| ("200 OK", JSON, it.to_string())),
            "PUT" => {
                let mut document: Value = serde_json::from_slice(body).unwrap();
                if document["name"] == "refused" {
                    let body = json!({"title": "Could not process a resource", "detail": "Resource is not valid",
                        "invalid_parameters": [{"field": "spec.to", "reason": "says who"}]});
                    return ("400 Bad Request", JSON, body.to_string());
                }
                self.revision += 1;
                document["creationTime"] = "2026-11-25T00:00:00Z".into();
                document["modificationTime"] = "2026-11-25T00:00:00Z".into();
                let is_new = self.resources.insert(path.to_owned(), document).is_none();
                (
                    if is_new { "201 Created" } else { "200 OK" },
                    JSON,
                    json!({"warnings": ["it is cold"]}).to_string(),
                )
            }
            "DELETE" if self.resources.remove(path).is_some() => {
                self.revision += 1;
                ("200 OK", JSON, "{}".to_owned())
            }
            _ => missing(),
        }
    }
}
