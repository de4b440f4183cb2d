//! Open stream of discovery: the IO around [`Subscription`].
//!
//! It is a `Stream` that gRPC polls when the connection can take a response, so a slow proxy holds up nothing but
//! itself, and it ends when its connection does. It has no queue, and leaves nothing behind but, for a while, the
//! Dataplane that its proxy brought.

mod holdings;
mod told;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use change::status::Connection;
use holdings::Holdings;
use jiff::Timestamp;
use plan::{ProxyFeatures, ProxyId};
use prost::Message;
use tokio::time::{Instant, Sleep};
use tokio_stream::Stream as _;
use tokio_stream::wrappers::WatchStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use told::Told;
use tonic::{Code, Status, Streaming};
use xds::{BadRequest, Event, Family, Foreign, Memory, Protocol, Subscription, TypeUrl, opens};

use super::announced::announced;
use super::caller::Busy;
use super::introduction::{agent, kuma_dp, metadata, not_taken, proxy_of};
use super::metrics::{Reason, StreamLabels, TypeLabels};
use super::publisher::Published;
use super::shared::Shared;
use super::speaks::StreamProtocol;

use crate::arrivals::{AWAY, Arrival, Arrivals, NotTaken};
use crate::guard::caught;
use crate::identity::Bearer;

/// Limit on the time until the first request of a stream.
const FIRST_REQUEST: Duration = Duration::from_secs(15);
/// Member of the node metadata with the Dataplane that a kuma-dp brings.
const BROUGHT: &str = "dataplane.resource";

/// Open stream that speaks `P`.
pub(super) struct Stream<P: StreamProtocol> {
    shared: Arc<Shared>,
    requests: Streaming<P::Request>,
    peer: Option<SocketAddr>,
    /// Bearer of the stream's token; `None`: no token was asked for.
    bearer: Option<Bearer>,
    opened: Instant,
    subscription: Subscription<P>,
    /// Attached proxy; `None` before the first request.
    attached: Option<Attached>,
    /// Published configuration of the proxy; `None`: none yet.
    published: Option<Told>,
    /// Store for the resources that proxies bring; `None`: they bring none.
    arrivals: Option<Arrivals>,
    /// Resource that is being stored, with the request that brought it.
    arriving: Option<Arriving<P::Request>>,
    /// Resource that came with the proxy, and is removed with it.
    arrived: Option<Arrival>,
    /// `true`: the proxy has been admitted already, by the Dataplane that it brought.
    is_admitted: bool,
    closing: Pin<Box<WaitForCancellationFutureOwned>>,
    timer: Pin<Box<Sleep>>,
    /// Deadline for the first request.
    nameless_until: Pin<Box<Sleep>>,
    ended: bool,
    /// Guard that keeps the connection open.
    _busy: Option<Busy>,
}

/// Resource that a proxy brought, while it is stored.
struct Arriving<R> {
    request: Box<R>,
    stored: StoredLater,
}

type StoredLater = Pin<Box<dyn Future<Output = Result<Option<Arrival>, NotTaken>> + Send>>;

struct Attached {
    proxy: ProxyId,
    family: Family,
    number: u64,
    sets: WatchStream<Published>,
    /// Certificates and secrets of the proxy; `None`: there is no issuer.
    holdings: Option<Holdings>,
    replaced: Pin<Box<WaitForCancellationFutureOwned>>,
}

/// Seat of the proxy, taken by a stream that is about to attach.
struct Seat {
    proxy: ProxyId,
    /// Connection as it was opened; the dialect is the one that the first request asks for.
    connection: Connection,
    announced: ProxyFeatures,
    number: u64,
    replaced: CancellationToken,
}

impl<P: StreamProtocol> Stream<P> {
    pub(super) fn new(
        shared: Arc<Shared>,
        arrivals: Option<Arrivals>,
        requests: Streaming<P::Request>,
        peer: Option<SocketAddr>,
        busy: Option<Busy>,
        bearer: Option<Bearer>,
    ) -> Self {
        let opened = Instant::now();
        Self {
            subscription: shared.subscription(Memory::default()),
            closing: when_cancelled(shared.closing.clone()),
            timer: Box::pin(tokio::time::sleep_until(opened)),
            nameless_until: Box::pin(tokio::time::sleep_until(opened + FIRST_REQUEST)),
            shared,
            arrivals,
            arriving: None,
            arrived: None,
            is_admitted: false,
            requests,
            peer,
            bearer,
            opened,
            attached: None,
            published: None,
            ended: false,
            _busy: busy,
        }
    }

    fn on_request(&mut self, request: P::Request) -> Result<(), Status> {
        let seat = if self.attached.is_none() { self.sit_down(&request)? } else { None };
        let taken = self.subscription.on_request(request, self.opened.elapsed());
        taken.map_err(|error| self.refuse(&error))?;
        if let Some(seat) = seat {
            self.attach(seat);
        }
        let Some(Attached { proxy, .. }) = &self.attached else { return Ok(()) };
        let mut answered = false;
        while let Some(event) = self.subscription.poll_event() {
            answered = true;
            match &event {
                Event::Acked { type_url, version } => {
                    self.shared.metrics.acks.get_or_create(&TypeLabels::of(type_url)).inc();
                    tracing::debug!(%proxy, %type_url, version, "proxy accepted configuration");
                }
                Event::Rejected { type_url, names, message } => {
                    self.shared.metrics.nacks.get_or_create(&TypeLabels::of(type_url)).inc();
                    tracing::info!(%proxy, %type_url, ?names, message, "proxy refused configuration");
                }
            }
            self.shared.statuses.answered(proxy, event, &refused(&self.subscription));
        }
        if answered {
            self.note_sync();
        }
        Ok(())
    }

    /// Logs that a client violates the protocol, and returns the status with which its stream ends.
    fn refuse(&self, error: &BadRequest) -> Status {
        let who = self.attached.as_ref().map(|it| it.proxy.to_string()).unwrap_or_default();
        let (reason, code) = match error {
            // with fewer names, or later, it is served
            BadRequest::Overdrawn { .. } => (Reason::Names, Code::ResourceExhausted),
            BadRequest::NoType
            | BadRequest::TooManyTypes
            | BadRequest::TooManyNames { .. }
            | BadRequest::NoNode
            | BadRequest::NotSpoken(_)
            | BadRequest::OtherNode { .. } => (Reason::Protocol, Code::InvalidArgument),
        };
        self.shared.turn_away(reason, &who, self.peer, Status::new(code, error.to_string()))
    }

    /// Begins to store the resource that a first request brings, if there is one and the proxy may have it.
    fn bring(&mut self, request: &P::Request) -> Result<Option<StoredLater>, Status> {
        let Some(arrivals) = self.arrivals.as_ref().filter(|_| self.attached.is_none()) else {
            return Ok(None);
        };
        let Some((node, text)) = P::node(request).and_then(|node| Some((node, node.text(BROUGHT)?))) else {
            return Ok(None);
        };
        let proxy = proxy_of(node)?;
        let brought = arrivals.read(text).map_err(|why| self.not_taken(&proxy, &why))?;
        if ProxyId::of(&brought.key).as_ref() != Some(&proxy) {
            let message = format!("`{}` brings {}", Foreign::name(&node.id), brought.key);
            return Err(Status::invalid_argument(message));
        }
        if let (Some(gate), Some(bearer)) = (&self.shared.gate, &self.bearer) {
            gate.admits_with(bearer, &proxy, &brought.resource).map_err(|status| {
                self.shared.turn_away(Reason::OtherProxy, &proxy.to_string(), self.peer, status)
            })?;
            self.is_admitted = true;
        }
        let (arrivals, proven) = (arrivals.clone(), self.is_admitted);
        Ok(Some(Box::pin(async move { arrivals.arrive(&brought, proven).await })))
    }

    /// Takes the proxy's seat, and resumes where its last stream ended. A request without a node, or of an unknown
    /// dialect, is left for the subscription to refuse: it ends no other stream.
    fn sit_down(&mut self, request: &P::Request) -> Result<Option<Seat>, Status> {
        let node = P::node(request).filter(|node| !node.id.is_empty());
        let Some(node) = node.filter(|_| opens(&TypeUrl::new(P::asked(request)))) else { return Ok(None) };
        let proxy = proxy_of(node).map_err(|status| {
            self.shared.turn_away(Reason::NoNode, &Foreign::name(&node.id).to_string(), self.peer, status)
        })?;
        if let (Some(gate), Some(bearer), false) = (&self.shared.gate, &self.bearer, self.is_admitted) {
            // before the seat: a client that may not have it ends no other stream
            gate.admits(bearer, &proxy).map_err(|status| {
                self.shared.turn_away(Reason::OtherProxy, &proxy.to_string(), self.peer, status)
            })?;
        }
        let (number, replaced, memory) = self.shared.sit_down(&proxy, self.peer).map_err(|status| {
            self.shared.turn_away(Reason::StartedTwice, &proxy.to_string(), self.peer, status)
        })?;
        self.subscription = self.shared.subscription(memory);
        let connection = Connection {
            since: Timestamp::now(),
            protocol: P::KIND,
            dialect: Family::Envoy,
            peer: self.peer,
            agent: agent(node),
            kuma_dp: kuma_dp(node),
            metadata: metadata(node),
        };
        Ok(Some(Seat { proxy, connection, announced: announced(node), number, replaced }))
    }

    /// Renders the reason why a resource that a proxy brought is rejected, and logs it.
    fn not_taken(&self, proxy: &ProxyId, why: &NotTaken) -> Status {
        self.shared.turn_away(Reason::Protocol, &proxy.to_string(), self.peer, not_taken(why))
    }

    fn attach(&mut self, seat: Seat) {
        let Seat { proxy, connection, announced, number, replaced } = seat;
        let family = self.subscription.family().unwrap_or(connection.dialect);
        let (protocol, dialect, agent) = (P::KIND.as_str(), family.as_str(), &connection.agent);
        tracing::info!(%proxy, protocol, dialect, agent, "proxy attached");
        let connection = Connection { dialect: family, ..connection };
        self.shared.statuses.opened(&proxy, connection);
        self.shared.metrics.streams.get_or_create(&labels::<P>(family)).inc();
        let holdings = self.shared.issuer.clone().map(|issuer| Holdings::new(issuer, proxy.clone()));
        self.attached = Some(Attached {
            sets: WatchStream::new(self.shared.publisher.attach(&proxy, family, announced)),
            holdings,
            replaced: when_cancelled(replaced),
            proxy,
            family,
            number,
        });
    }

    fn on_response(&self, response: &P::Response) {
        let labels = TypeLabels::of(&TypeUrl::new(P::type_url(response)));
        self.shared.metrics.responses.get_or_create(&labels).inc();
        self.shared.metrics.response_bytes.get_or_create(&labels).inc_by(response.encoded_len() as u64);
    }

    /// Returns the status with which the stream has to end now, if it has to.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<Status> {
        if self.closing.as_mut().poll(context).is_ready() {
            return Poll::Ready(Status::unavailable("this control plane instance is shutting down"));
        }
        let Some(attached) = &mut self.attached else {
            ready!(self.nameless_until.as_mut().poll(context));
            let limit = FIRST_REQUEST.as_secs();
            return Poll::Ready(Status::deadline_exceeded(format!(
                "nothing was asked on the stream within {limit} s"
            )));
        };
        ready!(attached.replaced.as_mut().poll(context));
        Poll::Ready(Status::aborted(format!(
            "another stream was opened as {}: is it started twice?",
            attached.proxy
        )))
    }
}

impl<P: StreamProtocol> tokio_stream::Stream for Stream<P> {
    type Item = Result<P::Response, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        // a panic would end the connection, whose other streams are unaffected
        caught("discovery-stream", || this.poll_response(context)).unwrap_or_else(|| {
            this.ended = true;
            Poll::Ready(Some(Err(Status::internal("the control plane failed; what runs goes on"))))
        })
    }
}

impl<P: StreamProtocol> Stream<P> {
    /// Returns the next request, once what it brings is stored; `None`: the proxy is gone, or its connection broke.
    ///
    /// # Errors
    /// The status with which the proxy is rejected.
    fn poll_request(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<P::Request>, Status>> {
        if self.arriving.is_none() {
            let request = match ready!(Pin::new(&mut self.requests).poll_next(context)) {
                Some(Ok(request)) => request,
                Some(Err(status)) if status.code() == Code::OutOfRange => {
                    let who = self.attached.as_ref().map(|it| it.proxy.to_string()).unwrap_or_default();
                    let status = self.shared.turn_away(Reason::Protocol, &who, self.peer, status);
                    return Poll::Ready(Err(status));
                }
                Some(Err(_)) | None => return Poll::Ready(Ok(None)),
            };
            match self.bring(&request)? {
                None => return Poll::Ready(Ok(Some(request))),
                Some(stored) => self.arriving = Some(Arriving { request: Box::new(request), stored }),
            }
        }
        let Some(Arriving { stored, .. }) = &mut self.arriving else { return Poll::Pending };
        let stored = ready!(stored.as_mut().poll(context));
        let proxy =
            self.arriving.as_ref().and_then(|it| P::node(&it.request)).and_then(|node| proxy_of(node).ok());
        self.arrived = stored.map_err(|why| match &proxy {
            Some(proxy) => self.not_taken(proxy, &why),
            None => not_taken(&why),
        })?;
        Poll::Ready(Ok(self.arriving.take().map(|arriving| *arriving.request)))
    }

    fn poll_response(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<P::Response, Status>>> {
        let this = self;
        if this.ended {
            return Poll::Ready(None);
        }
        if let Poll::Ready(status) = this.poll_end(context) {
            this.ended = true;
            return Poll::Ready(Some(Err(status)));
        }
        // all requests that have arrived come before the next response: the newest state wins
        while let Poll::Ready(next) = this.poll_request(context) {
            let taken = next.and_then(|request| request.map(|request| this.on_request(request)).transpose());
            this.ended = !matches!(taken, Ok(Some(())));
            match taken {
                Ok(Some(())) => {}
                Ok(None) => return Poll::Ready(None),
                Err(status) => return Poll::Ready(Some(Err(status))),
            }
        }
        if let Some(attached) = &mut this.attached {
            let mut newest = None;
            while let Poll::Ready(Some(published)) = Pin::new(&mut attached.sets).poll_next(context) {
                newest = Some(published);
            }
            if let Some(published) = newest {
                this.on_publish(published);
            }
            // afterwards: it may wait for what was asked for just now
            let holdings = this.attached.as_mut().and_then(|attached| attached.holdings.as_mut());
            if holdings.is_some_and(|it| it.poll_changed(context)) {
                this.tell();
                this.note_sync();
            }
            // the seat may be taken while nothing else happens, also right after it was taken here
            if let Poll::Ready(status) = this.poll_end(context) {
                this.ended = true;
                return Poll::Ready(Some(Err(status)));
            }
        }
        // what is published is known now: whoever asks for that draws nothing
        if let Err(error) = this.subscription.settle_names() {
            this.ended = true;
            return Poll::Ready(Some(Err(this.refuse(&error))));
        }
        loop {
            if let Some(response) = this.subscription.poll_response(this.opened.elapsed()) {
                this.on_response(&response);
                return Poll::Ready(Some(Ok(response)));
            }
            let Some(wake_at) = this.subscription.wake_at() else { return Poll::Pending };
            this.timer.as_mut().reset(this.opened + wake_at);
            ready!(this.timer.as_mut().poll(context));
        }
    }
}

impl<P: StreamProtocol> Drop for Stream<P> {
    fn drop(&mut self) {
        if let (Some(arrivals), Some(arrival)) = (self.arrivals.take(), self.arrived.take()) {
            let away = async move {
                tokio::time::sleep(AWAY).await;
                arrivals.leave(arrival).await;
            };
            // an instance that ends removes no Dataplane: proxies go on elsewhere, or come back
            tokio::spawn(self.shared.closing.clone().run_until_cancelled_owned(away));
        }
        let Some(Attached { proxy, family, number, sets, holdings, .. }) = self.attached.take() else {
            return;
        };
        self.shared.metrics.streams.get_or_create(&labels::<P>(family)).dec();
        // a name without a published configuration leaves no trace: anybody can make up names
        let known = self.published.is_some();
        drop(sets);
        self.shared.publisher.left(&proxy, family);
        let memory = known.then(|| self.subscription.memory());
        let holders = holdings.iter().flat_map(Holdings::holders);
        if self.shared.stand_up(&proxy, number, memory, holders) {
            self.shared.statuses.closed(&proxy, known);
            tracing::info!(%proxy, "proxy left");
        }
    }
}

fn refused<P: Protocol>(subscription: &Subscription<P>) -> Vec<(TypeUrl, String)> {
    subscription.refused().map(|(type_url, name)| (type_url.clone(), name.to_owned())).collect()
}

fn labels<P: StreamProtocol>(family: Family) -> StreamLabels {
    StreamLabels { protocol: P::KIND.as_str(), dialect: family.as_str() }
}

fn when_cancelled(token: CancellationToken) -> Pin<Box<WaitForCancellationFutureOwned>> {
    Box::pin(token.cancelled_owned())
}
