//! Workers of a proxy: their number, and their CPUs.

use std::num::NonZeroUsize;

use proxy::{Options, Pinning, Proxy};
use serde_json::{Value, json};

use crate::listen;
use crate::output::complain;

/// Event loops that carry connections.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Workers {
    /// How many event loops carry connections; default: one a processor
    #[arg(long, value_name = "N", value_parser = listen::workers)]
    workers: Option<NonZeroUsize>,
    /// Keep each event loop on a processor, and have it accept the connections of clients on that processor, unless it has far more
    /// than the others
    #[arg(long)]
    pin_workers: bool,
}

impl Workers {
    /// Adds them to the options of a proxy.
    pub(crate) fn within(self, options: Options) -> Options {
        let Self { workers, pin_workers } = self;
        Options { threads: workers, pin_workers, ..options }
    }
}

/// Warns if workers were to be pinned, and this host does not permit it.
pub(crate) fn warn(proxy: &Proxy) {
    if let Pinning::Unavailable(why) = proxy.pinning() {
        complain(&format!(
            "warning: --pin-workers does nothing here, connections arrive at any worker: {why}\n"
        ));
    }
}

/// Pinning of the workers, as reported by admin servers: the processor of each, or the reason why they are not pinned;
/// `null`: it was not requested.
pub(crate) fn report(proxy: &Proxy) -> Value {
    match proxy.pinning() {
        Pinning::Off => Value::Null,
        Pinning::On(cpus) => json!({ "cpus": cpus, "why": null }),
        Pinning::Unavailable(why) => json!({ "cpus": null, "why": why }),
    }
}
