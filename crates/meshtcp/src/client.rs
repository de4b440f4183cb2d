//! Client of a control plane's REST API.

mod changes;
mod failed;
mod pages;
mod socket;
mod tls;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::time::{Duration, Instant};

use control::plain_file;
use failed::{Cause, ServerKind};
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use socket::{Door, ToSocket};
use tls::{OverTls, Shown};
use trust::{CertificateFacts, Trust, distrust};
use ureq::http::{Response, StatusCode};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{Connector as _, TcpConnector};
use ureq::{Agent, Body, RequestBuilder};

use crate::address::ControlPlane;
use crate::api_socket;
use crate::context::Context;
use crate::trust::{Trusted, is_loopback};

pub(crate) use changes::{Applied, Put};
pub(crate) use failed::Failed;

/// Timeout of a response.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time after the start of a command during which a control plane may still be starting.
const STARTING: Duration = Duration::from_secs(2);
/// Pause before a control plane that does not listen is asked again.
const AGAIN: Duration = Duration::from_millis(50);
/// Limit on the bytes of a page.
const PAGE_BYTES: u64 = 256 << 20;

/// Base URL of requests through a socket, of which only the path matters. An address: no name has to be looked up.
const THROUGH_SOCKET: &str = "http://127.0.0.1";

/// Detail of a control plane's response to a path that does not exist.
const NO_PAGE: &str = "404: Page Not Found";

/// Client of one server.
pub(crate) struct Client {
    agent: Agent,
    whom: ServerKind,
    /// Name of the server in messages.
    server: String,
    /// Base URL that paths are appended to.
    base: String,
    token: Option<String>,
    /// Time until which a control plane that does not listen yet is expected.
    starting_until: Instant,
    /// Warnings about incomplete lists, each printed once.
    warned: RefCell<BTreeSet<String>>,
    /// Certificate that the server presented.
    shown: Shown,
}

/// Response, or the error.
type Asked = Result<Response<Body>, ureq::Error>;

/// Response with its timing.
#[derive(Clone, Debug)]
pub(crate) struct Timed {
    pub(crate) document: Value,
    /// Round-trip time.
    pub(crate) took: SignedDuration,
    /// Server's time, to the second; `None`: it sends none.
    pub(crate) date: Option<Timestamp>,
}

impl Client {
    /// Creates a client of a context's control plane.
    ///
    /// # Errors
    /// Reason in words: the URL is invalid, or a file that it needs cannot be read.
    pub(crate) fn of(context: &Context) -> Result<Self, String> {
        Self::within(context, None)
    }

    /// Creates a client like [`Client::of`], with a timeout for everything that it waits for.
    ///
    /// # Errors
    /// Same as [`Client::of`].
    pub(crate) fn within(context: &Context, patience: Option<Duration>) -> Result<Self, String> {
        let server = context.server.trim_end_matches('/').to_owned();
        let is_tls = server.starts_with("https://");
        let named = server.strip_prefix("unix:").map(|path| Door::Named(path.into()));
        if !is_tls && named.is_none() && !server.starts_with("http://") {
            return Err(format!(
                "`{server}` is no URL of a control plane: write http://HOST:PORT or https://HOST:PORT"
            ));
        }
        let token = match (&context.token, &context.token_file) {
            (Some(token), _) => Some(token.trim().to_owned()),
            (None, Some(path)) => {
                let text = plain_file::text_named(path);
                let text =
                    text.map_err(|error| format!("the token {} cannot be read: {error}", path.display()))?;
                Some(text.trim().to_owned())
            }
            (None, None) => None,
        };
        if token.is_some() && !is_tls && named.is_none() && !is_loopback(host_of(&server)) {
            return Err(format!(
                "{server} is no https:// URL: a token would travel in plain sight\n  help: use https://, or a tunnel to 127.0.0.1"
            ));
        }
        let mut agent =
            Agent::config_builder().http_status_as_error(false).timeout_global(None).max_redirects(0);
        agent = agent.timeout_connect(Some(Duration::from_secs(10))).timeout_recv_response(Some(PATIENCE));
        if let Some(patience) = patience {
            agent = agent.timeout_global(Some(patience));
        }
        let found = || (!is_tls && token.is_none()).then(|| door_of(&server)).flatten();
        let shown = Shown::default();
        let (agent, base) = match named.or_else(found) {
            None if is_tls => {
                let connector =
                    TcpConnector::default().chain(OverTls::trusting(&trust(context)?, shown.clone())?);
                (Agent::with_parts(agent.build(), connector, DefaultResolver::default()), server.clone())
            }
            None => (agent.build().into(), server.clone()),
            Some(door) => {
                let resolver = DefaultResolver::default();
                (Agent::with_parts(agent.build(), ToSocket(door), resolver), THROUGH_SOCKET.to_owned())
            }
        };
        Ok(Self {
            agent,
            whom: ServerKind::ControlPlane,
            server,
            base,
            token,
            starting_until: Instant::now() + patience.map_or(STARTING, |patience| patience.min(STARTING)),
            warned: RefCell::default(),
            shown,
        })
    }

    /// Creates a client of the admin server of a proxy at `HOST:PORT`.
    pub(crate) fn of_admin(address: &str) -> Self {
        let agent =
            Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build();
        let base = format!("http://{}", address.trim_start_matches("http://").trim_end_matches('/'));
        let (agent, server) = (agent.into(), base.clone());
        Self {
            agent,
            whom: ServerKind::Proxy,
            server,
            base,
            token: None,
            starting_until: Instant::now(),
            warned: RefCell::default(),
            shown: Shown::default(),
        }
    }

    /// Facts of the certificate that the server presented; `None`: it was not asked over TLS, or not reached.
    pub(crate) fn certificate(&self) -> Option<CertificateFacts> {
        self.shown.facts()
    }

    /// Document at a path; `None`: there is none.
    pub(crate) fn get(&self, path: &str) -> Result<Option<Value>, Failed> {
        Ok(self.answer(path)?.ok())
    }

    /// Document at a path, with the entity tag of its version; `None`: there is none.
    pub(crate) fn get_tagged(&self, path: &str) -> Result<Option<(Value, Option<String>)>, Failed> {
        let Ok(response) = self.asked(path)? else { return Ok(None) };
        let tag = response.headers().get("etag").and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        Ok(Some((self.body(response)?, tag)))
    }

    /// Document at a path, with its round-trip time and the server's time; `None`: there is no such document.
    pub(crate) fn timed(&self, path: &str) -> Result<Option<Timed>, Failed> {
        let before = Timestamp::now();
        let Ok(response) = self.asked(path)? else { return Ok(None) };
        let date = response.headers().get("date").and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| DateTimeParser::new().parse_timestamp(date).ok());
        let took = Timestamp::now().duration_since(before);
        Ok(Some(Timed { document: self.body(response)?, took, date }))
    }

    /// Document at a path, or the control plane's error document if there is none.
    fn answer(&self, path: &str) -> Result<Result<Value, Value>, Failed> {
        match self.asked(path)? {
            Ok(response) => self.body(response).map(Ok),
            Err(said) => Ok(Err(said)),
        }
    }

    /// Response to a path, or the control plane's error document if nothing is there.
    fn asked(&self, path: &str) -> Result<Result<Response<Body>, Value>, Failed> {
        let ask = || {
            self.known(self.agent.get(format!("{}{path}", self.base)))
                .header("accept", "application/json")
                .call()
        };
        let mut response = self.when_it_listens(ask).map_err(|error| self.unreachable(&error))?;
        if response.status() != StatusCode::NOT_FOUND {
            return Ok(Ok(response));
        }
        if self.whom == ServerKind::Proxy {
            let why = format!("it has no {path}");
            return Err(Failed::Strange { whom: self.whom, server: self.server.clone(), why });
        }
        // any server may answer 404 to anything: only the error document of a control plane means that the resource is
        // absent
        let text = response.body_mut().read_to_string().map_err(|error| self.unreachable(&error))?;
        let said: Option<Value> = serde_json::from_str(&text).ok();
        match said.filter(|said| said.get("title").is_some()) {
            Some(said) => Ok(Err(said)),
            None if text.trim() == NO_PAGE => Ok(Err(Value::Null)),
            None => Err(Failed::refused((self.whom, &self.server), 404, None, &text)),
        }
    }

    /// Name of the server in messages.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// Error that the server is no control plane.
    pub(crate) fn is_none(&self) -> Failed {
        Failed::no_control_plane(&self.server)
    }

    /// Kinds that the control plane serves, by their plural.
    pub(crate) fn kinds(&self) -> Result<BTreeSet<String>, Failed> {
        let found =
            self.get("/_resources?own=true")?.ok_or_else(|| Failed::no_control_plane(&self.server))?;
        let kinds = found.get("resources").and_then(Value::as_array).into_iter().flatten();
        let path = |kind: &Value| kind.get("path").and_then(Value::as_str).map(str::to_owned);
        Ok(kinds.filter_map(path).collect())
    }

    /// Text of a page of a proxy's admin server, such as its metrics.
    pub(crate) fn page(&self, path: &str) -> Result<String, Failed> {
        let mut response = self.asked(path)?.map_err(|_| Failed::no_control_plane(&self.server))?;
        response
            .body_mut()
            .with_config()
            .limit(PAGE_BYTES)
            .read_to_string()
            .map_err(|error| self.unreachable(&error))
    }

    /// Reads the events of a stream, until `each` returns `true`, the stream ends, or it is `until`, also while the
    /// stream is silent. `None`: there is no such stream.
    pub(crate) fn events(
        &self,
        path: &str,
        until: Instant,
        mut each: impl FnMut(&Value) -> bool,
    ) -> Result<Option<bool>, Failed> {
        let request = self.known(self.agent.get(format!("{}{path}", self.base)));
        let request = request.header("accept", "text/event-stream");
        // a zero timeout would mean no limit
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let request = request.config().timeout_global(Some(left)).build();
        let mut response = match request.call() {
            Ok(response) => response,
            Err(ureq::Error::Timeout(_)) if Instant::now() >= until => return Ok(Some(false)),
            Err(error) => return Err(self.unreachable(&error)),
        };
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !response.status().is_success() {
            return self.body(response).map(|_| None);
        }
        for line in BufReader::new(response.body_mut().as_reader()).lines() {
            let Ok(line) = line else { return Ok(Some(false)) };
            let Some(data) = line.strip_prefix("data:") else { continue };
            if serde_json::from_str(data.trim()).is_ok_and(|value| each(&value)) {
                return Ok(Some(true));
            }
        }
        Ok(Some(false))
    }

    /// Adds the token of this client, if it has one, to a request.
    fn known<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        }
    }

    /// Sends a request, and repeats it for a moment while nothing listens or the control plane answers that it has done
    /// nothing yet: it may have been started just before.
    fn when_it_listens(&self, ask: impl Fn() -> Asked) -> Asked {
        loop {
            let answer = ask();
            let is_starting = match &answer {
                Err(ureq::Error::Io(error)) => error.kind() == std::io::ErrorKind::ConnectionRefused,
                Ok(answer) => {
                    answer.status() == StatusCode::SERVICE_UNAVAILABLE
                        && answer.headers().contains_key("retry-after")
                }
                Err(_) => false,
            };
            if !is_starting || self.whom != ServerKind::ControlPlane || Instant::now() >= self.starting_until
            {
                return answer;
            }
            std::thread::sleep(AGAIN);
        }
    }

    fn body(&self, mut response: Response<Body>) -> Result<Value, Failed> {
        let status = response.status();
        let text = response.body_mut().with_config().limit(1 << 30).read_to_string();
        let text = text.map_err(|error| self.unreachable(&error))?;
        let tree = serde_json::from_str(&text);
        match (status.is_success(), tree) {
            (true, Ok(tree)) => Ok(tree),
            (true, Err(error)) => Err(Failed::Strange {
                whom: self.whom,
                server: self.server.clone(),
                why: format!("its answer is no JSON: {error}"),
            }),
            (false, tree) => {
                Err(Failed::refused((self.whom, &self.server), status.as_u16(), tree.ok().as_ref(), &text))
            }
        }
    }

    fn unreachable(&self, error: &ureq::Error) -> Failed {
        let server = self.server.clone();
        let refused = match error {
            ureq::Error::Rustls(error) => distrust(error),
            ureq::Error::Io(error) => distrust(error),
            _ => None,
        };
        if let Some(refused) = refused {
            return Failed::Distrusted { server, why: refused.to_string(), help: trust::help(refused) };
        }
        let why = match error {
            ureq::Error::Io(error) => error.to_string(),
            other => other.to_string(),
        };
        Failed::Unreachable { whom: self.whom, server, why, cause: Cause::of(error) }
    }
}

/// Percent-encodes a value of a query.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn host_of(base: &str) -> &str {
    let authority = base.trim_start_matches("http://").split('/').next().unwrap_or_default();
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

/// Socket of a control plane of this host, by its URL.
fn door_of(server: &str) -> Option<Door> {
    let address: ControlPlane = server.parse().ok()?;
    let found = is_loopback(&address.host).then(|| api_socket::of_api(&address.host, address.port))?;
    found.map(Door::Found)
}

/// Authorities, one of which must have signed the control plane's certificate.
fn trust(context: &Context) -> Result<Trust, String> {
    let Trusted { file, pem } = Trusted::read(context.ca_file.as_deref())?;
    Trust::from_pem(&pem).map_err(|error| format!("{}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_travels_in_plain_sight_on_this_host_only() {
        let context =
            |server: &str| Context { server: server.into(), token: Some("t".into()), ..Context::default() };
        for good in ["http://127.0.0.1:5681", "http://[::1]:5681/", "http://localhost:1"] {
            assert!(Client::of(&context(good)).is_ok(), "{good}");
        }
        for bad in ["http://10.0.0.1:5681", "http://localhost.example.com:1", "ftp://x", "127.0.0.1:5681"] {
            assert!(Client::of(&context(bad)).is_err(), "{bad}");
        }
    }
}
