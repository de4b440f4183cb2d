//! REST API: the endpoints that Kuma's own tools ask of a control plane, and some of our own.
//!
//! ```text
//!  request ─▶ caller (our socket, a token) ─▶ permission ─▶ Operation ─▶ store or fleet ─▶ Answer
//! ```
//!
//! Every path is a row of one table (`operation::Operation`); the router and `/openapi.json` are both made of it.
//! Resources are checked by the same [`model::draft::parse`] that files go through. Nothing is planned here: questions
//! about proxies are answered from what the fleet runs.

mod addressed;
mod answer;
mod attachments;
mod caller;
mod collection;
mod computed;
mod dispatch;
mod document;
mod filter;
mod first_start;
mod identity;
mod insight;
mod inspect;
mod listing;
mod metrics;
mod mirror;
mod openapi;
mod operation;
mod overview;
mod page;
mod plane;
mod policy;
mod preview;
mod recognise;
mod refusal;
mod request;
mod resources;
mod revisions;
mod selected;
mod serve;
mod serve_socket;
mod session;
mod system;
mod tokens;
mod traffic;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use change::addresses::Ranges;
use model::Kind;
use model::draft::Options;
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::door::{DescriptorShare, Followers};
use crate::identity::{Issuer, Tokens};
use crate::store::{Selection, Store};
use crate::web::KnownAs;

pub use caller::Role;
pub use first_start::prepare;
pub use metrics::ApiMetrics;
pub use mirror::{MirrorStore, universal};
pub use openapi::document as openapi;
pub use plane::{Mark, Plane};
pub use serve::serve;
pub use serve_socket::serve_socket;

/// Settings of the API.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Rules by which documents are checked.
    pub rules: Options,
    /// Ranges of the virtual IPs that services get here.
    pub vips: Ranges,
    /// `true`: resources come from elsewhere and cannot be changed here.
    pub read_only: bool,
    /// `true`: the initial content of a store, as [`prepare`] makes it, exists already.
    pub prepared: bool,
    /// Product name in `GET /`. Kuma's `kumactl` insists on its own word, unless the version contains `preview`.
    pub product: String,
    /// Version in `GET /`.
    pub version: String,
    /// Name of this host.
    pub hostname: String,
    /// Id of this process.
    pub instance: String,
    /// Role of callers who have not authenticated.
    pub anonymous: Role,
    /// Role of callers without a token whose connection comes from this host; it may have been forwarded for anybody.
    pub localhost: Role,
    /// Host names under which anonymous callers may address the API.
    pub known_as: KnownAs,
    /// Path of the socket at which [`serve_socket`] serves, for messages.
    pub socket: Option<PathBuf>,
    /// Issuer of certificates; `None`: none are issued here.
    pub issuer: Option<Issuer>,
    /// Answer to `GET /config`, without secrets.
    pub config: Value,
    /// Limit on the size of a body, in bytes.
    pub body_limit: usize,
    /// Limit on the time that a body takes to arrive.
    pub body_timeout: Duration,
    /// Limit on the time that the head of a request takes to arrive, and on the idle time between two requests.
    pub head_timeout: Duration,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            rules: Options::default(),
            vips: Ranges::NONE,
            read_only: false,
            prepared: true,
            product: "meshtcp".into(),
            version: concat!(env!("CARGO_PKG_VERSION"), "-preview").into(),
            hostname: "localhost".into(),
            instance: "meshtcp".into(),
            anonymous: Role::Nobody,
            localhost: Role::Reader,
            known_as: KnownAs::default(),
            socket: None,
            issuer: None,
            config: Value::Object(serde_json::Map::new()),
            body_limit: 4 * 1024 * 1024,
            body_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(15),
        }
    }
}

/// Limit on concurrent requests that look at all proxies and routes.
const LOOKS: usize = 2;
/// Limit on concurrent followers of traffic.
const FOLLOWERS: usize = 64;
/// Limit on concurrent followers of revisions.
const WAITING: usize = 256;

/// REST API server. Cloning shares everything.
#[derive(Clone)]
pub struct Api {
    inner: Arc<Inner>,
}

/// State shared by all requests.
pub(crate) struct Inner {
    setup: Setup,
    store: Arc<dyn Store>,
    tokens: Tokens,
    plane: Plane,
    metrics: ApiMetrics,
    /// Permits for planning a change that is only previewed.
    previews: Semaphore,
    /// Set once the initial content of the store exists.
    prepared: OnceLock<()>,
    /// Permits for looking at all proxies and routes: few at once, so that many callers do not take all memory.
    looks: Semaphore,
    /// Places for following traffic.
    followers: Followers,
    /// Places for following revisions.
    waiting: Followers,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").field("store", &self.inner.store).finish_non_exhaustive()
    }
}

impl Api {
    /// Creates the API over a store and the state that runs by it.
    pub fn new(setup: Setup, store: Arc<dyn Store>, plane: Plane, metrics: ApiMetrics) -> Self {
        let tokens = match setup.read_only {
            true => Tokens::with_keys_as_they_are(Arc::clone(&store)),
            false => Tokens::new(Arc::clone(&store)),
        };
        let (previews, looks) = (Semaphore::new(1), Semaphore::new(LOOKS));
        let prepared = if setup.prepared { OnceLock::from(()) } else { OnceLock::new() };
        let [followers, waiting] = [FOLLOWERS, WAITING].map(|most| Followers::of(DescriptorShare::Api, most));
        let inner =
            Inner { setup, store, tokens, plane, metrics, previews, prepared, looks, followers, waiting };
        Self { inner: Arc::new(inner) }
    }

    /// Returns the router. Requests must carry a [`serve::Peer`], which [`serve`] gives them.
    fn router(&self) -> Router {
        dispatch::router(self.clone())
    }
}

impl Inner {
    /// Returns `true` if there is a mesh, or was one. While the first one is still being made, no mesh is reported as
    /// missing.
    async fn is_prepared(&self) -> bool {
        if self.prepared.get().is_some() {
            return true;
        }
        let meshes = self.store.list(&Selection::of_kind(Kind::Mesh)).await;
        // errors of the store are reported by the request itself
        let is_prepared = meshes.as_ref().map_or(true, |found| !found.items.is_empty());
        if is_prepared && meshes.is_ok() {
            let _ = self.prepared.set(());
        }
        is_prepared
    }
}

/// Returns the operations of all nouns.
fn operations() -> Vec<operation::Operation> {
    let nouns = [
        system::operations(),
        resources::operations(),
        insight::operations(),
        overview::operations(),
        inspect::operations(),
        policy::operations(),
        tokens::operations(),
        revisions::operations(),
        identity::operations(),
        preview::operations(),
        session::operations(),
        traffic::operations(),
    ];
    nouns.into_iter().flatten().collect()
}
