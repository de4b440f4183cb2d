//! `--wait`: progress of a change, until every proxy that it concerns runs it.

use std::time::{Duration, Instant};

use change::rollout::{Lagging, RefusedBy, Rollout};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use xds::Foreign;

use crate::answer;
use crate::client::{Client, Failed};
use crate::duration;
use crate::exit::Exit;
use crate::output::{complain, print};
use crate::terminal::draws;

/// Interval at which a control plane without events is asked.
const LOOK: Duration = Duration::from_millis(250);
/// Maximum number of names of proxies that are waited for.
const NAMED: usize = 3;

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

/// Waits for a revision if requested, and prints its progress; programs get it from the returned rollout.
pub(crate) fn waited(client: &Client, revision: Option<u64>, wait: &Wait) -> (Option<Rollout>, Exit) {
    if !wait.wait {
        return (None, Exit::Ok);
    }
    let Some(revision) = revision else {
        if !answer::is_structured() {
            print("nothing changed: there is nothing to wait for\n");
        }
        return (None, Exit::Ok);
    };
    match followed(client, revision, wait.timeout) {
        Ok(Some(rollout)) => {
            if !answer::is_structured() {
                tell(&rollout, revision);
            }
            let exit = if rollout.is_done() { Exit::Ok } else { Exit::NotLive };
            (Some(rollout), exit)
        }
        Ok(None) => {
            complain(&format!("error: nothing is known of revision {revision} within {:?}\n", wait.timeout));
            (None, Exit::NotLive)
        }
        Err(failed) => (None, failed.said()),
    }
}

/// Last known state of a revision, when it was over or the time was; `None`: nothing is known of it.
fn followed(client: &Client, revision: u64, timeout: Duration) -> Result<Option<Rollout>, Failed> {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} proxies live, {elapsed}{wide_msg}")
    {
        bar.set_style(if draws() { style } else { style.progress_chars("#.") });
    }
    // the elapsed time advances without news, too
    bar.enable_steady_tick(LOOK);
    let deadline = Instant::now() + timeout;
    let mut last: Option<Rollout> = None;
    let mut see = |rollout: Rollout| {
        bar.set_length(rollout.concerned as u64);
        bar.set_position(rollout.live as u64);
        bar.set_message(laggards(&rollout));
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

/// Names of the proxies that are waited for: the first ones, and the number of the others.
fn laggards(Rollout { lagging, lagging_count, refused, refused_count, waits_for, .. }: &Rollout) -> String {
    let names: Vec<String> =
        lagging.iter().take(NAMED).map(|it| Foreign::name(&it.proxy).to_string()).collect();
    // an older control plane does not count, but names all
    let (lag, refuse) = ((*lagging_count).max(lagging.len()), (*refused_count).max(refused.len()));
    let mut words = match (names.as_slice(), lag.saturating_sub(NAMED)) {
        ([], _) => String::new(),
        (names, 0) => format!(", waiting for {}", names.join(", ")),
        (names, more) => format!(", waiting for {} and {more} more", names.join(", ")),
    };
    if refuse > 0 {
        words.push_str(&format!(", {refuse} refused"));
    }
    for name in waits_for {
        words.push_str(&format!(", not taken over by {}", Foreign::name(name)));
    }
    words
}

/// Prints the outcome for people.
fn tell(rollout: &Rollout, revision: u64) {
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
        return print(&format!("revision {revision}: no attached proxy is told anything new by it\n"));
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
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_bar_names_whom_it_waits_for() {
        let lagging: Vec<_> =
            (1..=5).map(|at| json!({ "proxy": format!("default/web-{at}"), "attached": true })).collect();
        let rollout = |lagging: &[serde_json::Value]| -> Rollout {
            let accepted =
                json!({ "revision": 7, "acceptedAt": "2026-11-25T18:01:12Z", "concerned": 5, "live": 0 });
            let mut rollout = accepted;
            rollout["lagging"] = json!(lagging);
            serde_json::from_value(rollout).unwrap()
        };
        assert_eq!(laggards(&rollout(&lagging[..1])), ", waiting for default/web-1");
        let many = ", waiting for default/web-1, default/web-2, default/web-3 and 2 more";
        assert_eq!(laggards(&rollout(&lagging)), many);
        assert_eq!(laggards(&rollout(&[])), "");
    }
}
