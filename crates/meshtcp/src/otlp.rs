//! OpenTelemetry export, configured by the usual environment variables.

use std::sync::Arc;

use ::otlp::{Exporter, Reading, Settings};
use jiff::Timestamp;
use prometheus_client::registry::Registry;
use proxy::ConnectionLines;

use crate::host;
use crate::output::complain;
use crate::pages::open_metrics;
use crate::trust::Trusted;

/// Starts the export that the environment asks for; none by default. Invalid settings are reported, and the command
/// goes on.
pub(crate) fn start(command: &str) -> Exporter {
    let read = |name: &str| std::env::var(name).ok();
    let Reading { settings, warnings } = Settings::read(&read, &format!("meshtcp-{command}"));
    warnings.iter().for_each(|warning| complain(&format!("warning: {warning}\n")));
    let settings = settings.map(|settings| settings.described(own(command)));
    let system = || Trusted::read(None).map(|Trusted { pem, .. }| pem);
    Exporter::start(settings, Timestamp::now(), &system).unwrap_or_else(|why| {
        complain(&format!("warning: no OpenTelemetry collector is told anything: {why}\n"));
        Exporter::default()
    })
}

/// Exports the metrics of a registry from now on.
pub(crate) fn print(exporter: &Exporter, registry: &Arc<Registry>) {
    let registry = Arc::clone(registry);
    exporter.prints(move || open_metrics(&registry).unwrap_or_default());
}

/// Exporter of connection log lines; `None`: they are not exported.
pub(crate) fn connection_lines(exporter: &Exporter) -> Option<ConnectionLines> {
    exporter.lines().map(ConnectionLines::to)
}

/// Resource attributes of this process.
fn own(command: &str) -> Vec<(&'static str, String)> {
    let (host, process) = (host::name(), std::process::id());
    let at = host.as_deref().unwrap_or("localhost");
    let instance = format!("{at}#{process}");
    let mut own = vec![
        ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("service.instance.id", instance),
        ("process.pid", process.to_string()),
        ("process.command", command.to_owned()),
    ];
    own.extend(host.map(|host| ("host.name", host)));
    own
}
