//! `meshtcp simulate`: destinations of connections under a change, by the decisions of the proxy itself.

mod run;

use std::collections::BTreeSet;
use std::path::PathBuf;

use change::preview::{State, overlay};
use dialect::envoy::EnvoyOptions;
use run::{Arrival, Simulation};

use crate::exit::Exit;
use crate::in_force::InForce;
use crate::logs::{Record, records};
use crate::names::WrittenProxy;
use crate::output::{self, Format, complain, print};
use crate::proposal::{Files, Proposed};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    in_force: InForce,
    /// Replay the connections of this connection log, each with its own draw
    #[arg(long, value_name = "FILE", conflicts_with = "connections")]
    log: Option<PathBuf>,
    /// How many connections to invent for each outbound, when there is no log
    #[arg(long, value_name = "N", default_value_t = 1000)]
    connections: u32,
    /// What invented connections begin from: the same seed, the same connections
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Only this proxy: NAME, in the mesh that is meant, or MESH/NAME
    #[arg(long, value_name = "NAME")]
    proxy: Option<WrittenProxy>,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

pub(crate) fn run(Args { files, in_force, log, connections, seed, proxy, output: format }: Args) -> Exit {
    let simulated = || {
        let Proposed { entries: put, exit } = files.read(&in_force.rules, &in_force.mesh()?)?;
        let before = in_force.load()?;
        let ledger = overlay(&before.ledger, &put, &BTreeSet::new(), in_force.rules.profile);
        let after = State::of(ledger, &in_force.rules.context(), EnvoyOptions::default());
        let mut simulation = Simulation::between(&before.compiled, &after.compiled).map_err(|why| {
            complain(&format!("error: the proxy would not run it: {why}\n"));
            Exit::Problems
        })?;
        let mesh = in_force.mesh()?;
        let proxy = proxy.clone().map(|proxy| proxy.in_mesh(&mesh));
        let is_wanted = |name: &str| proxy.as_ref().is_none_or(|key| key.to_string() == name);
        match &log {
            Some(file) => {
                let (records, unread) = records(file)?;
                if unread > 0 {
                    complain(&format!("note: {unread} lines are no lines of a connection log\n"));
                }
                records.iter().filter(|record| is_wanted(record.text("proxy"))).for_each(|record| {
                    simulation.arrive(&arrival(record));
                });
            }
            None => simulation.invent(connections, seed, is_wanted),
        }
        Ok((simulation.outcome(), exit))
    };
    match simulated() {
        Ok((outcome, exit)) => {
            print(&output::structured(format, &outcome).unwrap_or_else(|| outcome.to_string()));
            exit
        }
        Err(exit) => exit,
    }
}

fn arrival(record: &Record) -> Arrival<'_> {
    let server_name = record.text("server_name");
    Arrival {
        proxy: record.text("proxy"),
        listener: record.text("listener"),
        client: record.client(),
        server_name: (!server_name.is_empty()).then_some(server_name),
        draw: record.draw(),
    }
}
