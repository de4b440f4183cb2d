//! Panics of any thread: reported in one line, and counted. Recovery is not decided here.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt;
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;

use crate::output::complain;

/// Number of panics of the process. A panic ends a thread of it, or would.
static SEEN: AtomicU64 = AtomicU64::new(0);

/// Reports and counts panics from now on.
pub(crate) fn watch() {
    std::panic::set_hook(Box::new(seen));
    #[cfg(debug_assertions)]
    tripped();
}

fn seen(panic: &PanicHookInfo<'_>) {
    SEEN.fetch_add(1, Relaxed);
    let thread = std::thread::current();
    let at = panic.location().map(ToString::to_string).unwrap_or_default();
    let why = panic.payload_as_str().unwrap_or_default();
    tracing::error!(thread = thread.name().unwrap_or_default(), at, "panicked: {why}");
    // captured only with RUST_BACKTRACE
    let trace = Backtrace::capture();
    if trace.status() == BacktraceStatus::Captured {
        complain(&format!("{trace}\n"));
    }
}

/// Number of panics, for a registry. `prefix`: prefix of the name if the registry adds none.
#[derive(Debug)]
pub(crate) struct Panics {
    prefix: &'static str,
}

impl Panics {
    pub(crate) fn new(prefix: &'static str) -> Self {
        Self { prefix }
    }
}

impl Collector for Panics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let seen = ConstCounter::new(SEEN.load(Relaxed));
        let help = "Panics in this process; all but those of workers were caught";
        let name = format!("{}panics", self.prefix);
        let kind = seen.metric_type();
        seen.encode(encoder.encode_descriptor(&name, help, None, kind)?)
    }
}

/// Makes parts of the program panic whose names appear in the file that `MESHTCP_TRIP` names; for tests.
#[cfg(debug_assertions)]
fn tripped() {
    let Some(file) = std::env::var_os("MESHTCP_TRIP") else { return };
    let follow = move || {
        let mut known = 0;
        loop {
            let names = std::fs::read_to_string(&file).unwrap_or_default();
            for name in names.lines().skip(known) {
                known += 1;
                control::guard::trip::wire(name);
                proxy::guard::trip::wire(name);
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    };
    // without the thread, only the tests that need it fail
    let _ = std::thread::Builder::new().name("trip".into()).spawn(follow);
}
