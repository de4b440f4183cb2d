//! `meshtcp rollout status` and `history`.

use std::time::Duration;

use change::ramp::{Phase, Ramp, RampEvent};
use jiff::Timestamp;
use model::{Kind, ResourceKey};
use serde_json::{Value, json};
use xds::Foreign;

use super::{Named, stored};
use crate::backends::name_of;
use crate::context::{InMesh, Server};
use crate::exit::Exit;
use crate::in_force::collection;
use crate::output::{self, Format, complain, print};

/// Interval between two looks at the status.
const LOOK: Duration = Duration::from_millis(500);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The rollout, MESH/NAME for one of another mesh; none: all of the mesh
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Follow one until it is over, and say what happens
    #[arg(short, long, requires = "name")]
    watch: bool,
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    mesh: InMesh,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

pub(super) fn run(Args { name, watch, server, mesh, output: format }: &Args) -> Result<Exit, Exit> {
    let (client, mesh) = server.client_in(mesh)?;
    let Some(name) = name else {
        let path = collection(Kind::MeshTCPRollout, &mesh);
        let found = client.list(&path).map_err(|failed| failed.said())?;
        let drawn = || match found.as_slice() {
            [] => format!("no MeshTCPRollout is there in mesh {mesh}\n"),
            found => found.iter().map(briefly).collect(),
        };
        print(&output::structured(*format, &json!({ "items": found })).unwrap_or_else(drawn));
        return Ok(Exit::Ok);
    };
    let key = crate::kind::key(Kind::MeshTCPRollout, &mesh, name);
    let mut told: Option<RampEvent> = None;
    loop {
        let found = stored(&client, &key)?;
        let Some(ramp) = Ramp::of_status(&found["status"]) else {
            if *watch {
                std::thread::sleep(LOOK);
                continue;
            }
            complain(&format!(
                "{key} has not begun: a control plane with a store begins it, or `meshtcp up --state FILE`\n"
            ));
            return Ok(Exit::Ok);
        };
        if !watch {
            let drawn = || format!("{}{}", line(&key, &found, &ramp), events(&ramp.events));
            print(&output::structured(*format, &found).unwrap_or_else(drawn));
            return Ok(Exit::Ok);
        }
        let known = told.as_ref().and_then(|told| ramp.events.iter().rposition(|it| it == told));
        let new = ramp.events.get(known.map_or(0, |at| at + 1)..).unwrap_or_default();
        match format {
            Format::Table => print(&events(new)),
            Format::Json | Format::Yaml => {
                new.iter().for_each(|event| print(&output::structured(*format, event).unwrap_or_default()));
            }
        }
        told = new.last().cloned().or(told);
        if ramp.phase.is_over() {
            return Ok(if ramp.phase == Phase::Aborted { Exit::Problems } else { Exit::Ok });
        }
        std::thread::sleep(LOOK);
    }
}

pub(super) fn history(named: &Named) -> Result<Exit, Exit> {
    let (client, key) = named.resolved()?;
    let found = stored(&client, &key)?;
    let ramp = Ramp::of_status(&found["status"]);
    let happened = ramp.map(|ramp| ramp.events).unwrap_or_default();
    print(&output::structured(named.output, &happened).unwrap_or_else(|| events(&happened)));
    Ok(Exit::Ok)
}

/// Rollout as a value for programs.
pub(super) fn shown(format: Format, found: &Value) -> String {
    output::structured(format, found).unwrap_or_default()
}

/// `MeshTCPRollout default/redis-v2: Progressing, step 2 of 4, 10 % to redis-v2:6379 since 12:00:05Z`, with the reason
/// why it waits.
pub(super) fn line(key: &ResourceKey, found: &Value, ramp: &Ramp) -> String {
    let Ramp { phase, step, weight, since, note, .. } = ramp;
    let spec = &found["spec"];
    let steps = spec["steps"].as_array().map(|steps| format!("step {} of {}, ", step + 1, steps.len()));
    let to = name_of(&spec["to"]);
    let mut line =
        format!("{key}: {phase}, {}{weight} to {to} since {}\n", steps.unwrap_or_default(), time(*since));
    if !note.is_empty() {
        line.push_str(&format!("  {}\n", Foreign::message(note)));
    }
    line
}

fn briefly(found: &Value) -> String {
    let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
    let key = ResourceKey::new(Kind::MeshTCPRollout, text("mesh"), text("name"));
    match Ramp::of_status(&found["status"]) {
        Some(ramp) => line(&key, found, &ramp),
        None => format!("{key}: has not begun\n"),
    }
}

fn events(events: &[RampEvent]) -> String {
    events
        .iter()
        .map(|RampEvent { at, what, .. }| format!("  {}  {}\n", time(*at), Foreign::message(what)))
        .collect()
}

fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}
