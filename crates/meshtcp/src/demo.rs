//! `meshtcp demo`: demonstration of the product in fifteen seconds, on loopback, in one process.
//!
//! ```text
//!  1,000 clients ──▶ outbound ledger of proxy web ──┬─▶ backend v1
//!  (open, and echoing all the time)                 ├─▶ backend v2
//!          route.yaml, edited twice ──▶ store ──▶───┴─▶ backend v3
//! ```

mod backends;
mod clients;
mod difference;
mod display;
mod room;
mod stage;
mod story;
mod tally;

use std::time::Duration;

use clients::Clients;
use display::Display;
use stage::Stage;
use tally::{Chapter, Tally};

use crate::data_path::Mode;
use crate::exit::Exit;
use crate::output::{complain, print};
use crate::signals::Signals;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many connections to open
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(room::LEAST as i64..=100_000))]
    connections: u32,
    /// Which way they take; other than through the relay, it also shows what that saves
    #[arg(long, value_enum, default_value_t, value_name = "PATH")]
    data_path: Mode,
}

/// Duration of opening all connections: long enough to watch.
const OPENING: Duration = Duration::from_secs(6);
/// Time to watch the echoes after each change.
const WATCHING: Duration = Duration::from_millis(1200);

/// Exit status of an interrupted demonstration, by the convention of shells.
const STOPPED: i32 = 130;

pub(crate) fn run(Args { connections, data_path }: Args) -> Exit {
    match play(connections as usize, data_path) {
        Ok((tally, difference)) => {
            print(&tally.summary());
            print(&difference.unwrap_or_default());
            if tally.is_as_promised() { Exit::Ok } else { Exit::Problems }
        }
        Err(message) => {
            complain(&format!("error: {message}\n"));
            Exit::Environment
        }
    }
}

/// Runs the demonstration. Returns the tally, and the cost of a hop if there were connections without one.
fn play(connections: usize, mode: Mode) -> Result<(Tally, Option<String>), String> {
    room::make(connections)?;
    let in_words = |error: std::io::Error| error.to_string();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(in_words)?;
    let ports = runtime.block_on(backends::start()).map_err(in_words)?;
    let stage = Stage::set(ports, mode)?;
    let folder = stage.folder().to_owned();
    let mut signals = runtime.block_on(async { Signals::catch() })?;
    runtime.spawn(async move {
        signals.leave(|| {}).await;
        // a folder that cannot be removed stays among the temporary files
        let _ = std::fs::remove_dir_all(folder);
        std::process::exit(STOPPED)
    });
    print(&stage.introduction(connections));

    let clients = Clients::new(runtime.handle().clone(), stage.outbound());
    let mut display = Display::new();
    let mut chapters = Vec::new();
    for (index, weights) in story::WEIGHTS.into_iter().enumerate() {
        let live_after = match index {
            0 => None,
            _ => Some(stage.shift(weights)?),
        };
        let first = connections * index / story::WEIGHTS.len();
        let last = connections * (index + 1) / story::WEIGHTS.len();
        let pace = OPENING / u32::try_from(connections).unwrap_or(u32::MAX);
        display.chapter(weights, live_after);
        for _ in first..last {
            clients.open(index);
            std::thread::sleep(pace);
            display.update(&clients.seen(index), clients.counts(), false);
        }
        clients.settled(last, Duration::from_secs(20))?;
        let until = std::time::Instant::now() + WATCHING;
        while std::time::Instant::now() < until {
            std::thread::sleep(Duration::from_millis(50));
            display.update(&clients.seen(index), clients.counts(), false);
        }
        display.update(&clients.seen(index), clients.counts(), true);
        chapters.push(Chapter { weights, seen: clients.seen(index), live_after });
    }
    let tally =
        Tally { chapters, counts: clients.finish(Duration::from_secs(10)), cut_by_proxy: stage.cut() };
    display.finish();
    let difference = stage.difference()?;
    stage.leave();
    Ok((tally, difference))
}
