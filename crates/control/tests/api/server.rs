//! API server on a port of its own, over resources in memory and their compiled state.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use change::compile::{Compiler, PlanScope};
use change::rollout::Accepted;
use change::{Content, Ledger, Options};
use dialect::envoy::EnvoyOptions;
use jiff::Timestamp;
use meshtcp_control::api::{Api, ApiMetrics, Plane, Role, Setup, serve, serve_socket};
use meshtcp_control::discovery::{Publisher, Statuses};
use meshtcp_control::fleet::Fleet;
use meshtcp_control::identity::Tokens;
use meshtcp_control::store::{Expected, MemoryStore, Selection, Store};
use meshtcp_control::telemetry::Telemetry;
use model::ResourceKey;
use plan::Context;
use serde_json::Value;
use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Settings by which everybody on this host is admin, so that conversations need no tokens.
pub(crate) fn trusting() -> Setup {
    Setup { localhost: Role::Admin, ..Setup::default() }
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// Socket of the same API for processes of this user.
    pub(crate) socket: PathBuf,
    _folder: tempfile::TempDir,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) tokens: Tokens,
    pub(crate) telemetry: Telemetry,
    compiler: Compiler,
    fleet: Mutex<Fleet>,
    _stop: DropGuard,
}

impl Server {
    pub(crate) async fn start(setup: Setup) -> Self {
        Self::telling_envoy(setup, EnvoyOptions::default()).await
    }

    /// Starts a server whose plans are lowered for Envoy with these options.
    pub(crate) async fn telling_envoy(setup: Setup, envoy: EnvoyOptions) -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let compiler = Compiler { context: Context::default(), scope: PlanScope::everything(), envoy };
        let fleet = Fleet::new(Arc::new(Publisher::default()), compiler.nothing());
        let plane = Plane::new(fleet.standing(), Arc::new(Statuses::default()));
        let (fleet, telemetry) = (Mutex::new(fleet), plane.telemetry().clone());
        let api = Api::new(setup, Arc::clone(&store), plane, ApiMetrics::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("api");
        let local = UnixListener::bind(&socket).unwrap();
        tokio::spawn(serve_socket(local, api.clone(), stop.clone(), Duration::from_secs(1)));
        tokio::spawn(serve(listener, None, api, stop.clone(), Duration::from_secs(1)));
        let tokens = Tokens::new(Arc::clone(&store));
        let server = Self {
            address,
            socket,
            _folder: folder,
            store,
            tokens,
            telemetry,
            compiler,
            fleet,
            _stop: stop.drop_guard(),
        };
        server.keep("type: Mesh\nname: default\n").await;
        server
    }

    /// Stores the resources in a text, of any kind.
    pub(crate) async fn keep(&self, text: &str) {
        let (documents, problems) = model::draft::read("mesh.yaml", text);
        assert!(problems.is_empty(), "{problems:?}");
        for document in documents {
            let value: Value = document.value().clone();
            let key = ResourceKey::of_document(&value).unwrap();
            self.store.put(&key, value, Expected::Any).await.unwrap();
        }
    }

    /// Compiles the stored resources, and publishes the plans of all proxies.
    pub(crate) async fn settle(&self) {
        let listing = self.store.list(&Selection::default()).await.unwrap();
        let accepted = Accepted { revision: listing.revision, at: Timestamp::now(), epoch: None };
        let mut ledger = Ledger::default();
        for stored in listing.items {
            let file = stored.key.to_string();
            let content = Content::read(&file, stored.document.to_string().as_bytes(), &Options::default());
            content.entries.into_iter().for_each(|entry| ledger.put(entry));
        }
        let compiled = Arc::new(self.compiler.compile(&ledger));
        self.fleet.lock().unwrap().adopt(compiled, accepted);
    }
}
