use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use change::Revision;
use change::certificates::CertificateRow;
use change::replica::AttachedProxy;
use plan::ProxyId;

use super::*;

/// Board in memory, whose processes live until they go.
#[derive(Debug, Default)]
struct Wall(Mutex<Written>);

#[derive(Debug, Default)]
struct Written {
    mark: i64,
    alive: BTreeSet<String>,
    notes: BTreeMap<(String, String), (i64, Option<String>)>,
}

impl Wall {
    fn written(&self) -> std::sync::MutexGuard<'_, Written> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Board for Wall {
    async fn leave(&self, who: &str, notes: &[(String, Option<String>)]) -> Result<bool, StoreError> {
        let mut written = self.written();
        for (name, value) in notes {
            written.mark += 1;
            let mark = written.mark;
            written.notes.insert((who.to_owned(), name.clone()), (mark, value.clone()));
        }
        Ok(!written.alive.insert(who.to_owned()))
    }

    async fn read(&self, who: &str, since: i64) -> Result<Notes, StoreError> {
        let written = self.written();
        let notes = written.notes.iter().filter(|((by, _), (mark, _))| by != who && *mark > since);
        Ok(Notes {
            mark: written.mark,
            notes: notes.map(|((by, name), (_, value))| (by.clone(), name.clone(), value.clone())).collect(),
            alive: written.alive.iter().filter(|by| *by != who).cloned().collect(),
        })
    }

    async fn go(&self, who: &str) -> Result<(), StoreError> {
        let mut written = self.written();
        written.alive.remove(who);
        written.notes.retain(|(by, _), _| by != who);
        Ok(())
    }
}

fn replica(name: &str, revision: u64, proxies: &[&str]) -> Replica {
    let account = |name: &&str| (ProxyId::dataplane("default", *name), Arc::new(AttachedProxy::default()));
    Replica {
        revision: Revision::new(revision),
        proxies: proxies.iter().map(account).collect(),
        ..Replica::new(name.into())
    }
}

/// Control plane on a board: its own state, and what it receives.
struct One {
    own: Arc<Mutex<Replica>>,
    heard: watch::Receiver<Others>,
    closing: CancellationToken,
}

impl One {
    fn on(wall: &Arc<Wall>, own: Replica) -> Self {
        let (own, (others, heard)) = (Arc::new(Mutex::new(own)), watch::channel(Others::default()));
        let (closing, says) = (CancellationToken::new(), Arc::clone(&own));
        let board: Arc<dyn Board> = Arc::clone(wall) as _;
        let says = move |last: Option<&Replica>| {
            let now = says.lock().unwrap_or_else(PoisonError::into_inner).clone();
            (last != Some(&now)).then(|| (now.clone(), now))
        };
        tokio::spawn(exchange_every(Duration::from_millis(2), board, says, others, closing.clone()));
        Self { own, heard, closing }
    }

    async fn hears(&mut self, wanted: &[Replica]) {
        let heard = self.heard.wait_for(|others| *others.replicas == wanted);
        let heard = timeout(Duration::from_mins(1), heard).await.map(|_| ());
        heard.unwrap_or_else(|_| panic!("{:?} is not {wanted:?}", self.heard.borrow()));
    }
}

#[tokio::test]
async fn control_planes_hear_of_each_others_proxies_until_they_go() {
    let wall = Arc::new(Wall::default());
    let (first, second) = (replica("cp-1", 1, &["web-1"]), replica("cp-2", 1, &[]));
    let mut one = One::on(&wall, first.clone());
    let mut two = One::on(&wall, second.clone());
    one.hears(&[second]).await;
    two.hears(&[first]).await;

    // a proxy leaves the one and attaches to the other, which is at a later revision, and makes its certificate
    let (first, mut second) = (replica("cp-1", 1, &[]), replica("cp-2", 2, &["web-1"]));
    let row = CertificateRow {
        mesh: "default".into(),
        name: "web-1".into(),
        control_plane: Some("cp-2".into()),
        authority: "mesh CA".into(),
        uris: Vec::new(),
        serial: Some("07".into()),
        made: None,
        ends: None,
        renews: None,
        made_count: 1,
        why: None,
    };
    second.certificates.insert("default/web-1".into(), Arc::new(row));
    *one.own.lock().unwrap() = first.clone();
    *two.own.lock().unwrap() = second.clone();
    one.hears(std::slice::from_ref(&second)).await;
    two.hears(&[first]).await;

    // a board that has lost everything is written again
    *wall.written() = Written { mark: 0, ..Written::default() };
    one.hears(&[]).await;
    one.hears(&[second]).await;

    two.closing.cancel();
    one.hears(&[]).await;
}
