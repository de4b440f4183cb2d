//! Discovery: our own proxy as a client of a control plane, delta xDS over gRPC around [`DiscoveryClient`].
//!
//! The proxy keeps the last configuration that it accepted, whatever happens to the control plane, and reconnects
//! with growing, jittered pauses. It then reports what it has, and gets the difference. If several control planes
//! share one store, each proxy begins at a random one, and fails over to the next.
//!
//! A control plane must identify itself before its configuration is accepted: any other server is disconnected, and
//! retried like an unreachable one.
//!
//! ```no_run
//! # async fn example(proxy: meshtcp_proxy::Proxy) -> Result<(), Box<dyn std::error::Error>> {
//! use l4::{Config, ProxyName};
//! use meshtcp_proxy::discovery::{Discovery, refusals};
//!
//! let name = ProxyName::from("default/web-1");
//! let discovery = Discovery::new("http://127.0.0.1:5678", "default.web-1")?;
//! let link = discovery.link();
//! tokio::spawn(discovery.run(move |set| {
//!     let config = Config::parse(&[(name.clone(), set)]).map_err(|problems| refusals(&problems))?;
//!     for failed in &proxy.apply(config).failed {
//!         eprintln!("{failed}");
//!     }
//!     Ok(())
//! }));
//! println!("connected: {}", link.borrow().connected);
//! # Ok(())
//! # }
//! ```

mod dial;
mod lost;
mod tls;
mod token;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::pending;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use l4::config::Problems;
use l4::counts::CounterSnapshot;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_stream::StreamExt;
use tonic::transport::{Channel, Endpoint};
use trust::{Trust, TrustError, distrust};
use xds::proto::discovery::{DeltaDiscoveryRequest, MetadataValue, Node};
use xds::proto::l4::OutboundPaths;
use xds::{DiscoveryClient, ForeignServer, RejectedResource, ResourceSet, TypeUrl, recognise};

pub(crate) use self::dial::chain;
use self::dial::{endpoint, introduction, open};
use self::tls::Tls;
use self::token::TokenFile;
use crate::guard::{Part, caught};
use crate::telemetry::Telemetry;
pub use dial::InvalidAddress;
pub use lost::Lost;

/// First pause between attempts; pauses grow up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Limit on a control plane's silence on a new stream before another one is tried, if there is one: it may be cut
/// off from its store.
const SILENCE: Duration = Duration::from_secs(15);

/// Time after which a control plane that knows the proxy would have sent it something.
const TOLD_NOTHING: Duration = Duration::from_secs(2);

/// Capacity of the queue of requests on their way to the connection; there are never more than a few.
const REQUEST_QUEUE: usize = 16;

/// Link of a proxy to its control plane, not yet running.
#[derive(Debug)]
pub struct Discovery {
    /// Control planes; the first one is tried now.
    endpoints: VecDeque<Endpoint>,
    node: Node,
    /// Trusted certificates behind `https://`; `None`: none are trusted.
    tls: Option<Tls>,
    client: DiscoveryClient,
    link: watch::Sender<Link>,
    started: Instant,
    /// File with the token that the control plane asks for; `None`: no token.
    token_file: Option<TokenFile>,
    /// Reported telemetry; `None`: nothing is reported.
    telemetry: Option<Arc<Telemetry>>,
}

/// State of the link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// `true`: a stream is open, and a control plane of ours has answered on it.
    pub connected: bool,
    /// Number of streams that were opened so far.
    pub streams: u64,
    /// Number of configurations that were accepted so far; 0 before the first.
    pub generation: u64,
    /// Reason why the last attempt or stream ended; `None`: connected.
    pub lost: Option<Lost>,
    /// `true`: a control plane has accepted the proxy and sent it nothing yet for a while: it may not know the
    /// proxy.
    pub is_waiting: bool,
    /// URL of the control plane that is followed, or that was tried last; empty before the first attempt.
    pub control_plane: String,
    /// Identifier of the server that answered there, safe to print: one of ours if `connected`, or a stranger that
    /// is not followed. `None`: nothing has answered there.
    pub identifier: Option<String>,
}

impl Discovery {
    /// Prepares the link. `control_plane` is a URL, `http://HOST:PORT`, or `https://HOST:PORT` for one over TLS,
    /// which needs [`Discovery::trusting`] too; `node_id` is `<mesh>.<dataplane name>`, or `.<name>` of a zone
    /// proxy, which [tells](Discovery::telling) its sort.
    ///
    /// # Errors
    ///
    /// The URL is not valid. An unreachable control plane is not an error, but a state of the [`Link`].
    pub fn new(control_plane: &str, node_id: &str) -> Result<Self, InvalidAddress> {
        Self::any_of(&[control_plane], node_id)
    }

    /// Prepares the link to any one of several control planes, which share their store. Begins at a random one, so
    /// that proxies spread over them; when it is lost, the next is tried, and the first after the last.
    ///
    /// # Errors
    ///
    /// A URL is not valid, or there is none.
    pub fn any_of(control_planes: &[impl AsRef<str>], node_id: &str) -> Result<Self, InvalidAddress> {
        let endpoints: Result<VecDeque<Endpoint>, InvalidAddress> =
            control_planes.iter().map(|control_plane| endpoint(control_plane.as_ref())).collect();
        let mut endpoints = endpoints?;
        if endpoints.is_empty() {
            return Err(InvalidAddress { address: String::new(), reason: "no address is given".to_owned() });
        }
        endpoints.rotate_left(fastrand::usize(..endpoints.len()));
        let node = Node {
            id: node_id.to_owned(),
            user_agent_name: env!("CARGO_PKG_NAME").to_owned(),
            user_agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Node::default()
        };
        Ok(Self {
            endpoints,
            tls: None,
            client: DiscoveryClient::new(node.clone()),
            node,
            link: watch::Sender::new(Link::default()),
            started: Instant::now(),
            token_file: None,
            telemetry: None,
        })
    }

    /// Adds metadata about the proxy besides its name, by a key that the control plane knows.
    #[must_use]
    pub fn telling(self, key: &str, value: impl Into<MetadataValue>) -> Self {
        let node = self.node.telling(key, value);
        Self { client: DiscoveryClient::new(node.clone()), node, ..self }
    }

    /// Trusts a control plane behind `https://` if its certificate is for the host of the URL, and is one of these
    /// in PEM or signed by one of them.
    ///
    /// # Errors
    ///
    /// They are not certificates.
    pub fn trusting(self, certificates: impl AsRef<[u8]>) -> Result<Self, TrustError> {
        Ok(Self { tls: Some(Tls::new(&Trust::from_pem(certificates.as_ref())?)?), ..self })
    }

    /// Authenticates with the dataplane token in a file. The file is read whenever a stream is opened, so that a
    /// token can be replaced before it expires.
    #[must_use]
    pub fn with_token_file(self, file: impl Into<PathBuf>) -> Self {
        Self { token_file: Some(TokenFile::at(file.into())), ..self }
    }

    /// Reports the new telemetry of its connections once a second, and the data paths of its outbounds when one
    /// changed; counting began at `started`. A control plane that accepts no reports is followed all the same.
    #[must_use]
    pub fn reporting(
        self,
        started: Timestamp,
        counted: impl Fn() -> CounterSnapshot + Send + Sync + 'static,
        paths: impl Fn() -> OutboundPaths + Send + Sync + 'static,
    ) -> Self {
        Self { telemetry: Some(Arc::new(Telemetry::new(started, counted, paths))), ..self }
    }

    /// State of the link, now and from now on.
    pub fn link(&self) -> watch::Receiver<Link> {
        self.link.subscribe()
    }

    /// Follows the control plane until the future is dropped.
    ///
    /// `consumer` gets every consistent configuration. It runs it, or returns what it cannot run and keeps the one
    /// before; the control plane gets a NACK.
    pub async fn run(
        mut self,
        mut consumer: impl FnMut(&Arc<ResourceSet>) -> Result<(), Vec<RejectedResource>>,
    ) -> Infallible {
        let mut pause = FIRST_PAUSE;
        // attempts since the last successful connection
        let mut tried = 0;
        loop {
            let error = match self.stream(&mut consumer).await {
                Ok(never) => match never {},
                Err(error) => error,
            };
            // a proxy refused in favour of another process with its name retries at growing intervals
            if self.link.borrow().connected && !matches!(error, Lost::StartedTwice(_)) {
                (pause, tried) = (FIRST_PAUSE, 0);
            }
            tracing::info!(%error, retry_in = ?pause, "lost the control plane; the last configuration stays");
            self.link.send_modify(|link| {
                (link.connected, link.is_waiting) = (false, false);
                link.lost = Some(error);
            });
            // Not all proxies at once: each waits between half of the pause and all of it.
            sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            self.endpoints.rotate_left(1);
            tried += 1;
            // the pause grows after all of them were tried
            if tried % self.endpoints.len() == 0 {
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }

    /// Opens a stream and follows it to its end. Returns the reason of the end.
    async fn stream(
        &mut self,
        consumer: &mut impl FnMut(&Arc<ResourceSet>) -> Result<(), Vec<RejectedResource>>,
    ) -> Result<Infallible, Lost> {
        let Some(endpoint) = self.endpoints.front().cloned() else {
            return pending().await; // there is always one
        };
        let control_plane = endpoint.uri().to_string();
        self.link.send_if_modified(|link| {
            let moved = link.control_plane != control_plane;
            if moved {
                link.control_plane = control_plane;
                link.identifier = None;
            }
            moved
        });
        let token = match &self.token_file {
            Some(file) => Some(file.token().await?),
            None => None,
        };
        let channel = self.connect(&endpoint).await?;
        let (requests, queue) = mpsc::channel(REQUEST_QUEUE);
        // The first requests are queued before the stream is opened: a server may wait for them.
        self.client.connect();
        self.send(&requests).await?;
        let who = introduction(token, &self.node);
        let mut responses =
            open(channel.clone(), queue, who.clone()).await.map_err(|status| Lost::of_opening(&status))?;
        self.link.send_modify(|link| link.streams += 1);
        let opened = Instant::now();
        let elsewhere = self.endpoints.len() > 1;
        let telemetry = self.telemetry.clone();
        let mut reports = pin!(async {
            match &telemetry {
                Some(telemetry) => telemetry.report(channel, who).await,
                None => pending().await,
            }
        });
        loop {
            let (connected, is_waiting) = (self.link.borrow().connected, self.link.borrow().is_waiting);
            let (silent, not_told) = (elsewhere && !connected, !connected && !is_waiting);
            let quiet = self.client.wake_at().map(|at| self.started + at);
            let when_quiet = async {
                match quiet {
                    Some(time) => sleep_until(time).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                response = responses.next() => {
                    let response = response.ok_or_else(|| "the control plane ended the stream".to_owned())?;
                    let response = response.map_err(|status| Lost::of(&status))?;
                    let identifier = recognise(&response).map_err(|stranger| self.met(&stranger))?;
                    self.client.on_response(response, self.started.elapsed());
                    self.link.send_if_modified(|link| {
                        (link.lost, link.is_waiting) = (None, false);
                        link.identifier = Some(identifier);
                        !std::mem::replace(&mut link.connected, true)
                    });
                }
                () = when_quiet => {}
                // only to a control plane of ours
                never = &mut reports, if connected => match never {},
                () = sleep_until(opened + TOLD_NOTHING), if not_told => {
                    self.link.send_modify(|link| link.is_waiting = true);
                }
                () = sleep_until(opened + SILENCE), if silent => {
                    return Err(format!("the control plane has said nothing for {} s", SILENCE.as_secs()).into());
                }
            }
            self.client.offer(self.started.elapsed(), |set| {
                caught(Part::Discovery, || consumer(set)).unwrap_or_else(|| Err(refused_whole(set)))
            });
            let generation = self.client.generation();
            self.link
                .send_if_modified(|link| std::mem::replace(&mut link.generation, generation) != generation);
            self.send(&requests).await?;
        }
    }

    async fn connect(&self, endpoint: &Endpoint) -> Result<Channel, String> {
        let connected = match (endpoint.uri().scheme_str(), &self.tls) {
            (Some("https"), Some(tls)) => tls.connect(endpoint).await,
            // over TLS without certificates nothing is trusted, which tonic reports
            _ => endpoint.connect().await,
        };
        connected.map_err(|error| match distrust(&error) {
            Some(refused) => format!("{} (help: {})", chain(&error), trust::help(refused)),
            None => chain(&error),
        })
    }

    /// Records the identifier of a server that is not a control plane of ours. Returns it in words.
    fn met(&self, stranger: &ForeignServer) -> String {
        self.link.send_modify(|link| link.identifier = Some(stranger.identifier().to_owned()));
        stranger.to_string()
    }

    async fn send(&mut self, requests: &mpsc::Sender<DeltaDiscoveryRequest>) -> Result<(), String> {
        while let Some(request) = self.client.poll_request() {
            requests.send(request).await.map_err(|_| "the connection was closed")?;
        }
        Ok(())
    }
}

/// Refuses all of a set that could not be parsed to the end.
fn refused_whole(set: &ResourceSet) -> Vec<RejectedResource> {
    let reason =
        "the proxy could not take it over because of a fault of its own, and goes on with what it had";
    let of_type = |type_url: &TypeUrl| {
        let names: Vec<RejectedResource> = set
            .of_type(type_url)
            .map(|(name, _)| RejectedResource {
                type_url: type_url.clone(),
                name: name.to_owned(),
                reason: reason.to_owned(),
            })
            .collect();
        names
    };
    set.type_urls().flat_map(of_type).collect()
}

/// Converts the problems of [`Config::parse`](l4::Config::parse) to refusals of discovery.
pub fn refusals(problems: &Problems) -> Vec<RejectedResource> {
    let refusal = |problem: &l4::config::Problem| {
        let (message, name) = problem.resource.split_once(' ').unwrap_or(("", &problem.resource));
        let place = if problem.field.is_empty() { String::new() } else { format!("{}: ", problem.field) };
        RejectedResource {
            type_url: TypeUrl::new(format!("type.googleapis.com/meshtcp.l4.v1.{message}")),
            name: name.to_owned(),
            reason: format!("{place}{}", problem.message),
        }
    };
    problems.iter().map(refusal).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use l4::{Config, ProxyName};
    use xds::proto::l4::Listener;

    #[test]
    fn an_address_needs_a_scheme_and_a_host() {
        assert!(Discovery::new("http://127.0.0.1:5678", "default.web-1").is_ok());
        assert!(Discovery::new("https://cp:5678", "default.web-1").is_ok());
        for wrong in ["127.0.0.1:5678", "ftp://cp:5678", "http://", ""] {
            assert!(Discovery::new(wrong, "default.web-1").is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_problem_is_a_refusal_of_the_message_that_it_is_in() {
        let mut set = ResourceSet::default();
        set.insert_message(
            "out",
            &Listener { name: "out".into(), address: "nowhere".into(), ..Default::default() },
        );
        let problems = Config::parse(&[(ProxyName::from("default/web-1"), &set)]).unwrap_err();
        let refusals = refusals(&problems);
        assert_eq!(refusals[0].type_url, TypeUrl::of::<Listener>());
        assert_eq!(refusals[0].name, "out");
    }

    #[tokio::test]
    async fn every_control_plane_has_its_turn() {
        let unused = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let urls = [0; 3].map(|_| format!("http://{}/", unused()));
        let discovery = Discovery::any_of(&urls, "default.web-1").unwrap();
        let mut link = discovery.link();
        let running = tokio::spawn(discovery.run(|_| unreachable!("nobody says anything")));
        for url in &urls {
            link.wait_for(|link| link.control_plane == *url).await.unwrap();
        }
        running.abort();
        assert!(Discovery::any_of(&[] as &[&str], "default.web-1").is_err());
    }

    #[tokio::test]
    async fn nobody_there_is_told_and_tried_again() {
        let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let discovery = Discovery::new(&format!("http://{unused}"), "default.web-1").unwrap();
        let mut link = discovery.link();
        let running = tokio::spawn(discovery.run(|_| unreachable!("nobody says anything")));
        link.wait_for(|link| link.lost.is_some()).await.unwrap();
        assert!(!link.borrow().connected);
        running.abort();
    }
}
