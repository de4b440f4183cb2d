//! `meshtcp explain`: reasons why the connections of one proxy, or one connection, go where they go.

mod connection;
mod field;

use std::fmt;
use std::path::PathBuf;

use change::Permitted;
use change::compile::Compiled;
use change::preview::State;
use plan::{Explanation, OutboundExplanation, ProxyId};
use serde::Serialize;

use crate::exit::Exit;
use crate::in_force::InForce;
use crate::names::WrittenProxy;
use crate::output::{self, Format, complain, print};
use crate::plan::{in_each_dialect, unknown};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    /// Files and folders of resources; none: ask the control plane
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    in_force: InForce,
    /// The proxy: NAME, in the mesh that is meant, or MESH/NAME
    #[arg(long, visible_alias = "from", value_name = "NAME", required = true)]
    proxy: Option<WrittenProxy>,
    /// Only this outbound: its port, the service that it dials, or SERVICE:PORT. Of a service, and of a Dataplane by NAME
    /// or MESH/NAME, also whether the proxy may connect to it, who both prove to be, and whether either refuses the other
    #[arg(long, visible_alias = "to", value_name = "PORT|SERVICE|NAME")]
    outbound: Option<String>,
    /// How to print it: in words and as a tree, or for programs
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
    #[command(subcommand)]
    which: Option<Subject>,
}

#[derive(Debug, clap::Subcommand)]
enum Subject {
    /// Say why one connection went where it went: which policy and rule, the draw, and the split that it fell into
    Connection(Box<connection::Args>),
    /// Say what may stand at a place of a document, and in which releases
    Field(field::Args),
}

pub(crate) fn run(Args { paths, in_force, proxy, outbound, output: format, which }: Args) -> Exit {
    match which {
        Some(Subject::Connection(arguments)) => return connection::run(*arguments),
        Some(Subject::Field(arguments)) => return field::run(arguments),
        None => {}
    }
    let Some(proxy) = proxy else { return Exit::Usage };
    let state = in_force.mesh().and_then(|mesh| Ok((proxy.in_mesh(&mesh), in_force.load_or(&paths)?)));
    let (proxy, compiled) = match state {
        Ok((proxy, State { ledger: _, compiled })) => (proxy, compiled),
        Err(exit) => return exit,
    };
    let place = if paths.is_empty() { in_force.in_words() } else { "these files" };
    let explain = |outbound: Option<&str>| explained(&compiled, &proxy, outbound);
    let Some(all) = explain(None) else { return unknown(&compiled, &proxy, place) };
    let permitted = match outbound.as_deref() {
        None => Vec::new(),
        Some(wanted) => change::permitted(&compiled, &proxy, wanted),
    };
    let explanation = match outbound.as_deref() {
        None => all.clone(),
        Some(wanted) => {
            asked(wanted, &explain).unwrap_or_else(|| Explanation { outbounds: Vec::new(), ..all.clone() })
        }
    };
    let says_nothing = explanation.outbounds.is_empty() && permitted.is_empty();
    if let Some(wanted) = outbound.filter(|_| says_nothing) {
        let known: Vec<String> =
            all.outbounds.iter().map(|it| format!("{} ({})", it.dials, it.name)).collect();
        let help = match known.as_slice() {
            [] => "it has no outbound".to_owned(),
            known => format!("there are {}", known.join(", ")),
        };
        complain(&format!("error: {proxy} has no outbound {wanted}\n  help: {help}\n"));
        return Exit::Problems;
    }
    let answer = Answer { explanation, permitted };
    print(&output::structured(format, &answer).unwrap_or_else(|| answer.to_string()));
    Exit::Ok
}

/// Destinations of connections, and the permissions to reach them.
#[derive(Debug, Serialize)]
struct Answer {
    #[serde(flatten)]
    explanation: Explanation,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    permitted: Vec<Permitted>,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { explanation, permitted } = self;
        if !explanation.outbounds.is_empty() || permitted.is_empty() {
            write!(f, "{explanation}")?;
        }
        permitted.iter().try_for_each(|permitted| {
            writeln!(f, "{permitted}")?;
            permitted.handshake.iter().try_for_each(|handshake| writeln!(f, "{handshake}"))
        })
    }
}

/// Explanation of a proxy's behaviour, with warnings about what each type of proxy cannot do of it.
pub(crate) fn explained(compiled: &Compiled, proxy: &ProxyId, outbound: Option<&str>) -> Option<Explanation> {
    let mut explanation = plan::explain(&compiled.snapshot, proxy.as_dataplane()?, outbound)?;
    let told = compiled.proxies.get(proxy).map(|proxy| &*proxy.told);
    explanation.warnings.extend(told.into_iter().flat_map(in_each_dialect));
    Some(explanation)
}

/// Explanation of an outbound, found by its name, port or service, or else by `SERVICE:PORT`.
fn asked(wanted: &str, explain: &dyn Fn(Option<&str>) -> Option<Explanation>) -> Option<Explanation> {
    let found = explain(Some(wanted)).filter(|found| !found.outbounds.is_empty());
    found.or_else(|| {
        let (service, port) = wanted.rsplit_once(':')?;
        let mut found = explain(Some(service))?;
        // services that only tags name have no ports of their own: the name is enough
        let fits = |it: &OutboundExplanation| {
            it.dials.ends_with(&format!(" port {port}")) || it.dials.contains("kuma.io/service=")
        };
        found.outbounds.retain(fits);
        Some(found)
    })
}
