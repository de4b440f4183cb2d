//! The REST API: what Kuma's own tools ask of a control plane, and some questions of ours.
//!
//! ```text
//!  request ─▶ who calls (our socket, a token) ─▶ may they ─▶ Operation ─▶ store, or what runs ─▶ Answer
//! ```
//!
//! Every path is a row of one table (`operation::Operation`); the router and `/openapi.json` are both made of it.
//! Resources are checked by the same [`model::draft::parse`] that files go through. Nothing is planned here: questions
//! about proxies are answered from what the fleet runs.

mod addressed;
mod answer;
mod ask;
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

use crate::identity::{Issuer, Tokens};
use crate::store::{Selection, Store};
use crate::web::KnownAs;

pub use caller::Role;
pub use first_start::prepare;
pub use metrics::ApiMetrics;
pub use mirror::{Mirror, universal};
pub use openapi::document as openapi;
pub use plane::{Mark, Plane};
pub use serve::serve;
pub use serve_socket::serve_socket;

/// What the API is told when it is set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How documents are checked.
    pub rules: Options,
    /// Which virtual IPs services get here.
    pub vips: Ranges,
    /// Whether resources come from somewhere else and cannot be changed here.
    pub read_only: bool,
    /// Whether what a store begins with, as [`prepare`] makes it, is there already.
    pub prepared: bool,
    /// What `GET /` says this is. Kuma's `kumactl` insists on its own word, unless the version contains `preview`.
    pub product: String,
    /// The version that `GET /` says.
    pub version: String,
    /// The name of this host.
    pub hostname: String,
    /// Which process this is.
    pub instance: String,
    /// What a caller may do who has not said who they are.
    pub anonymous: Role,
    /// What a caller may do without a token whose connection comes from this host, and may have been passed on for anybody.
    pub localhost: Role,
    /// Under which names anonymous callers may ask.
    pub known_as: KnownAs,
    /// The socket at which [`serve_socket`] serves, for messages.
    pub socket: Option<PathBuf>,
    /// Who issues certificates; `None`: nobody here.
    pub issuer: Option<Issuer>,
    /// What `GET /config` says, without secrets.
    pub config: Value,
    /// How large a body may be, in bytes.
    pub body_limit: usize,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// How long the head of a request may take to arrive, and a caller stay silent between two requests.
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

/// How many look at all proxies and routes at once.
const LOOKS: usize = 2;
/// How many follow what connections do at once.
const FOLLOWERS: usize = 64;

/// The API. Cloning shares everything.
#[derive(Clone)]
pub struct Api {
    desk: Arc<Desk>,
}

/// What all requests share.
pub(crate) struct Desk {
    setup: Setup,
    store: Arc<dyn Store>,
    tokens: Tokens,
    plane: Plane,
    metrics: ApiMetrics,
    /// Who may plan a change that is only looked at.
    previews: Semaphore,
    /// Set when there is what a store begins with.
    prepared: OnceLock<()>,
    /// Who may look at all proxies and routes: a few at once, so that many who ask do not take all memory.
    looks: Semaphore,
    /// Who may follow what connections do.
    followers: Arc<Semaphore>,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").field("store", &self.desk.store).finish_non_exhaustive()
    }
}

impl Api {
    /// An API over a store and what runs by it.
    pub fn new(setup: Setup, store: Arc<dyn Store>, plane: Plane, metrics: ApiMetrics) -> Self {
        let tokens = match setup.read_only {
            true => Tokens::with_keys_as_they_are(Arc::clone(&store)),
            false => Tokens::new(Arc::clone(&store)),
        };
        let (previews, looks) = (Semaphore::new(1), Semaphore::new(LOOKS));
        let prepared = if setup.prepared { OnceLock::from(()) } else { OnceLock::new() };
        let followers = Arc::new(Semaphore::new(FOLLOWERS));
        let desk = Desk { setup, store, tokens, plane, metrics, previews, prepared, looks, followers };
        Self { desk: Arc::new(desk) }
    }

    /// The routes. Requests must carry a [`serve::Peer`], which [`serve`] gives them.
    fn router(&self) -> Router {
        dispatch::router(self.clone())
    }
}

impl Desk {
    /// Whether there is a mesh, or was one. What is only being made is no reason to say that a mesh does not exist.
    async fn is_prepared(&self) -> bool {
        if self.prepared.get().is_some() {
            return true;
        }
        let meshes = self.store.list(&Selection::of_kind(Kind::Mesh)).await;
        // what is wrong with the store is said by what is asked of it
        let is_prepared = meshes.as_ref().map_or(true, |found| !found.items.is_empty());
        if is_prepared && meshes.is_ok() {
            let _ = self.prepared.set(());
        }
        is_prepared
    }
}

/// The rows of all nouns.
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
