//! Verdict on the final state.

use std::time::Duration;

use serde_json::Value;

use super::clients::{Cut, Seen, reached};
use super::stage::{Hit, Stage};
use super::writes::{Api, Written, ask};
use crate::run::{Outcome, within};

/// Time limit until everything works again.
const SETTLE: Duration = Duration::from_secs(90);
/// Time after the hit of its peer at which a connection may still be seen to end: a proxy on the path may have been
/// stopped.
const LATE: Duration = Duration::from_secs(6);
/// Number of new connections that are counted.
const LOOKED_AT: usize = 400;
/// Expected number of them for the old service by the last route, 1 to 3.
const TO_OLD: std::ops::Range<usize> = 60..140;

pub(super) fn of(mut stage: Stage, written: &Written, seen: &Seen, seed: u64, faults: usize) -> Outcome {
    stage.restore()?;
    let mut wrong: Vec<String> = written.wrong.iter().map(|it| format!("an answer: {it}")).collect();
    wrong.extend(seen.cut.iter().filter(|cut| !is_excused(cut, &stage.hits)).map(|cut| {
        format!("a connection to {} was cut though nobody hit its peer: {}", cut.application, cut.why)
    }));
    let mut settled = || -> Outcome {
        let apis = stage.apis();
        within(SETTLE, "the last route was accepted", || {
            matches!(ask(&apis[0].0, "PUT", ROUTE, &Stage::route(1, 3).to_string()), Ok((200 | 201, _)))
        })?;
        for api in &apis {
            let mut last = String::new();
            let so = within(SETTLE, &format!("{} says that all is live", api.0), || match untrue(api) {
                None => true,
                Some(why) => {
                    last = why;
                    false
                }
            });
            so.map_err(|why| format!("{why}: {last}"))?;
        }
        let revisions: Vec<_> = apis.iter().map(|api| status(api).map(|it| it["revision"].clone())).collect();
        if revisions[0] != revisions[1] {
            wrong.push(format!("the control planes are at {revisions:?}"));
        }
        let found = reached(stage.outbound(), LOOKED_AT)?;
        if !TO_OLD.contains(&found.get("cache").copied().unwrap_or(0)) {
            wrong.push(format!("new connections by the weights 1 and 3: {found:?}"));
        }
        for (path, there) in &written.known {
            let answer = ask(&apis[1].0, "GET", path, "").map_err(|error| format!("GET {path}: {error}"))?;
            if (answer.0 == 200) != *there {
                wrong.push(format!(
                    "{path} was {} and is {}",
                    if *there { "put" } else { "deleted" },
                    answer.0
                ));
            }
        }
        let made = made(&apis[0]);
        if made > 0 {
            println!("chaos: {made} certificates were made by those control planes that are left");
        }
        stage.look()?;
        wrong.append(&mut stage.died);
        let panics = stage.panics()?;
        if panics > 0 {
            wrong.push(format!("{panics} panics were caught"));
        }
        Ok(())
    };
    if let Err(why) = settled() {
        let all = stage.proxies.iter().chain(&stage.control_planes);
        wrong.extend(all.map(|program| format!("{} said last:\n{}", program.name(), program.last_words())));
        // last, so that it is seen by readers of the end only
        wrong.push(why);
    }
    let Seen { opened, refused, cut } = seen;
    println!(
        "chaos: seed {seed}, {faults} faults, {} writes accepted, {opened} connections, of them {} ended with their peer, \
         {refused} refused while something was away",
        written.accepted,
        cut.len()
    );
    match wrong.as_slice() {
        [] => Ok(()),
        wrong => Err(format!(
            "not as it should be, `cargo xtask chaos --seed {seed}`:\n  {}",
            wrong.iter().take(40).cloned().collect::<Vec<_>>().join("\n  ")
        )),
    }
}

const ROUTE: &str = "/meshes/default/meshtcproutes/canary";

/// Returns `true` if a connection ended because its application, or the proxy in front of it, was hit.
fn is_excused(cut: &Cut, hits: &[Hit]) -> bool {
    let (lived, ended) = cut.between;
    let its = hits.iter().filter(|hit| hit.application == cut.application);
    its.map(|hit| hit.at).any(|at| at <= ended && lived <= at + LATE)
}

/// Number of certificates that the control planes have issued since their last start.
fn made(api: &Api) -> u64 {
    let report = ask(&api.0, "GET", "/_identity", "")
        .ok()
        .and_then(|(_, body)| serde_json::from_str::<Value>(&body).ok());
    let rows = report.as_ref().and_then(|report| report["proxies"].as_array()).into_iter().flatten();
    rows.filter_map(|row| row["madeCount"].as_u64()).sum()
}

fn status(api: &Api) -> Option<Value> {
    let (_, body) = ask(&api.0, "GET", "/_status", "").ok().filter(|(status, _)| *status == 200)?;
    serde_json::from_str(&body).ok()
}

/// Part of a control plane's status that shows something not live yet; `None`: everything is.
fn untrue(api: &Api) -> Option<String> {
    let Some(status) = status(api) else { return Some("no status".into()) };
    if status["controlPlanes"].as_array().map(Vec::len) != Some(2) {
        return Some(format!("it knows of {}", status["controlPlanes"]));
    }
    let proxies = status["proxies"].as_array().cloned().unwrap_or_default();
    for name in ["default/web-1", "default/cache-1", "default/newer-1"] {
        let found = proxies.iter().find(|proxy| proxy["proxy"] == name);
        let Some(found) = found else { return Some(format!("no {name}")) };
        if found["inSync"] != true || found["runs"] != status["revision"] {
            return Some(found.to_string());
        }
    }
    let rollout = &status["rollout"];
    let is_over =
        rollout["live"] == rollout["concerned"] && rollout["waitsFor"].as_array().is_some_and(Vec::is_empty);
    (!is_over).then(|| rollout.to_string())
}
