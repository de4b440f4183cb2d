//! Exporter to a collector, asynchronous: no caller waits for it.

mod batches;
mod lines;
mod printed;
mod queue;
mod sender;

use std::fmt;
use std::io;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span as SpanMessage;
use tokio::sync::mpsc as channel;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::collector::{Collector, Sender, SystemTrust};
use crate::counts::ExportCounts;
use crate::sampler::Sampler;
use crate::settings::{Logs, Settings, Target, Traces};
use crate::signal::Signal;
use crate::span::{Id, Span};
use queue::Queue;
use sender::SignalSender;

/// Limit on batches of lines that wait to be parsed: at 32 KiB each, 8 MiB at most.
const WAITING_BATCHES: usize = 256;
/// Limit on the time of the last export when the process shuts down.
const LAST_THINGS: Duration = Duration::from_secs(2);

/// Sink for lines of the connection log: JSON, each with its line break, and the number of lines. It never blocks.
pub type Lines = Arc<dyn Fn(Vec<u8>, u64) + Send + Sync>;

/// Exporter to a collector. Cloning shares it.
#[derive(Clone, Default)]
pub struct Exporter {
    counts: ExportCounts,
    /// Running export; `None`: nothing is exported.
    running: Option<Arc<Running>>,
}

struct Running {
    told: Arc<Queues>,
    /// Signal that the process shuts down.
    stop: CancellationToken,
    /// Signal that everything was exported.
    done: Mutex<Receiver<()>>,
}

/// Queues of the exporter.
struct Queues {
    since: Timestamp,
    spans: Option<(Sampler, Queue<SpanMessage>)>,
    records: Option<Queue<LogRecord>>,
    lines: channel::Sender<(Vec<u8>, u64)>,
    /// Printer of metrics, once there are any.
    print: OnceLock<Box<dyn Fn() -> String + Send + Sync>>,
    counts: ExportCounts,
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").field("is_running", &self.running.is_some()).finish_non_exhaustive()
    }
}

/// Connections to the collectors.
struct Collectors {
    traces: Option<Collector>,
    metrics: Option<Collector>,
    logs: Option<Collector>,
}

impl Exporter {
    /// Starts the export that the settings ask for; without settings, nothing is exported. `since`: begin of counting;
    /// `system`: source of the system's trusted certificates, in PEM.
    ///
    /// # Errors
    /// In words: a certificate or a key cannot be used, or a thread cannot be started.
    pub fn start(
        settings: Option<Settings>,
        since: Timestamp,
        system: SystemTrust<'_>,
    ) -> Result<Self, String> {
        let Some(settings) = settings else { return Ok(Self::default()) };
        let counts = ExportCounts::default();
        let at = |target: Option<&Target>| target.map(|target| Collector::at(target, system)).transpose();
        let ways = Collectors {
            traces: at(settings.traces.as_ref().map(|it| &it.target))?,
            metrics: at(settings.metrics.as_ref().map(|it| &it.target))?,
            logs: at(settings.logs.as_ref().map(|it| &it.target))?,
        };
        let (lines, received) = channel::channel(WAITING_BATCHES);
        let spans = settings.traces.as_ref();
        let told = Arc::new(Queues {
            since,
            spans: spans.map(|Traces { sampler, batches, .. }| (*sampler, Queue::new(*batches))),
            records: settings.logs.as_ref().map(|Logs { batches, .. }| Queue::new(*batches)),
            lines,
            print: OnceLock::new(),
            counts: counts.clone(),
        });
        let stop = CancellationToken::new();
        let (done, is_done) = mpsc::channel();
        let work = tell(settings, ways, Arc::clone(&told), received, stop.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| no_thread(&error))?;
        let thread = std::thread::Builder::new().name("otlp".to_owned()).spawn(move || {
            runtime.block_on(work);
            // the receiver may be gone
            let _ = done.send(());
            runtime.shutdown_background();
        });
        thread.map_err(|error| no_thread(&error))?;
        Ok(Self { counts, running: Some(Arc::new(Running { told, stop, done: Mutex::new(is_done) })) })
    }

    /// Counters of the export, for a registry.
    pub fn counts(&self) -> &ExportCounts {
        &self.counts
    }

    /// Sink for lines of connections; `None`: they are not exported.
    pub fn lines(&self) -> Option<Lines> {
        let told = Arc::clone(&self.running.as_ref()?.told);
        let wants = told.records.is_some() || told.takes_spans();
        wants.then(|| -> Lines {
            Arc::new(move |lines, number| {
                if told.lines.try_send((lines, number)).is_err() {
                    told.dropped(number);
                }
            })
        })
    }

    /// Returns `true` if a span may be exported.
    pub fn takes_spans(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.told.takes_spans())
    }

    /// Exports a span with its parts, if its trace is sampled.
    pub fn span(&self, span: impl FnOnce() -> Span) {
        if let Some(running) = &self.running {
            running.told.span(span);
        }
    }

    /// Sets the printer of metrics, in OpenMetrics, and begins to export them. Later calls have no effect.
    pub fn prints(&self, print: impl Fn() -> String + Send + Sync + 'static) {
        if let Some(running) = &self.running {
            // a printer is already set
            let _ = running.told.print.set(Box::new(print));
        }
    }

    /// Exports what is queued, within two seconds. Nothing is exported afterwards.
    pub fn finish(&self) {
        if let Some(Running { told: _, stop, done }) = self.running.as_deref() {
            stop.cancel();
            let done = done.lock().unwrap_or_else(PoisonError::into_inner);
            // a collector that does not accept it in time does not get it
            let _ = done.recv_timeout(LAST_THINGS);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Queues {
    /// Returns `true` if a span may be exported.
    fn takes_spans(&self) -> bool {
        self.spans.as_ref().is_some_and(|(sampler, _)| *sampler != Sampler::None)
    }

    /// Begins a new trace; `None`: it is not sampled.
    fn trace(&self) -> Option<(Id, &Queue<SpanMessage>)> {
        let (sampler, queue) = self.spans.as_ref()?;
        let id = Id::fresh();
        sampler.takes(id.trace).then_some((id, queue))
    }

    fn span(&self, span: impl FnOnce() -> Span) {
        if let Some((id, queue)) = self.trace() {
            for message in span().messages(id) {
                self.push(queue, message, Signal::Traces);
            }
        }
    }

    fn push<T>(&self, queue: &Queue<T>, item: T, signal: Signal) {
        if !queue.push(item) {
            self.counts.dropped(signal, 1);
        }
    }

    /// Counts lines that were dropped without being parsed.
    fn dropped(&self, lines: u64) {
        if self.records.is_some() {
            self.counts.dropped(Signal::Logs, lines);
        }
        if self.takes_spans() {
            self.counts.dropped(Signal::Traces, lines);
        }
    }
}

fn no_thread(error: &io::Error) -> String {
    format!("there is no thread to tell a collector: {error}")
}

/// Exports everything until the process shuts down.
async fn tell(
    settings: Settings,
    ways: Collectors,
    told: Arc<Queues>,
    received: channel::Receiver<(Vec<u8>, u64)>,
    stop: CancellationToken,
) {
    let Settings { resource, traces, metrics, logs } = settings;
    let sender = Arc::new(Sender::new(resource));
    let signal_sender =
        |signal, collector| SignalSender::new(signal, collector, told.counts.clone(), stop.clone());
    // no further items come
    let complete = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(lines::read(received, Arc::clone(&told), stop.clone(), complete.clone()));
    if let Some((Traces { batches, .. }, collector)) = traces.zip(ways.traces) {
        let (told, sender, signal_sender) =
            (Arc::clone(&told), Arc::clone(&sender), signal_sender(Signal::Traces, collector));
        let complete = complete.clone();
        tasks.spawn(async move {
            let Some((_, queue)) = &told.spans else { return };
            batches::tell(queue, batches, signal_sender, |spans| sender.traces(spans), complete).await;
        });
    }
    if let Some((Logs { batches, .. }, collector)) = logs.zip(ways.logs) {
        let (told, sender, signal_sender) =
            (Arc::clone(&told), Arc::clone(&sender), signal_sender(Signal::Logs, collector));
        tasks.spawn(async move {
            let Some(queue) = &told.records else { return };
            batches::tell(queue, batches, signal_sender, |records| sender.logs(records), complete).await;
        });
    }
    if let Some((metrics, collector)) = metrics.zip(ways.metrics) {
        let signal_sender = signal_sender(Signal::Metrics, collector);
        tasks.spawn(printed::tell(metrics.interval, told, sender, signal_sender, stop));
    }
    // a panic in one of them was reported, and the others go on
    while tasks.join_next().await.is_some() {}
}
