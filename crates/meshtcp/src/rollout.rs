//! `meshtcp rollout`: moves connections from one backend to another in steps, with automatic rollback.

mod ask;
mod start;
mod status;

use change::ramp::RampAction;
use clap::Subcommand;
use model::{Kind, ResourceKey};
use serde_json::Value;

use crate::client::Client;
use crate::context::{InMesh, Server};
use crate::exit::Exit;
use crate::in_force::path;
use crate::output::{Format, complain};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Begin a rollout of a MeshTCPRoute; or begin one anew that is there
    Start(Box<start::Args>),
    /// Show where rollouts stand, or follow one
    Status(status::Args),
    /// Stop where it is
    Pause(Named),
    /// Go on after a pause, or where a step waits for approval
    Resume(Named),
    /// Take the weight of the last step now
    Promote(Named),
    /// Go back now
    Abort(Named),
    /// Show what happened to a rollout
    History(Named),
}

/// One rollout.
#[derive(Clone, Debug, clap::Args)]
struct Named {
    /// The rollout, MESH/NAME for one of another mesh
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    mesh: InMesh,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

impl Named {
    /// Client and resource key that the arguments select.
    fn resolved(&self) -> Result<(Client, ResourceKey), Exit> {
        let (client, mesh) = self.server.client_in(&self.mesh)?;
        Ok((client, crate::kind::key(Kind::MeshTCPRollout, &mesh, &self.name)))
    }
}

pub(crate) fn run(Args { what }: Args) -> Exit {
    let outcome = match what {
        Command::Start(arguments) => start::run(&arguments),
        Command::Status(arguments) => status::run(&arguments),
        Command::Pause(named) => ask::run(&named, RampAction::Pause),
        Command::Resume(named) => ask::run(&named, RampAction::Resume),
        Command::Promote(named) => ask::run(&named, RampAction::Promote),
        Command::Abort(named) => ask::run(&named, RampAction::Abort),
        Command::History(named) => status::history(&named),
    };
    outcome.unwrap_or_else(|exit| exit)
}

/// Stored document of a rollout.
fn stored(client: &Client, key: &ResourceKey) -> Result<Value, Exit> {
    match client.get(&path(key)).map_err(|failed| failed.said())? {
        Some(found) => Ok(found),
        None => {
            complain(&crate::get::absent(client, key));
            Err(Exit::Problems)
        }
    }
}
