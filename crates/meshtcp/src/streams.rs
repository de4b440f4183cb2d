//! Standard streams of servers: a stopped pager or a stalled journal costs lines of output, but blocks neither a change
//! nor the end of the process.

use std::fmt;
use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use proxy::StandardStream;

/// Timeout for writing the last lines.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Standard output and standard error of the process, if they are queued.
static QUEUED: OnceLock<Streams> = OnceLock::new();

/// Both streams, each with a thread of its own.
pub(crate) struct Streams {
    output: StandardStream,
    error: StandardStream,
}

/// Queues all output from now on, so that no writer waits for a reader. Without threads for that, output stays direct.
pub(crate) fn queue() {
    if let (Ok(output), Ok(error)) = (StandardStream::output(), StandardStream::error()) {
        QUEUED.get_or_init(|| Streams { output, error });
    }
}

/// Queued streams; `None`: output is direct.
pub(crate) fn queued() -> Option<&'static Streams> {
    QUEUED.get()
}

/// Writes the waiting lines, before the process ends.
pub(crate) fn finish() {
    if let Some(Streams { output, error }) = queued() {
        output.finish(LAST_LINES);
        error.finish(LAST_LINES);
    }
}

impl Streams {
    /// Prints to standard output, with colours on a terminal.
    pub(crate) fn output(&self, text: &str) {
        self.output.write(drawn(text, AutoStream::choice(&io::stdout())));
    }

    /// Prints to standard error, with colours on a terminal.
    pub(crate) fn error(&self, text: &str) {
        self.error.write(drawn(text, AutoStream::choice(&io::stderr())));
    }
}

fn drawn(text: &str, colours: ColorChoice) -> String {
    match colours {
        ColorChoice::Never => anstream::adapter::strip_str(text).to_string(),
        ColorChoice::Auto | ColorChoice::AlwaysAnsi | ColorChoice::Always => text.to_owned(),
    }
}

/// Standard error for diagnostics: a whole event per write.
pub(crate) struct Diagnostics;

impl io::Write for Diagnostics {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match queued() {
            Some(streams) => {
                streams.error.write(bytes);
                Ok(bytes.len())
            }
            None => io::stderr().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Number of lines dropped because no reader took them, for a registry. `prefix`: prefix of the name if the registry
/// adds none.
#[derive(Debug)]
pub(crate) struct Dropped {
    prefix: &'static str,
}

impl Dropped {
    pub(crate) fn new(prefix: &'static str) -> Self {
        Self { prefix }
    }
}

impl Collector for Dropped {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(Streams { output, error }) = queued() else { return Ok(()) };
        let help = "Lines for standard output or standard error that were dropped, as nobody read them";
        let name = format!("{}output_lines_dropped", self.prefix);
        let kind = ConstCounter::new(0u64).metric_type();
        let mut family = encoder.encode_descriptor(&name, help, None, kind)?;
        for (stream, dropped) in [("stdout", output.dropped()), ("stderr", error.dropped())] {
            ConstCounter::new(dropped).encode(family.encode_family(&[("stream", stream)])?)?;
        }
        Ok(())
    }
}
