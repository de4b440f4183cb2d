//! Our own diagnostics: for whoever looks into the program, on standard error, warnings and up unless asked.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts writing diagnostics, as `MESHTCP_LOG` asks (e.g. `debug`, `meshtcp_proxy=trace`).
pub(crate) fn start() {
    let filter = EnvFilter::try_from_env("MESHTCP_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colours)
        .without_time()
        .with_target(false)
        .init();
}
