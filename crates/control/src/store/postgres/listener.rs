//! A connection that listens: it wakes readers, and holds the lock of the one that leads.

use std::future::poll_fn;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{sleep, timeout};
use tokio_postgres::{AsyncMessage, Error};

use super::{CHANNEL, Database};
use crate::guard::task_again;

/// How often it is asked for the lead, and whether the connection lives.
const BEAT: Duration = Duration::from_secs(1);
/// How long an answer may take before the connection is given up.
const PATIENCE: Duration = Duration::from_secs(5);
/// The lock of the one that leads, held as long as its connection lives ("meshlead" in ASCII).
const LEAD: &str = "SELECT pg_try_advisory_lock(x'6d6573686c656164'::bigint)";

/// A task that listens as long as this lives.
pub(super) struct Listener {
    heard: watch::Sender<u64>,
    leads: watch::Sender<bool>,
    task: AbortHandle,
}

impl Listener {
    pub(super) fn start(database: Database) -> Self {
        let (heard, leads) = (watch::Sender::new(0), watch::Sender::new(false));
        let task: JoinHandle<()> = tokio::spawn(listen_again(database, heard.clone(), leads.clone()));
        Self { heard, leads, task: task.abort_handle() }
    }

    /// Changes whenever something may have changed.
    pub(super) fn heard(&self) -> watch::Receiver<u64> {
        self.heard.subscribe()
    }

    /// Whether this process leads.
    pub(super) fn leads(&self) -> watch::Receiver<bool> {
        self.leads.subscribe()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen_again(database: Database, heard: watch::Sender<u64>, leads: watch::Sender<bool>) {
    task_again("store-listener", || listen(&database, &heard, &leads)).await;
}

async fn listen(database: &Database, heard: &watch::Sender<u64>, leads: &watch::Sender<bool>) {
    loop {
        // what ended it is told by the next question, which goes over another connection
        let _ = one_connection(database, heard, leads).await;
        leads.send_replace(false);
        // readers ask, and learn that the database is away
        heard.send_modify(|count| *count += 1);
        sleep(BEAT).await;
    }
}

/// Listens on one connection until it ends.
async fn one_connection(
    database: &Database,
    heard: &watch::Sender<u64>,
    leads: &watch::Sender<bool>,
) -> Result<(), Error> {
    let (client, mut connection) = database.config.connect(database.tls.clone()).await?;
    let wake = heard.clone();
    let messages = async move {
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notification(_) = message {
                wake.send_modify(|count| *count += 1);
            }
        }
    };
    let beats = async {
        client.batch_execute(&format!("LISTEN {CHANNEL}")).await?;
        // whatever was missed before
        heard.send_modify(|count| *count += 1);
        loop {
            let question = if *leads.borrow() { "SELECT true" } else { LEAD };
            let Ok(answer) = timeout(PATIENCE, client.query_one(question, &[])).await else { return Ok(()) };
            let leading: bool = answer?.try_get(0)?;
            leads.send_if_modified(|lead| std::mem::replace(lead, leading) != leading);
            sleep(BEAT).await;
        }
    };
    tokio::select! {
        () = messages => Ok(()),
        ended = beats => ended,
    }
}
