//! `meshtcp explain`: why the connections of one proxy go where they go.

use model::ProxyKey;

use crate::exit::Exit;
use crate::output::{self, Format, complain, print};
use crate::plan::{planned, unknown};
use crate::source::Source;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    source: Source,
    /// The proxy: NAME (of mesh `default`) or MESH/NAME
    #[arg(long, value_name = "NAME")]
    proxy: ProxyKey,
    /// Only this outbound: its port, or the service that it dials
    #[arg(long, value_name = "PORT|SERVICE")]
    outbound: Option<String>,
    /// How to print it: in words and as a tree, or for programs
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

pub(crate) fn run(Args { source, proxy, outbound, output: format }: Args) -> Exit {
    let compiled = match planned(&source, &proxy) {
        Ok(compiled) => compiled,
        Err(exit) => return exit,
    };
    let explain = |outbound: Option<&str>| plan::explain(&compiled.snapshot, &proxy, outbound);
    let Some(explanation) = explain(outbound.as_deref()) else { return unknown(&compiled, &proxy) };
    if let Some(wanted) = outbound.filter(|_| explanation.outbounds.is_empty()) {
        let all = explain(None).map(|all| all.outbounds).unwrap_or_default();
        let known: Vec<String> = all.iter().map(|it| format!("{} ({})", it.dials, it.name)).collect();
        let help = match known.as_slice() {
            [] => "it has no outbound".to_owned(),
            known => format!("there are {}", known.join(", ")),
        };
        complain(&format!("error: {proxy} has no outbound {wanted}\n  help: {help}\n"));
        return Exit::Problems;
    }
    print(&output::structured(format, &explanation).unwrap_or_else(|| explanation.to_string()));
    Exit::Ok
}
