//! PostgreSQL store: one store for several control planes.
//!
//! Every change is one transaction that first takes the next revision from a row that all writers share. So changes
//! become visible in the order of their revisions, and a reader that is at revision N and sees what comes after has
//! missed nothing. Notifications only wake readers; changes are always read from the table of changes, so a
//! notification that is lost with its connection costs time and nothing else.

mod board;
mod catalogue;
mod fault;
mod history;
mod life;
mod listener;
mod rows;
mod schema;
mod tls;

use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use board::PostgresBoard;
use jiff::Timestamp;
use life::{Life, epoch};
use listener::Listener;
use model::ResourceKey;
use serde_json::Value;
use tls::Transport;
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard, watch};
use tokio::time::timeout;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::contents::{Proposal, check, expect, propose};
use super::{
    Board, Expected, HistoryEntry, Listing, Put, PutResult, Revision, Selection, Store, StoreChange,
    StoreChangeKind, StoreError, Stored, Watch,
};

/// Channel on which control planes wake each other.
const CHANNEL: &str = "meshtcp";
/// Limit on the duration of a single query or change, for which a caller waits.
const PATIENCE: Duration = Duration::from_secs(5);
/// Limit on the duration of a listing or a look at changes.
const LONG_PATIENCE: Duration = Duration::from_secs(15);
/// Setting of a connection: the locks of a process that stops amid a change, as when its machine is paused, end, and
/// others can change things again.
const LOCKS_END: &str = "SET idle_in_transaction_session_timeout = '15s'";
/// Time during which a database that was unreachable is not asked again.
const PAUSE: Duration = Duration::from_secs(1);
/// Interval at which a watch looks without a notification.
const SELDOM: Duration = Duration::from_secs(3);

/// Store in PostgreSQL.
#[derive(Clone, Debug)]
pub struct PostgresStore {
    shared: Arc<Shared>,
}

struct Shared {
    database: Database,
    // held for one query, also while it is answered: the queries of one connection are sequential
    open: Mutex<Option<Open>>,
    listener: Listener,
    // held for one look
    away: std::sync::Mutex<Option<Outage>>,
}

/// Connection, with the epoch of the database.
struct Open {
    client: Client,
    epoch: Option<Arc<str>>,
}

/// Failure to reach the database.
struct Outage {
    until: Instant,
    why: StoreError,
}

/// Address of the database.
#[derive(Clone)]
struct Database {
    config: Config,
    tls: MakeRustlsConnect,
    words: String,
}

impl PostgresStore {
    /// Opens the store at an address, as libpq writes it: `postgres://user:password@host:port/database`. Connects, and
    /// creates the tables if they do not exist.
    ///
    /// With `?sslmode=require&sslrootcert=FILE` (or `verify-full`, which is the same here) it connects over TLS, and
    /// only to a database whose certificate has the name that was dialled and is signed by one in the file. Without, in
    /// plaintext.
    ///
    /// # Errors
    /// [`StoreError::Denied`]: the address is invalid, or the database denies access or has tables that this version
    /// cannot read. An unreachable database is no error: it is tried again at the next call.
    pub async fn open(address: &str) -> Result<Self, StoreError> {
        let database = Database::at(address)?;
        let listener = Listener::start(database.clone());
        let store = Self {
            shared: Arc::new(Shared { database, open: Mutex::new(None), listener, away: Default::default() }),
        };
        match store.revision().await {
            Ok(_) => Ok(store),
            Err(error) if error.retry_helps() => Ok(store),
            Err(error) => Err(error),
        }
    }
}

impl Database {
    fn at(address: &str) -> Result<Self, StoreError> {
        let denied = |why: String| StoreError::Denied { store: "PostgreSQL".into(), why };
        let (way, address) = Transport::of(address).map_err(denied)?;
        let tls = way.connector().map_err(denied)?;
        // errors are reported without the address: it may contain a password
        let mut config: Config = address
            .parse()
            .map_err(|error: tokio_postgres::Error| denied(format!("its address cannot be read: {error}")))?;
        config.ssl_mode(if way == Transport::Plaintext { SslMode::Disable } else { SslMode::Require });
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(3));
        }
        if config.get_application_name().is_none() {
            config.application_name("meshtcp");
        }
        config.tcp_user_timeout(LONG_PATIENCE).keepalives_idle(Duration::from_secs(10));
        let words = in_words(&config);
        Ok(Self { config, tls, words })
    }
}

/// Describes the store, without the password.
fn in_words(config: &Config) -> String {
    let host = |host: &Host| match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    };
    let hosts: Vec<String> = config.get_hosts().iter().map(host).collect();
    let port = config.get_ports().first().map_or_else(String::new, |port| format!(":{port}"));
    let user = config.get_user().map_or_else(String::new, |user| format!("{user}@"));
    let name = config.get_dbname().or(config.get_user()).unwrap_or_default();
    format!("PostgreSQL {user}{}{port}/{name}", hosts.join(","))
}

impl Shared {
    /// Returns a connection without known errors, with the tables prepared.
    async fn client(&self) -> Result<MappedMutexGuard<'_, Client>, StoreError> {
        Ok(MappedMutexGuard::map(self.connected().await?, |open| &mut open.client))
    }

    async fn connected(&self) -> Result<MappedMutexGuard<'_, Open>, StoreError> {
        let Database { config, tls, words } = &self.database;
        let mut slot = self.open.lock().await;
        if slot.as_ref().is_none_or(|open| open.client.is_closed()) {
            *slot = None;
            self.is_worth_asking()?;
            let connected = config.connect(tls.clone()).await;
            let (mut client, connection) = connected
                .map_err(|error| fault::in_words(words, &error))
                .inspect_err(|error| self.note_away(error))?;
            // ends with the client
            tokio::spawn(connection);
            client.batch_execute(LOCKS_END).await.map_err(|error| self.fault(error))?;
            schema::prepare(&mut client, words).await?;
            let epoch = epoch(&client).await;
            *slot = Some(Open { client, epoch });
        }
        MutexGuard::try_map(slot, Option::as_mut)
            .map_err(|_| StoreError::Lost { store: words.clone(), why: "the connection is gone".into() })
    }

    /// Waits for an answer of the database, within a limit.
    async fn patiently<R>(
        &self,
        patience: Duration,
        work: impl Future<Output = Result<R, StoreError>> + Send,
    ) -> Result<R, StoreError> {
        timeout(patience, work).await.unwrap_or_else(|_| {
            let why = format!("no answer within {} s", patience.as_secs());
            Err(StoreError::Lost { store: self.database.words.clone(), why })
        })
    }

    /// Fails with the previous error while a recent attempt to reach the database failed, without waiting for it.
    fn is_worth_asking(&self) -> Result<(), StoreError> {
        let away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        match &*away {
            Some(Outage { until, why }) if Instant::now() < *until => Err(why.clone()),
            Some(_) | None => Ok(()),
        }
    }

    fn note_away(&self, why: &StoreError) {
        let away = Outage { until: Instant::now() + PAUSE, why: why.clone() };
        *self.away.lock().unwrap_or_else(PoisonError::into_inner) = Some(away);
    }

    fn fault(&self, error: tokio_postgres::Error) -> StoreError {
        fault::in_words(&self.database.words, &error)
    }

    /// Makes the change that `decide` derives from the next revision and the stored resource, if any.
    async fn change<R: Send>(
        &self,
        key: &ResourceKey,
        decide: impl FnOnce(Revision, Option<Stored>) -> Result<(R, Option<StoreChange>), StoreError> + Send,
    ) -> Result<R, StoreError> {
        let words = &self.database.words;
        let unfit = |error: tokio_postgres::Error| fault::of_text(words, key, &error);
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(|error| self.fault(error))?;
        let row = transaction.query_one(rows::NEXT_REVISION, &[]).await.map_err(|error| self.fault(error))?;
        let revision = rows::revision(words, &row, 0)?;
        let (kind, mesh, name) = (key.kind.as_str(), key.mesh_or_empty(), key.name.as_str());
        let row = transaction.query_opt(rows::ONE, &[&kind, &mesh, &name]).await.map_err(unfit)?;
        // an unreadable resource can be overwritten and removed by a caller without expectations
        let found = row.map(|row| rows::readable(&row, 0).unwrap_or_else(|_| nothing_readable(key)));
        // without a commit everything is rolled back
        let (answer, change) = decide(revision, found)?;
        let Some(change) = change else { return Ok(answer) };
        rows::write(&transaction, &change).await.map_err(unfit)?;
        transaction.commit().await.map_err(unfit)?;
        Ok(answer)
    }
}

impl Shared {
    /// Puts all in one transaction.
    async fn put_all(&self, puts: Vec<Put>) -> Result<Vec<PutResult>, StoreError> {
        let words = &self.database.words;
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(|error| self.fault(error))?;
        let (mut answers, mut next, mut changes) = (Vec::new(), None, 0);
        for Put { key, document, expected } in puts {
            check(&key, &document)?;
            let unfit = |error: tokio_postgres::Error| fault::of_text(words, &key, &error);
            let revision = match next.take() {
                Some(revision) => revision,
                None => {
                    let row = transaction.query_one(rows::NEXT_REVISION, &[]).await;
                    rows::revision(words, &row.map_err(|error| self.fault(error))?, 0)?
                }
            };
            let (kind, mesh, name) = (key.kind.as_str(), key.mesh_or_empty(), key.name.as_str());
            let row = transaction.query_opt(rows::ONE, &[&kind, &mesh, &name]).await.map_err(unfit)?;
            let found = row.map(|row| rows::readable(&row, 0).unwrap_or_else(|_| nothing_readable(&key)));
            let proposal = propose(&key, document, expected, found.as_ref(), revision, Timestamp::now())?;
            match &proposal.change {
                Some(change) => {
                    rows::write(&transaction, change).await.map_err(unfit)?;
                    changes += 1;
                }
                // the next one takes it
                None => next = Some(revision),
            }
            answers.push(proposal.written);
        }
        if changes == 0 {
            // without a commit everything is rolled back
            return Ok(answers);
        }
        if next.is_some() {
            transaction.execute(rows::REVISION_BACK, &[]).await.map_err(|error| self.fault(error))?;
        }
        transaction.commit().await.map_err(|error| self.fault(error))?;
        Ok(answers)
    }
}

impl Shared {
    /// Returns the changes after a revision, and the epoch that they are from.
    async fn changes_after(
        &self,
        after: Revision,
    ) -> Result<(Option<Arc<str>>, Vec<StoreChange>), StoreError> {
        let words = &self.database.words;
        let open = self.connected().await?;
        let asked = rows::number(words, after)?;
        let found = open.client.query(rows::AFTER, &[&asked]).await.map_err(|error| self.fault(error))?;
        let first = found.first().ok_or_else(|| fault::damaged(words, &"it has lost its revision"))?;
        let (latest, oldest) = (rows::revision(words, first, 0)?, rows::revision(words, first, 1)?);
        if after < oldest || after > latest {
            return Err(StoreError::TooOld { after, oldest });
        }
        let mut changes = Vec::new();
        for row in &found {
            match rows::change(words, row) {
                Ok(change) => changes.extend(change),
                Err(StoreError::Damaged { .. }) if changes.is_empty() => {
                    // an unreadable change is nobody's next one: a listing continues behind it, and names it
                    return Err(StoreError::TooOld { after, oldest: latest });
                }
                Err(StoreError::Damaged { .. }) => break,
                Err(error) => return Err(error),
            }
        }
        Ok((open.epoch.clone(), changes))
    }
}

/// Placeholder for a row that cannot be read.
fn nothing_readable(key: &ResourceKey) -> Stored {
    let never = Timestamp::UNIX_EPOCH;
    Stored {
        key: key.clone(),
        document: Value::Null,
        version: Revision::ZERO,
        created: never,
        modified: never,
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn get(&self, key: &ResourceKey) -> Result<Option<Stored>, StoreError> {
        let shared = &self.shared;
        shared
            .patiently(PATIENCE, async {
                let client = shared.client().await?;
                let (kind, mesh, name) = (key.kind.as_str(), key.mesh_or_empty(), key.name.as_str());
                let found = client.query_opt(rows::ONE, &[&kind, &mesh, &name]).await;
                let found = found.map_err(|error| fault::of_text(&shared.database.words, key, &error))?;
                found.map(|row| rows::stored(&shared.database.words, &row, 0)).transpose()
            })
            .await
    }

    async fn list(&self, selection: &Selection) -> Result<Listing, StoreError> {
        let shared = &self.shared;
        let words = &shared.database.words;
        shared
            .patiently(LONG_PATIENCE, async {
                let open = shared.connected().await?;
                let kind = selection.kind.map(|kind| kind.as_str());
                let found = open.client.query(rows::LIST, &[&kind, &selection.mesh]).await;
                let found = found.map_err(|error| shared.fault(error))?;
                let first =
                    found.first().ok_or_else(|| fault::damaged(words, &"it has lost its revision"))?;
                let revision = rows::revision(words, first, 0)?;
                let there = found.iter().filter(|row| rows::is_there(row, 1));
                let (mut items, mut unreadable) = (Vec::new(), Vec::new());
                for row in there {
                    match rows::readable(row, 1) {
                        Ok(stored) => items.push(stored),
                        Err(it) => unreadable.push(it),
                    }
                }
                Ok(Listing::new(revision, items).beside(unreadable).of_epoch(open.epoch.clone()))
            })
            .await
    }

    async fn put(
        &self,
        key: &ResourceKey,
        document: Value,
        expected: Expected,
    ) -> Result<PutResult, StoreError> {
        check(key, &document)?;
        let decide = |revision, found: Option<Stored>| {
            let now = Timestamp::now();
            let Proposal { written, change } =
                propose(key, document, expected, found.as_ref(), revision, now)?;
            Ok((written, change))
        };
        self.shared.patiently(PATIENCE, self.shared.change(key, decide)).await
    }

    async fn put_all(&self, puts: Vec<Put>) -> Result<Vec<PutResult>, StoreError> {
        self.shared.patiently(LONG_PATIENCE, self.shared.put_all(puts)).await
    }

    async fn delete(&self, key: &ResourceKey, expected: Expected) -> Result<Revision, StoreError> {
        let decide = |revision, found: Option<Stored>| {
            expect(key, expected, found.as_ref())?;
            match found {
                Some(_) => Ok((
                    revision,
                    Some(StoreChange { revision, key: key.clone(), what: StoreChangeKind::Deleted }),
                )),
                None => Err(StoreError::NotFound(key.clone())),
            }
        };
        self.shared.patiently(PATIENCE, self.shared.change(key, decide)).await
    }

    async fn remember(&self, changes: Vec<HistoryEntry>) -> Result<(), StoreError> {
        let shared = &self.shared;
        shared
            .patiently(PATIENCE, async {
                let mut client = shared.client().await?;
                history::remember(&mut client, &changes).await.map_err(|error| shared.fault(error))
            })
            .await
    }

    async fn past(&self, key: &ResourceKey) -> Result<Vec<HistoryEntry>, StoreError> {
        let shared = &self.shared;
        shared
            .patiently(PATIENCE, async {
                let client = shared.client().await?;
                history::past(&client, key).await.map_err(|error| shared.fault(error))
            })
            .await
    }

    async fn watch(&self, after: Revision) -> Result<Watch, StoreError> {
        let shared = Arc::clone(&self.shared);
        let (epoch, _) = shared.patiently(LONG_PATIENCE, shared.changes_after(after)).await?;
        let life = Life { shared, epoch: epoch.clone() };
        Ok(Watch::new(Arc::new(life), after).of_epoch(epoch))
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        let shared = &self.shared;
        shared
            .patiently(PATIENCE, async {
                let client = shared.client().await?;
                let row = client.query_one(rows::REVISION, &[]).await.map_err(|error| shared.fault(error))?;
                rows::revision(&shared.database.words, &row, 0)
            })
            .await
    }

    fn describe(&self) -> String {
        self.shared.database.words.clone()
    }

    fn leads(&self) -> watch::Receiver<bool> {
        self.shared.listener.leads()
    }

    fn board(&self) -> Option<Arc<dyn Board>> {
        Some(Arc::new(PostgresBoard(Arc::clone(&self.shared))))
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.database.words)
    }
}
