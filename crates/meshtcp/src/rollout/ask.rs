//! Requests to a rollout by hand: they are written into its status, where the process that runs it finds them.

use std::time::{Duration, Instant};

use change::ramp::{Ramp, RampAction, RampRequest};
use jiff::Timestamp;
use model::ResourceKey;
use serde_json::json;

use super::status::{line, shown};
use super::{Named, stored};
use crate::backends::ATTEMPTS;
use crate::client::Client;
use crate::exit::Exit;
use crate::in_force::path;
use crate::output::{Format, complain, print};

/// Timeout of a rollout to do as requested.
const PATIENCE: Duration = Duration::from_secs(15);
/// Interval between two looks at the status.
const LOOK: Duration = Duration::from_millis(200);

pub(super) fn run(named: &Named, asked: RampAction) -> Result<Exit, Exit> {
    let (client, key) = named.resolved()?;
    ask(&client, &key, asked, named.output)
}

/// Sends a request, and waits until it is done.
pub(super) fn ask(
    client: &Client,
    key: &ResourceKey,
    asked: RampAction,
    format: Format,
) -> Result<Exit, Exit> {
    let id = format!("{}-{}", Timestamp::now().as_nanosecond(), std::process::id());
    let request = RampRequest { to: asked, id };
    if !left(client, key, &request)? {
        complain(&format!("error: others change {key} at the same time: try again\n"));
        return Err(Exit::Problems);
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = stored(client, key)?;
        let ramp = Ramp::of_status(&found["status"]);
        match ramp {
            Some(ramp) if ramp.obeyed == request.id => {
                match format {
                    Format::Table => print(&line(key, &found, &ramp)),
                    Format::Json | Format::Yaml => print(&shown(format, &found)),
                }
                return Ok(Exit::Ok);
            }
            _ if Instant::now() >= deadline => {
                let help = "is a control plane with a store running? It does it when it leads again";
                complain(&format!("error: {key} has not done it within {PATIENCE:?}\n  help: {help}\n"));
                return Err(Exit::NotLive);
            }
            _ => std::thread::sleep(LOOK),
        }
    }
}

/// Writes a request into the status. Returns `false` if concurrent changes came first in every attempt.
fn left(client: &Client, key: &ResourceKey, request: &RampRequest) -> Result<bool, Exit> {
    for _ in 0..ATTEMPTS {
        let Some((mut document, tag)) = client.get_tagged(&path(key)).map_err(|failed| failed.said())? else {
            complain(&crate::get::absent(client, key));
            return Err(Exit::Problems);
        };
        document["status"]["asked"] = json!(request);
        let put = client.put_on(&path(key), &document, tag.as_deref()).map_err(|failed| failed.said())?;
        if put.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}
