//! Listening connection: it wakes readers, and holds the lock of the leader.

use std::future::poll_fn;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{sleep, timeout};
use tokio_postgres::{AsyncMessage, Error};

use super::{CHANNEL, Database};
use crate::guard::task_again;

/// Interval at which the lead is requested and the connection is checked.
const BEAT: Duration = Duration::from_secs(1);
/// Limit on the wait for an answer before the connection is given up.
const PATIENCE: Duration = Duration::from_secs(5);
/// Lock of the leader, held as long as its connection lives ("meshlead" in ASCII).
const LEAD: &str = "SELECT pg_try_advisory_lock(x'6d6573686c656164'::bigint)";

/// Setting of the connection: a process that says nothing any more, as when its machine is paused, leads no longer.
const LEAD_ENDS: &str = "SET idle_session_timeout = '15s'";

/// Task that listens as long as this lives.
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

    /// Changes whenever the store may have changed.
    pub(super) fn heard(&self) -> watch::Receiver<u64> {
        self.heard.subscribe()
    }

    /// Returns the lead of this process.
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
        // its error is reported by the next query, which uses another connection
        let _ = one_connection(database, heard, leads).await;
        leads.send_replace(false);
        // readers query, and learn that the database is unreachable
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
        // PostgreSQL has it since 14; with an older one only the end of the connection ends the lead
        let _ = client.batch_execute(LEAD_ENDS).await;
        client.batch_execute(&format!("LISTEN {CHANNEL}")).await?;
        // something may have been missed before
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
