//! `--wait`: how far a change has come, until every proxy that it concerns runs it.

use std::time::{Duration, Instant};

use change::rollout::{Lagging, RefusedBy, Rollout};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use xds::Foreign;

use crate::client::{Client, Failed};
use crate::duration;
use crate::exit::Exit;
use crate::output::{complain, print};

/// How often a control plane without events is asked.
const LOOK: Duration = Duration::from_millis(250);

/// Whether to wait, and how long.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Wait {
    /// Wait until every proxy that the change concerns runs it, and say how long that took
    #[arg(long)]
    wait: bool,
    /// How long to wait at most
    #[arg(long, default_value = "60s", value_parser = duration::parse, value_name = "TIME")]
    timeout: Duration,
}

/// Waits for a revision if it was asked for.
pub(crate) fn waited(client: &Client, revision: Option<u64>, wait: &Wait) -> Exit {
    if !wait.wait {
        return Exit::Ok;
    }
    let Some(revision) = revision else {
        print("nothing changed: there is nothing to wait for\n");
        return Exit::Ok;
    };
    match followed(client, revision, wait.timeout) {
        Ok(Some(rollout)) => told(&rollout, revision),
        Ok(None) => {
            complain(&format!("error: nothing is known of revision {revision} within {:?}\n", wait.timeout));
            Exit::NotLive
        }
        Err(failed) => failed.said(),
    }
}

/// The last that was heard of a revision, before it was over or the time was.
fn followed(client: &Client, revision: u64, timeout: Duration) -> Result<Option<Rollout>, Failed> {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} proxies live, {elapsed}") {
        bar.set_style(style);
    }
    let deadline = Instant::now() + timeout;
    let mut last: Option<Rollout> = None;
    let mut see = |rollout: Rollout| {
        bar.set_length(rollout.concerned as u64);
        bar.set_position(rollout.live as u64);
        let over = rollout.is_over();
        last = Some(rollout);
        over
    };
    loop {
        let path = format!("/_revisions/{revision}/_events");
        let ended = client.events(&path, deadline, |event| {
            serde_json::from_value(event.clone()).is_ok_and(&mut see) || Instant::now() >= deadline
        })?;
        if ended == Some(true) || Instant::now() >= deadline {
            break;
        }
        std::thread::sleep(LOOK);
    }
    bar.finish_and_clear();
    Ok(last)
}

fn told(rollout: &Rollout, revision: u64) -> Exit {
    let Rollout {
        concerned,
        live,
        lagging_count,
        lagging,
        refused_count,
        refused,
        waits_for,
        live_after,
        ..
    } = rollout;
    for name in waits_for {
        complain(&format!("not taken over by the control plane {} yet\n", Foreign::name(name)));
    }
    if *concerned == 0 && waits_for.is_empty() {
        print(&format!("revision {revision}: no attached proxy is told anything new by it\n"));
        return Exit::Ok;
    }
    let parts = live_after.parts();
    let times: Vec<String> =
        parts.map(|(part, time)| format!("{part} after {:.3} s", time.as_secs_f64())).collect();
    let times = if times.is_empty() { String::new() } else { format!(": {}", times.join(", ")) };
    print(&format!("revision {revision}: {live}/{concerned} proxies live{times}\n"));
    for RefusedBy { proxy, reasons } in refused {
        let (proxy, reasons) = (Foreign::name(proxy), reasons.join("; "));
        complain(&format!("refused by {proxy}: {}\n", Foreign::message(reasons)));
    }
    for Lagging { proxy, attached } in lagging {
        let why = if *attached {
            "it has not answered yet"
        } else {
            "it is not attached, and gets it when it is back"
        };
        complain(&format!("not live on {}: {why}\n", Foreign::name(proxy)));
    }
    for (count, named, word) in
        [(refused_count, refused.len(), "refuse it"), (lagging_count, lagging.len(), "are not live")]
    {
        if *count > named {
            complain(&format!("and {} more {word}\n", count - named));
        }
    }
    if rollout.is_done() { Exit::Ok } else { Exit::NotLive }
}
