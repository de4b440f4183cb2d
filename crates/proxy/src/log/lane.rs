//! Lanes: a bounded queue for each sink, and a thread that writes its lines, so that a slow or stuck sink only
//! costs its own lines.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender, TrySendError};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use l4::config::LogSink;

use super::outlet::Outlet;
use crate::guard::{Part, again, caught};

/// Limit on batches that wait for a sink: at 32 KiB each, 8 MiB at most.
const WAITING_BATCHES: usize = 256;
/// Interval between reports about dropped lines.
const REPORTS: Duration = Duration::from_secs(10);
/// Pause before a full queue is tried again at the end.
const PAUSE: Duration = Duration::from_millis(5);

/// Entry in the queue of a sink.
enum Entry {
    /// Whole lines, and their number.
    Lines(Vec<u8>, u64),
    /// Request to reopen the file.
    Reopen,
    /// Request to report when everything before this was written or given up.
    Done(Sender<()>),
}

/// Queue of a sink. Its thread ends when the last holder is gone and the rest is written.
pub(crate) struct Lane {
    queue: SyncSender<Entry>,
    dropped: Arc<AtomicU64>,
}

impl Lane {
    /// Starts the thread of a sink. When it ends, `alive` is dropped.
    pub(super) fn start(
        outlet: Outlet,
        waiting: usize,
        dropped: Arc<AtomicU64>,
        alive: impl Send + 'static,
    ) -> io::Result<Self> {
        let (queue, entries) = mpsc::sync_channel(waiting);
        let counter = Arc::clone(&dropped);
        let mut writer = Writer { outlet, dropped: counter, reported: None, lost: 0 };
        std::thread::Builder::new().name("proxy-log".into()).spawn(move || {
            again(Part::Log, || writer.write_all(&entries));
            drop(alive);
        })?;
        Ok(Self { queue, dropped })
    }

    /// Puts lines into the queue, or drops and counts them if it is full. Never blocks.
    pub(super) fn send(&self, bytes: Vec<u8>, lines: u64) {
        match self.queue.try_send(Entry::Lines(bytes, lines)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.dropped.fetch_add(lines, Relaxed);
            }
        }
    }

    /// Waits until everything in the queue was written or given up, at most until the given time.
    pub(super) fn finish(&self, until: Instant) {
        let (done, is_done) = mpsc::channel();
        let mut entry = Entry::Done(done);
        loop {
            match self.queue.try_send(entry) {
                Ok(()) => break,
                Err(TrySendError::Full(again)) if Instant::now() < until => entry = again,
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => return,
            }
            std::thread::sleep(PAUSE);
        }
        // in either case: everything was written, or it has taken too long
        let _ = is_done.recv_timeout(until.saturating_duration_since(Instant::now()));
    }
}

/// State of the thread of a lane.
struct Writer {
    outlet: Outlet,
    dropped: Arc<AtomicU64>,
    reported: Option<Instant>,
    /// Number of lines that were lost here and not reported yet.
    lost: u64,
}

impl Writer {
    fn write_all(&mut self, entries: &Receiver<Entry>) {
        for entry in entries {
            match entry {
                Entry::Lines(bytes, lines) => self.write(&bytes, lines),
                Entry::Reopen => self.outlet.reopen(),
                // the requester may have gone
                Entry::Done(done) => drop(done.send(())),
            }
        }
    }

    fn write(&mut self, bytes: &[u8], lines: u64) {
        let written = caught(Part::Log, || self.outlet.write(bytes)).unwrap_or(Err((lines, None)));
        let Err((lost, error)) = written else { return self.report() };
        self.dropped.fetch_add(lost.min(lines), Relaxed);
        self.lost += lost.min(lines);
        // an error of standard error can only be reported after it has recovered
        if let Some(error) = error
            && *self.outlet.sink() != LogSink::Stderr
        {
            let sink = self.outlet.sink();
            tracing::warn!(?sink, %error, "log lines cannot be written; trying again in a while");
            self.report();
        }
    }

    fn report(&mut self) {
        let is_quiet = self.reported.is_none_or(|reported| reported.elapsed() >= REPORTS);
        if self.lost > 0 && is_quiet {
            self.reported = Some(Instant::now());
            let lines = std::mem::take(&mut self.lost);
            tracing::warn!(sink = ?self.outlet.sink(), lines, "log lines were dropped");
        }
    }
}

/// Lanes of a proxy: one for each sink in use.
pub(crate) struct Lanes {
    lanes: Mutex<BTreeMap<LogSink, Weak<Lane>>>,
    dropped: Arc<AtomicU64>,
    living: Arc<Living>,
}

/// Number of threads that have not ended yet.
#[derive(Default)]
struct Living {
    count: Mutex<usize>,
    fewer: Condvar,
}

/// Token of one such thread.
struct Alive(Arc<Living>);

impl Drop for Alive {
    fn drop(&mut self) {
        *self.0.count.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.fewer.notify_all();
    }
}

impl Living {
    fn one(self: &Arc<Self>) -> Alive {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Alive(Arc::clone(self))
    }
}

impl Lanes {
    /// Creates the lanes, with only the proxy's own one: a file is opened at once.
    ///
    /// # Errors
    /// The file cannot be opened, or its thread cannot be started.
    pub(crate) fn new(own: Option<&LogSink>) -> io::Result<(Arc<Self>, Option<Arc<Lane>>)> {
        let (lanes, dropped, living) = Default::default();
        let lanes = Arc::new(Self { lanes, dropped, living });
        let own = own.map(|sink| lanes.start(Outlet::opened(sink.clone())?)).transpose()?;
        Ok((lanes, own))
    }

    /// Returns the lane to a sink. Without a thread for it, its lines are dropped and counted.
    pub(super) fn to(&self, sink: &LogSink) -> Arc<Lane> {
        let known = self.lock().get(sink).and_then(Weak::upgrade);
        known.or_else(|| self.start(Outlet::new(sink.clone())).ok()).unwrap_or_else(|| {
            let (queue, _) = mpsc::sync_channel(0);
            Arc::new(Lane { queue, dropped: Arc::clone(&self.dropped) })
        })
    }

    fn start(&self, outlet: Outlet) -> io::Result<Arc<Lane>> {
        let mut lanes = self.lock();
        lanes.retain(|_, lane| lane.strong_count() > 0);
        // two workers may have asked at once
        if let Some(known) = lanes.get(outlet.sink()).and_then(Weak::upgrade) {
            return Ok(known);
        }
        let sink = outlet.sink().clone();
        let lane = Lane::start(outlet, WAITING_BATCHES, Arc::clone(&self.dropped), self.living.one())?;
        let lane = Arc::new(lane);
        lanes.insert(sink, Arc::downgrade(&lane));
        Ok(lane)
    }

    /// Number of lines that could not be written.
    pub(crate) fn dropped(&self) -> &Arc<AtomicU64> {
        &self.dropped
    }

    /// Reopens files, as their paths may lead elsewhere now.
    pub(crate) fn reopen(&self) {
        for lane in self.lock().values().filter_map(Weak::upgrade) {
            // a full lane notices by itself within a second
            let _ = lane.queue.try_send(Entry::Reopen);
        }
    }

    /// Waits until everything is written, up to a limit. All holders of lanes have to be gone.
    pub(crate) fn finish(&self, patience: Duration) {
        let count = self.living.count.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.living.fewer.wait_timeout_while(count, patience, |count| *count > 0);
        drop(waited);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<LogSink, Weak<Lane>>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_that_cannot_keep_up_costs_lines_and_no_time() {
        let (queue, _entries) = mpsc::sync_channel(1);
        let lane = Lane { queue, dropped: Arc::default() };
        (0..3).for_each(|_| lane.send(b"line\n".to_vec(), 1));
        assert_eq!(lane.dropped.load(Relaxed), 2);
        let begun = Instant::now();
        lane.finish(begun + Duration::from_millis(20));
        assert!(begun.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_lane_ends_with_its_last_holder_and_takes_all_lines_along() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let sink = LogSink::File(path.to_str().unwrap().into());
        let (lanes, own) = Lanes::new(None).unwrap();
        assert!(own.is_none());
        let lane = lanes.to(&sink);
        assert!(Arc::ptr_eq(&lane, &lanes.to(&sink)), "one for each sink");
        lane.send(b"one\n".to_vec(), 1);
        drop(lane);
        lanes.finish(Duration::from_secs(60));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\n");
        assert_eq!(*lanes.living.count.lock().unwrap(), 0);
    }
}
