//! Description of a resource: kind, age, where it is live, which proxies refuse it and why, what decides instead of it,
//! and its latest change.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use change::compile::Compiled;
use change::paths::{ReportedPaths, TakenPath};
use change::report::{FleetReport, ProxyReport, RouteAtProxy, RouteReport, RouteState};
use change::status::Connection;
use jiff::Timestamp;
use model::ResourceKey;
use plan::{Outcome, ProxyId, RouteStatus};
use serde_json::Value;
use xds::Foreign;

use crate::get::row::{ago, seconds, summary, text};

/// Maximum number of statements about proxies.
const NAMED: usize = 20;
/// Maximum number of proxies named in one statement.
const TOGETHER: usize = 3;

/// Identity and age of the resource.
pub(super) fn head(key: &ResourceKey, resource: &Value, now: Timestamp) -> String {
    let mut told = format!("{key}\n");
    let says = summary(key.kind, resource);
    if !says.is_empty() {
        line(&mut told, "says", &says);
    }
    let labels = resource.get("labels").and_then(Value::as_object).into_iter().flatten();
    let labels: Vec<String> =
        labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    if !labels.is_empty() {
        line(&mut told, "labels", &labels.join(", "));
    }
    let (created, changed) = (text(resource, "creationTime"), text(resource, "modificationTime"));
    if !created.is_empty() {
        line(&mut told, "created", &since(created, now));
    }
    if changed != created && !changed.is_empty() {
        line(&mut told, "changed", &since(changed, now));
    }
    told
}

/// Progress of a route: proxies at which it is live, proxies that refuse it, and policies that decide instead of it.
pub(super) fn route(report: &FleetReport, route: Option<&RouteReport>, compiled: &Compiled) -> String {
    let mut told = String::new();
    let Some(RouteReport { policy, proxies, .. }) = route else {
        line(&mut told, "live", "nowhere: it speaks about no proxy");
        return told;
    };
    let reached = route.map(RouteReport::reached).unwrap_or_default();
    let counted = RouteState::ALL.map(|reach| (reached.count(reach), reach));
    let counted: Vec<String> = counted
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, reach)| format!("{number} {}", words(*reach)))
        .collect();
    let all = match counted.as_slice() {
        [] => "nowhere: it selects no proxy".to_owned(),
        counted => format!("{}, of {} that it selects", counted.join(", "), reached.total()),
    };
    line(&mut told, "live", &all);
    // proxies with the same statement are grouped, those with trouble first
    let mut said: BTreeMap<(usize, String), Vec<String>> = BTreeMap::new();
    for RouteAtProxy { proxy, decides, reach, refusals, unresolved } in proxies {
        let (rank, mut what) = match reach {
            RouteState::Refused => (0, format!("refuses it, and runs what it had: {}", refusals.join("; "))),
            RouteState::Pending => (1, "told, and it has not answered yet".to_owned()),
            RouteState::Detached => (2, "not attached: it gets this when it is back".to_owned()),
            RouteState::Live => (3, format!("live: decides {}", decides.join(", "))),
            // an older control plane lists these; the reason follows below
            RouteState::WithoutEffect => continue,
        };
        for why in unresolved {
            let _ = write!(what, "; {why}");
        }
        said.entry((rank, what)).or_default().push(proxy.to_string());
    }
    for (proxy, why) in hidden(compiled, policy) {
        said.entry((4, why)).or_default().push(proxy.to_string());
    }
    for ((_, what), names) in said.iter().take(NAMED) {
        let more = names.len().saturating_sub(TOGETHER);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let names: Vec<_> = names.iter().take(TOGETHER).map(|name| Foreign::name(name).to_string()).collect();
        let _ = writeln!(told, "    {}{more}  {}", names.join(", "), Foreign::message(what));
    }
    if said.len() > NAMED {
        let _ = writeln!(told, "    and {} more", said.len() - NAMED);
    }
    line(&mut told, "last", &last(report));
    told
}

/// State of the proxy of a Dataplane.
pub(super) fn proxy(report: &FleetReport, proxy: Option<&ProxyReport>, now: Timestamp) -> String {
    let mut told = String::new();
    let Some(ProxyReport { connection, revision, runs, in_sync, refusals, notes, paths, .. }) = proxy else {
        line(&mut told, "proxy", "has never attached");
        return told;
    };
    let state = match (connection, refusals.is_empty(), in_sync) {
        (None, ..) => "not attached".to_owned(),
        (Some(connection), false, _) => {
            format!("refuses a part of what it is told; {}", attached(connection, now))
        }
        (Some(connection), true, true) => format!("in sync; {}", attached(connection, now)),
        (Some(connection), true, false) => {
            format!("told, and it has not answered yet; {}", attached(connection, now))
        }
    };
    line(&mut told, "proxy", &state);
    for refusal in refusals {
        let rejection = &refusal.rejection;
        let (name, why) = (Foreign::name(&rejection.name), Foreign::message(rejection.message.trim()));
        line(&mut told, "refuses", &format!("{name}, {}: {why}", since(&rejection.at.to_string(), now)));
    }
    for note in notes {
        line(&mut told, "note", note);
    }
    if let Some(paths) = paths {
        data_paths(&mut told, paths, now);
    }
    let last = match (revision, runs) {
        (Some(told), Some(runs)) if told == runs => {
            format!("revision {told} brought its last change, and it runs it")
        }
        (Some(told), Some(runs)) => format!("revision {told} brought its last change; it runs {runs}"),
        (Some(told), None) => format!("revision {told} brought its last change; nothing is known to run"),
        (None, _) => format!("nothing was published for it up to revision {}", report.revision),
    };
    line(&mut told, "last", &last);
    told
}

/// Data paths of a proxy's outbounds: how many take which, and of each on the relay, why.
fn data_paths(told: &mut String, paths: &ReportedPaths, now: Timestamp) {
    let ReportedPaths { at, stale, outbounds, left_out } = paths;
    if outbounds.is_empty() && *left_out == 0 {
        return;
    }
    let counts = TakenPath::ALL.map(|path| (paths.count(path), path));
    let counts = counts.into_iter().filter(|(number, _)| *number > 0);
    let counts = counts.map(|(number, path)| match path {
        TakenPath::Kernel => format!("{number} straight to the endpoint"),
        TakenPath::Relay => format!("{number} through the proxy"),
    });
    let more = (*left_out > 0).then(|| format!("{left_out} not listed"));
    let old = stale.then(|| format!("as of {}, not reported since", since(&at.to_string(), now)));
    let all: Vec<String> = counts.chain(more).chain(old).collect();
    line(told, "paths", &format!("of outbounds: {}", all.join(", ")));
    let mut relayed = outbounds.iter().filter_map(|it| Some((it.listener.as_str(), it.why.as_deref()?)));
    for (listener, why) in relayed.by_ref().take(NAMED) {
        let _ = writeln!(told, "    {}  {}", Foreign::name(listener), Foreign::message(why));
    }
    let more = relayed.count();
    if more > 0 {
        let _ = writeln!(told, "    and {more} more");
    }
}

fn line(told: &mut String, what: &str, says: &str) {
    let _ = writeln!(told, "  {what:<8} {}", Foreign::message(says));
}

fn since(time: &str, now: Timestamp) -> String {
    let then: Option<Timestamp> = time.parse().ok();
    let age = then.map(|then| format!(" ({} ago)", ago(now.duration_since(then).as_secs())));
    format!("{}{}", seconds(time), age.unwrap_or_default())
}

fn attached(connection: &Connection, now: Timestamp) -> String {
    let Connection { since: opened, protocol, peer, .. } = connection;
    let from = peer.map(|peer| format!(" from {peer}")).unwrap_or_default();
    let (since, program) = (since(&opened.to_string(), now), connection.program());
    format!("attached since {since}: {}, {}{from}", Foreign::name(&program), protocol.as_str())
}

fn words(reach: RouteState) -> &'static str {
    match reach {
        RouteState::Live => "live",
        RouteState::Pending => "pending",
        RouteState::Refused => "refused",
        RouteState::Detached => "not attached",
        RouteState::WithoutEffect => "without effect",
    }
}

/// Proxies that a policy selects but at which it decides nothing, with the reason.
fn hidden<'a>(compiled: &'a Compiled, policy: &'a str) -> impl Iterator<Item = (&'a ProxyId, String)> {
    let is_it = move |status: &RouteStatus| {
        format!("{} {}/{}", status.kind, status.policy.policy.mesh, status.policy.name) == policy
    };
    compiled.proxies.iter().filter_map(move |(proxy, found)| {
        let status = found.plan.routes.iter().find(|status| is_it(status))?;
        match &status.outcome {
            Outcome::Shadowed { by } => Some((proxy, format!("hidden by {by}, which is more important"))),
            Outcome::Ignored(why) => Some((proxy, format!("decides nothing: {why}"))),
            Outcome::Applied => None,
        }
    })
}

/// Progress of the newest change, whatever it was about.
fn last(FleetReport { revision, rollout, .. }: &FleetReport) -> String {
    match rollout {
        Some(rollout) if rollout.concerned > 0 => {
            let (live, of) = (rollout.live, rollout.concerned);
            format!("revision {revision} is the newest, of all resources: {live}/{of} proxies live")
        }
        Some(_) | None => {
            format!("revision {revision} is the newest, of all resources: it told no proxy anything new")
        }
    }
}
