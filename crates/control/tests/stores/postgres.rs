//! Tests of the PostgreSQL store, on a real server of the test's own, which is restarted during tests.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use meshtcp_control::store::{Expected, Fault, Notes, PostgresStore, Revision, Selection, Store, StoreError};
use tokio::time::{sleep, timeout};
use tokio_postgres::NoTls;

use super::certificates::{Authority, Pair};
use super::database::{Database, command};
use super::history::{self, Work, check, collector};
use super::promises::{document, put, route};

/// Limit on what a test waits for, for the most loaded machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Server of one test. Dropping it stops it.
pub(crate) struct Server(Database);

impl Server {
    pub(crate) fn start() -> Self {
        Self(Database::start())
    }

    /// Requires TLS from now on for all databases except the one that the server was made with.
    fn insists_on_tls(&mut self, Pair { certificate, key }: &Pair) {
        self.0.crashes();
        let data = self.0.data();
        let owner = std::fs::metadata(&data).unwrap().uid();
        for (from, name) in [(certificate, "server.crt"), (key, "server.key")] {
            let file = data.join(name);
            std::fs::copy(from, &file).unwrap();
            std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
            chown(&file, Some(owner), None).unwrap();
        }
        let settings = data.join("postgresql.conf");
        let text = std::fs::read_to_string(&settings).unwrap();
        std::fs::write(&settings, format!("{text}\nssl = on\n")).unwrap();
        let rules = "host postgres all 127.0.0.1/32 trust\nhostssl all all 127.0.0.1/32 trust\n";
        std::fs::write(data.join("pg_hba.conf"), rules).unwrap();
        self.0.comes_back();
    }

    /// Creates a database, and returns its address.
    async fn database(&self, name: &str) -> String {
        let (client, connection) = tokio_postgres::connect(&self.0.address("postgres"), NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        self.0.address(name)
    }

    pub(crate) async fn store(&self, name: &str) -> Arc<dyn Store> {
        Arc::new(PostgresStore::open(&self.database(name).await).await.unwrap())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_stores_of_one_database_are_one_while_it_crashes_and_comes_back() {
    let mut server = Server::start();
    let address = server.database("mesh").await;
    let open = async || PostgresStore::open(&address).await.unwrap();
    let stores: [Arc<dyn Store>; 2] = [Arc::new(open().await), Arc::new(open().await)];
    let (tell, events) = collector();
    let work = Work::start(&stores, 4, 4, &tell);
    for _ in 0..3 {
        let before = events.lock().unwrap().len();
        let something_happens = async {
            while events.lock().unwrap().len() < before + 100 {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, something_happens).await.expect("it goes on after a crash");
        server.0.crashes();
        let lost = stores[0].get(&route("a")).await.unwrap_err();
        assert!(matches!(lost, StoreError::Lost { .. }), "{lost}");
        assert_eq!((lost.fault(), lost.retry_helps()), (Fault::Operator, true));
        server.0.comes_back();
    }
    work.end(&*stores[0], || events.lock().unwrap().clone()).await;
    let end = stores[1].list(&Selection::default()).await.unwrap();
    check(&events.lock().unwrap(), &end);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_leads_and_another_takes_over() {
    let server = Server::start();
    let address = server.database("mesh").await;
    let first = PostgresStore::open(&address).await.unwrap();
    timeout(PATIENCE, first.leads().wait_for(|leads| *leads)).await.unwrap().unwrap();
    let second = PostgresStore::open(&address).await.unwrap();
    history::of_a_while(&[Arc::new(first.clone()), Arc::new(second.clone())]).await;
    assert!(!*second.leads().borrow(), "only one leads");
    drop(first);
    timeout(PATIENCE, second.leads().wait_for(|leads| *leads)).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_used_says_why_and_keeps_the_password() {
    let server = Server::start();
    let refused = async |address: &str| PostgresStore::open(address).await.unwrap_err();
    for (address, why) in [
        (server.0.address("nowhere"), "\"nowhere\" does not exist"),
        (format!("{}?sslmode=require", server.0.address("postgres")), "needs sslrootcert=FILE"),
        ("postgres://mesh:hunter2@host:port/".into(), "cannot be read"),
    ] {
        let error = refused(&address).await;
        assert!(matches!(error, StoreError::Denied { .. }), "{error}");
        assert!(error.to_string().contains(why), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    let address = server.database("mesh").await;
    let store = PostgresStore::open(&address).await.unwrap();
    assert!(!format!("{store:?} {}", store.describe()).contains("hunter2"));
    // text in PostgreSQL cannot contain it
    let key = route("nul\0");
    let unfit = store.put(&key, document(&key, 1), Expected::Any).await.unwrap_err();
    assert!(matches!(unfit, StoreError::Unfit { .. }), "{unfit}");
    put(&store, &route("after"), 1).await;

    let (client, connection) = tokio_postgres::connect(&address, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("UPDATE meshtcp_state SET format = 2").await.unwrap();
    let newer = refused(&address).await;
    assert!(newer.to_string().contains("format 2"), "{newer}");

    // a database that is only unreachable is followed until it is there
    let away = PostgresStore::open("postgres://mesh@127.0.0.1:1/mesh").await.unwrap();
    let lost = away.list(&Selection::default()).await.unwrap_err();
    assert!(matches!(lost, StoreError::Lost { .. }), "{lost}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls_it_talks_only_to_a_database_that_proves_its_name() {
    let mut server = Server::start();
    let address = server.database("mesh").await;
    let (authority, stranger) = (Authority::new(), Authority::new());
    server.insists_on_tls(&authority.signs("127.0.0.1"));
    let verified_by =
        |authority: &Authority| format!("{address}?sslmode=require&sslrootcert={}", authority.file());

    let store = PostgresStore::open(&verified_by(&authority)).await.unwrap();
    put(&store, &route("a"), 1).await;
    timeout(PATIENCE, store.leads().wait_for(|leads| *leads))
        .await
        .expect("it listens over TLS, too")
        .unwrap();

    for (address, why) in [
        (address.clone(), "no encryption"),
        (verified_by(&stranger), "invalid peer certificate"),
        (verified_by(&authority).replace("127.0.0.1", "localhost"), "not valid for name"),
    ] {
        let error = PostgresStore::open(&address).await.unwrap_err();
        assert!(matches!(error, StoreError::Denied { .. }), "{error}");
        assert!(error.to_string().contains(why), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_whose_certificate_signs_itself_is_believed_by_who_has_it() {
    let mut server = Server::start();
    let address = server.database("mesh").await;
    let authority = Authority::new();
    let pair = authority.alone("127.0.0.1");
    let trusted = format!("{address}?sslmode=require&sslrootcert={}", pair.certificate);
    server.insists_on_tls(&pair);
    let store = PostgresStore::open(&trusted).await.unwrap();
    put(&store, &route("a"), 1).await;
}

#[tokio::test]
async fn a_row_that_cannot_be_read_costs_itself() {
    let server = Server::start();
    let address = server.database("rows").await;
    let store = PostgresStore::open(&address).await.unwrap();
    let first = put(&store, &route("good"), 1).await;
    let mut watch = store.watch(first).await.unwrap();
    let (client, connection) = tokio_postgres::connect(&address, NoTls).await.unwrap();
    tokio::spawn(connection);
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    for (kind, name, version, time, document) in [
        ("MeshOfTheFuture", "n1", 9, "2026-01-01T00:00:00Z", "{}"),
        ("MeshTCPRoute", "late", 9, "a while ago", "{}"),
        ("MeshTCPRoute", "negative", -9, "2026-01-01T00:00:00Z", "{}"),
        ("MeshTCPRoute", "deep", 9, "2026-01-01T00:00:00Z", deep.as_str()),
    ] {
        let values = format!("'{kind}', 'default', '{name}', {version}, '{time}', '{time}', '{document}'");
        client.batch_execute(&format!("INSERT INTO meshtcp_resource VALUES ({values})")).await.unwrap();
    }
    let listing = store.list(&Selection::default()).await.unwrap();
    assert_eq!(listing.items.iter().map(|it| it.key.name.as_str()).collect::<Vec<_>>(), ["good"]);
    let mut places: Vec<String> = listing.unreadable.iter().map(|it| it.place()).collect();
    places.sort();
    let expected = [
        "MeshOfTheFuture default/n1",
        "MeshTCPRoute default/deep",
        "MeshTCPRoute default/late",
        "MeshTCPRoute default/negative",
    ];
    assert_eq!(places, expected);
    assert!(listing.unreadable.iter().any(|it| it.why.contains("MeshOfTheFuture")), "{listing:?}");
    assert!(matches!(store.get(&route("late")).await, Err(StoreError::Damaged { .. })));

    // an unreadable change is stepped over by listing again
    client
        .batch_execute(
            "UPDATE meshtcp_state SET revision = revision + 1; INSERT INTO meshtcp_change SELECT revision, \
             'MeshOfTheFuture', 'default', 'n2', 'x', 'x', '{}' FROM meshtcp_state",
        )
        .await
        .unwrap();
    assert!(matches!(watch.next().await, Err(StoreError::TooOld { .. })));
    let now = store.list(&Selection::default()).await.unwrap().revision;
    let mut watch = store.watch(now).await.unwrap();

    // a put or delete without expectations replaces or removes it; an unknown kind stays
    put(&store, &route("late"), 1).await;
    store.delete(&route("deep"), Expected::Any).await.unwrap();
    assert_eq!(watch.next().await.unwrap()[0].key, route("late"));
    assert!(store.get(&route("late")).await.unwrap().is_some());
    let left = store.list(&Selection::default()).await.unwrap().unreadable;
    assert_eq!(left.len(), 2, "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn control_planes_that_start_at_once_on_a_new_database_all_start() {
    let server = Server::start();
    for round in 0..5 {
        let address = server.database(&format!("new{round}")).await;
        let starting: Vec<_> = (0..8)
            .map(|_| {
                let address = address.clone();
                tokio::spawn(async move { PostgresStore::open(&address).await })
            })
            .collect();
        for one in starting {
            one.await.unwrap().unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notes_are_seen_by_others_until_who_left_them_goes() {
    let server = Server::start();
    let (one, other) = (server.store("mesh").await.board().unwrap(), server.0.address("mesh"));
    let other = PostgresStore::open(&other).await.unwrap().board().unwrap();
    let note = |name: &str, value: Option<&str>| (name.to_owned(), value.map(str::to_owned));
    let left = |name: &str, value: Option<&str>| ("a".to_owned(), name.to_owned(), value.map(str::to_owned));

    assert!(!one.leave("a", &[note("x", Some("1")), note("y", Some("2"))]).await.unwrap(), "it is new");
    let seen = other.read("b", Notes::FIRST).await.unwrap();
    assert_eq!(seen.notes, [left("x", Some("1")), left("y", Some("2"))]);
    assert_eq!(seen.alive.iter().collect::<Vec<_>>(), ["a"]);
    assert_eq!(one.read("a", Notes::FIRST).await.unwrap().notes, [], "nobody reads what is its own");

    assert!(one.leave("a", &[note("y", None)]).await.unwrap(), "it is known");
    let since = other.read("b", seen.mark).await.unwrap();
    assert_eq!((since.notes, since.mark > seen.mark), (vec![left("y", None)], true));
    assert_eq!(other.read("b", since.mark).await.unwrap().notes, []);

    one.go("a").await.unwrap();
    let seen = other.read("b", Notes::FIRST).await.unwrap();
    assert_eq!((seen.notes, seen.alive.len()), (vec![], 0));
}

/// A standby without the last changes is promoted: the same revision is another state there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failover_revisions_are_of_another_life() {
    let mut server = Server::start();
    let store = server.store("mesh").await;
    let kept = put(&*store, &route("kept"), 1).await;
    server.0.crashes();
    let (data, standby) = (server.0.data(), server.0.data().with_file_name("standby"));
    let copied = Command::new("cp").arg("-a").args([&data, &standby]).status().unwrap();
    assert!(copied.success());
    server.0.comes_back();
    let lost = put(&*store, &route("lost"), 1).await;
    let before = store.list(&Selection::default()).await.unwrap();
    assert!(before.epoch.is_some());
    let mut watch = store.watch(lost).await.unwrap();
    assert_eq!(watch.epoch(), before.epoch.as_ref());

    // the standby has the changes up to `kept`, and is promoted
    server.0.crashes();
    std::fs::rename(&data, data.with_file_name("dead")).unwrap();
    std::fs::rename(&standby, &data).unwrap();
    let signal = data.join("standby.signal");
    std::fs::write(&signal, "").unwrap();
    let owner = std::fs::metadata(&data).unwrap().uid();
    chown(&signal, Some(owner), None).unwrap();
    server.0.comes_back();
    let promoted = command("pg_ctl").args(["promote", "-w", "-s", "-D"]).arg(&data).status().unwrap();
    assert!(promoted.success());
    let other = eventually_put(&store, "other").await;
    assert_eq!((kept.next(), other), (lost, lost), "one number for two states");

    let waited = timeout(PATIENCE, async {
        loop {
            match watch.next().await {
                Err(StoreError::TooOld { .. }) => return,
                Err(error) if error.retry_helps() => sleep(Duration::from_millis(50)).await,
                found => panic!("changes of another life: {found:?}"),
            }
        }
    });
    waited.await.unwrap();
    let now = store.list(&Selection::default()).await.unwrap();
    assert_ne!(now.epoch, before.epoch);
    assert_eq!(now.items.iter().map(|it| it.key.name.as_str()).collect::<Vec<_>>(), ["kept", "other"]);
}

/// Puts a route as soon as the database is reachable.
async fn eventually_put(store: &Arc<dyn Store>, name: &str) -> Revision {
    let key = route(name);
    let done = timeout(PATIENCE, async {
        loop {
            match store.put(&key, document(&key, 1), Expected::Any).await {
                Ok(written) => return written.stored.version,
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    });
    done.await.unwrap()
}
