use change::compile::{Compiler, PlanScope, ProxySelection};
use change::ramp::{Phase, RampAction};
use change::status::{Connection, StreamKind};
use change::{Content, Ledger, Options};
use dialect::envoy::EnvoyOptions;
use plan::{Context, ProxyId};
use xds::Family;

use super::*;
use crate::discovery::Statuses;
use crate::run::Current;
use crate::store::{Expected, MemoryStore, Store};
use crate::telemetry::Telemetry;

const PACE: Pace = Pace { looks: Duration::from_millis(10), writes: Duration::from_millis(50) };

const TOWN: &str = "
type: Mesh
name: default
---
type: Dataplane
mesh: default
name: web-1
networking:
  address: 10.0.0.1
  inbound: [{port: 80, tags: {kuma.io/service: web}}]
  outbound: [{port: 6379, tags: {kuma.io/service: redis}}]
---
type: MeshTCPRoute
mesh: default
name: split
spec:
  targetRef: {kind: Mesh}
  to:
    - targetRef: {kind: MeshService, name: redis}
      rules: [{default: {backendRefs: [{kind: MeshService, name: redis}, {kind: MeshService, name: redis-v2, weight: 0}]}}]
---
type: MeshTCPRollout
mesh: default
name: ramp
spec:
  targetRef: {kind: MeshTCPRoute, name: split}
  from: {kind: MeshService, name: redis}
  to: {kind: MeshService, name: redis-v2}
  steps: [{weight: 10}, {weight: 100}]
  minSamples: 0
";

/// Compiled state of a text, as the loop would publish it.
fn current(text: &str) -> Arc<Current> {
    let content = Content::read("town.yaml", text.as_bytes(), &Options::default());
    assert!(content.is_good(), "{:?}", content.problems);
    let ledger: Ledger = content.entries.into_iter().collect();
    let (context, scope) = (Context::default(), PlanScope { mesh: None, which: ProxySelection::All });
    let compiler = Compiler { context, scope, envoy: EnvoyOptions::default() };
    let compiled = Arc::new(compiler.compile(&ledger));
    Arc::new(Current { adopted: Some((ledger, compiled)), ..Current::default() })
}

fn key() -> ResourceKey {
    ResourceKey::new(model::Kind::MeshTCPRollout, "default", "ramp")
}

/// Store with a rollout, its state in force, and the job.
struct Job {
    store: Arc<dyn Store>,
    statuses: Arc<Statuses>,
    telemetry: Telemetry,
    in_force: watch::Sender<Arc<Current>>,
    _others: watch::Sender<Others>,
    task: tokio::task::JoinHandle<()>,
}

impl Job {
    async fn start() -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let whole = current(TOWN);
        let (ledger, _) = whole.adopted.as_ref().unwrap();
        let document = ledger.get(&key()).unwrap().document.value().clone();
        store.put(&key(), document, Expected::Any).await.unwrap();
        let (in_force, current) = watch::channel(whole);
        let (telemetry, statuses) = (Telemetry::default(), Arc::<Statuses>::default());
        let observer = Arc::new(RolloutObserver::new(current, telemetry.clone(), Arc::clone(&statuses)));
        let (others, heard) = watch::channel(Others::default());
        let task = tokio::spawn(keep_at(PACE, StatusStore::Store(Arc::clone(&store)), observer, heard));
        Self { store, statuses, telemetry, in_force, _others: others, task }
    }

    async fn ramp(&self) -> Option<Ramp> {
        Ramp::of_status(&self.store.get(&key()).await.unwrap().unwrap().document["status"])
    }

    /// Puts the content of the store in force, as the loop does.
    async fn adopt(&self) {
        let stored = self.store.get(&key()).await.unwrap().unwrap().document;
        let rollout = format!("---\n{stored}\n");
        let town = TOWN.split("---\ntype: MeshTCPRollout").next().unwrap_or_default();
        self.in_force.send_replace(current(&format!("{town}{rollout}")));
    }

    /// Waits for a status that satisfies the predicate, while the content of the store comes into force.
    async fn until(&self, what: &str, so: impl Fn(&Ramp) -> bool) -> Ramp {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let ramp = self.ramp().await;
            if let Some(ramp) = ramp.clone().filter(&so) {
                return ramp;
            }
            assert!(Instant::now() < deadline, "{what}: {ramp:?}");
            self.adopt().await;
            tokio::time::sleep(PACE.looks).await;
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn attached(dialect: Family) -> Connection {
    let (since, protocol) = (Timestamp::UNIX_EPOCH, StreamKind::Delta);
    let agent = String::new();
    Connection { since, protocol, dialect, peer: None, agent, kuma_dp: None, metadata: None }
}

fn web() -> ProxyId {
    ProxyId::dataplane("default", "web-1")
}

#[tokio::test]
async fn a_proxy_that_reports_nothing_is_waited_for() {
    let job = Job::start().await;
    let waits = |ramp: &Ramp| {
        ramp.step == 0
            && ramp.note.contains("not enough is seen: the counts of 1 proxy that has it are not known")
    };
    job.statuses.opened(&web(), attached(Family::Envoy));
    job.until("an Envoy is not seen", waits).await;
    // a proxy of ours takes its place, and reports
    job.statuses.opened(&web(), attached(Family::L4));
    job.until("it does not report yet", waits).await;
    let _reporter = job.telemetry.attach(web());
    job.until("it is seen", |ramp| ramp.phase == Phase::Finished).await;
}

#[tokio::test]
async fn what_is_asked_is_done_once_and_the_next_who_leads_goes_on() {
    let mut job = Job::start().await;
    job.statuses.opened(&web(), attached(Family::Envoy));
    job.until("it has begun", |ramp| !ramp.note.is_empty()).await;
    let mut stored = job.store.get(&key()).await.unwrap().unwrap().document;
    stored["status"]["asked"] = json!(RampRequest { to: RampAction::Pause, id: "one".into() });
    job.store.put(&key(), stored, Expected::Any).await.unwrap();
    let paused = job.until("it is paused", |ramp| ramp.phase == Phase::Paused).await;
    assert_eq!((paused.obeyed.as_str(), paused.asked.clone()), ("one", None));

    // another process takes the job over
    job.task.abort();
    let (_others, heard) = watch::channel(Others::default());
    let (telemetry, statuses) = (job.telemetry.clone(), Arc::clone(&job.statuses));
    let observer = Arc::new(RolloutObserver::new(job.in_force.subscribe(), telemetry, statuses));
    job.task = tokio::spawn(keep_at(PACE, StatusStore::Store(Arc::clone(&job.store)), observer, heard));
    let mut stored = job.store.get(&key()).await.unwrap().unwrap().document;
    stored["status"]["asked"] = json!(RampRequest { to: RampAction::Resume, id: "two".into() });
    job.store.put(&key(), stored, Expected::Any).await.unwrap();
    let resumed = job.until("it goes on", |ramp| ramp.phase == Phase::Progressing).await;
    assert_eq!(resumed.events.len(), paused.events.len() + 1, "and nothing was done twice");
}

#[tokio::test]
async fn a_route_that_is_deleted_under_a_rollout_holds_it_until_it_is_back() {
    let job = Job::start().await;
    job.statuses.opened(&web(), attached(Family::Envoy));
    job.until("it has begun", |ramp| !ramp.note.is_empty()).await;
    let stored = job.store.get(&key()).await.unwrap().unwrap().document;
    let without = TOWN.split("---\ntype: MeshTCPRoute").next().unwrap();
    job.in_force.send_replace(current(&format!("{without}---\n{stored}\n")));
    let deadline = Instant::now() + Duration::from_secs(30);
    let held = loop {
        if let Some(ramp) = job.ramp().await.filter(|ramp| ramp.phase == Phase::Held) {
            break ramp;
        }
        assert!(Instant::now() < deadline, "{:?}", job.ramp().await);
        tokio::time::sleep(PACE.looks).await;
    };
    assert!(held.note.contains("there is no MeshTCPRoute split"), "{held:?}");
    let back = job.until("the route is back", |ramp| ramp.phase == Phase::Progressing).await;
    assert_eq!((back.step, back.weight), (held.step, held.weight));
}

#[tokio::test]
async fn two_hundred_rollouts_go_on_at_once() {
    const COUNT: usize = 200;
    let mut text = TOWN
        .split("---\ntype: MeshTCPRoute")
        .next()
        .unwrap()
        .replace("  outbound: [{port: 6379, tags: {kuma.io/service: redis}}]\n", "  outbound:\n");
    text = text.trim_end().to_owned() + "\n";
    for at in 0..COUNT {
        text += &format!("    - {{port: {}, tags: {{kuma.io/service: redis-{at}}}}}\n", 10_000 + at);
    }
    let mut rollouts = Vec::new();
    for at in 0..COUNT {
        let [_, _, route, rollout] = <[&str; 4]>::try_from(TOWN.split("---\n").collect::<Vec<_>>()).unwrap();
        text += &format!(
            "---\n{}",
            route
                .replace("name: redis}", &format!("name: redis-{at}}}"))
                .replace("name: split", &format!("name: split-{at}"))
        );
        rollouts.push(
            rollout
                .replace("name: ramp", &format!("name: ramp-{at}"))
                .replace("name: split", &format!("name: split-{at}"))
                .replace("name: redis}", &format!("name: redis-{at}}}")),
        );
    }
    let whole = |documents: &[String]| current(&format!("{text}---\n{}", documents.join("---\n")));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let first = whole(&rollouts);
    let (ledger, _) = first.adopted.as_ref().unwrap();
    let entries = ledger.entries().filter(|(key, _)| key.kind == model::Kind::MeshTCPRollout);
    for (key, entry) in entries {
        store.put(key, entry.document.value().clone(), Expected::Any).await.unwrap();
    }
    let (in_force, seen) = watch::channel(first);
    let (telemetry, statuses) = (Telemetry::default(), Arc::<Statuses>::default());
    let _reporter = telemetry.attach(web());
    let observer = Arc::new(RolloutObserver::new(seen, telemetry, statuses));
    let (_others, heard) = watch::channel(Others::default());
    let task = tokio::spawn(keep_at(PACE, StatusStore::Store(Arc::clone(&store)), observer, heard));
    let begun = Instant::now();
    loop {
        let selection = crate::store::Selection::of_kind(model::Kind::MeshTCPRollout);
        let items = store.list(&selection).await.unwrap().items;
        let over = items.iter().filter(|it| it.document["status"]["phase"] == "Finished").count();
        if over == COUNT {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{over} of {COUNT} are over");
        in_force
            .send_replace(whole(&items.iter().map(|it| format!("{}\n", it.document)).collect::<Vec<_>>()));
        tokio::time::sleep(PACE.looks).await;
    }
    task.abort();
}
