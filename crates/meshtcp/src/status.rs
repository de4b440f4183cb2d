//! `meshtcp status`: progress of routes, proxies and revisions in the fleet.

mod admins;
mod endpoints;
mod paths;
mod splits;

use change::Revision;
use change::report::{
    ControlPlane, FleetReport, ProxyReport, ProxyState, RouteAtProxy, RouteReport, RouteState,
};
use change::rollout::Rollout;
use change::status::TurnedAway;
use serde_json::{Value, json};
use xds::Foreign;

use crate::client::encoded;
use crate::context::Server;
use crate::exit::Exit;
use crate::names;
use crate::output::{self, Format};
use splits::Splits;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to show
    #[arg(value_enum, value_name = "WHAT", default_value_t)]
    what: Subject,
    /// Only routes, proxies and clusters whose name contains this
    #[arg(value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    server: Server,
    /// Only routes and proxies of this mesh
    #[arg(short, long, value_name = "MESH", value_parser = names::mesh)]
    mesh: Option<String>,
    /// For `endpoints` and `paths`: the admin address of a running `meshtcp up` or `meshtcp proxy`, to be asked instead of the
    /// control plane; may be repeated
    #[arg(long, value_name = "HOST:PORT")]
    proxy_admin: Vec<String>,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Subject {
    /// Everything
    #[default]
    All,
    /// How far each route has come at the proxies that it concerns
    Routes,
    /// Every proxy: whether it is attached, what it runs, what it refuses
    Proxies,
    /// How far the newest revision has come
    Revisions,
    /// How the endpoints are that proxies check, set aside, start slowly or limit; asks the proxies
    Endpoints,
    /// Which way connections to each outbound take, and why: through the proxy, or straight to their endpoint
    Paths,
}

pub(crate) fn run(Args { what, name, server, mesh, proxy_admin, output: format }: Args) -> Exit {
    let known = match what {
        Subject::Endpoints => Some(endpoints::KNOWN),
        Subject::Paths if !proxy_admin.is_empty() => Some(paths::KNOWN),
        Subject::Paths | Subject::All | Subject::Routes | Subject::Proxies | Subject::Revisions => None,
    };
    if let Some(known) = known {
        return match admins::ask(&known, &proxy_admin, name.as_deref()) {
            Ok(found) => {
                output::print_as(format, &found, || (known.table)(&found));
                Exit::Ok
            }
            Err(exit) => exit,
        };
    }
    let client = match server.client() {
        Ok(client) => client,
        Err(exit) => return exit,
    };
    let mut query = match what {
        Subject::All | Subject::Endpoints | Subject::Revisions => String::new(),
        Subject::Routes => "&what=routes".to_owned(),
        Subject::Proxies | Subject::Paths => "&what=proxies".to_owned(),
    };
    // an outbound has a name, too
    if let Some(name) = name.as_ref().filter(|_| what != Subject::Paths) {
        query.push_str(&format!("&name={}", encoded(name)));
    }
    if let Some(mesh) = &mesh {
        query.push_str(&format!("&mesh={}", encoded(mesh)));
    }
    let report = match what {
        Subject::Revisions => client.summary(),
        Subject::All | Subject::Routes | Subject::Proxies | Subject::Endpoints | Subject::Paths => {
            client.report(&query)
        }
    };
    let mut report = match report {
        Ok(report) => report,
        Err(failed) => return failed.said(),
    };
    // an older control plane reports everything
    if let Some(name) = name.as_ref().filter(|_| what != Subject::Paths) {
        report.routes.retain(|route| route.policy.contains(name.as_str()));
        report.proxies.retain(|proxy| proxy.proxy.to_string().contains(name.as_str()));
    }
    if let Some(mesh) = &mesh {
        // `Kind mesh/name`
        let is_of_mesh = |it: &str| {
            it.split(' ').nth(1).and_then(|it| it.split_once('/')).is_some_and(|(of, _)| of == mesh)
        };
        report.routes.retain(|route| is_of_mesh(&route.policy));
        report.proxies.retain(|proxy| proxy.proxy.mesh() == mesh);
    }
    if what == Subject::Paths {
        let found = paths::reported(&report.proxies, name.as_deref());
        output::print_as(format, &found, || (paths::KNOWN.table)(&found));
        return Exit::Ok;
    }
    let splits = match (what, format) {
        (Subject::All | Subject::Routes, Format::Table) => Splits::ask(&client),
        _ => Splits::default(),
    };
    let part = match what {
        Subject::All | Subject::Endpoints | Subject::Paths => json!(report),
        Subject::Routes => json!(report.routes),
        Subject::Proxies => json!(report.proxies),
        Subject::Revisions => json!({"revision": report.revision, "rollout": report.rollout}),
    };
    let drawn = || match what {
        Subject::All | Subject::Endpoints | Subject::Paths => {
            let (first, last) = (control_planes(&report), turned_away(&report.turned_away));
            format!(
                "{}{first}\n{}\n{}{last}",
                revision(&report),
                proxies(&report.proxies),
                routes(&report.routes, &splits)
            )
        }
        Subject::Routes => routes(&report.routes, &splits),
        Subject::Proxies => format!("{}{}", proxies(&report.proxies), turned_away(&report.turned_away)),
        Subject::Revisions => format!("{}{}", revision(&report), control_planes(&report)),
    };
    output::print_as(format, &part, drawn);
    Exit::Ok
}

fn revision(FleetReport { revision, rollout, totals, .. }: &FleetReport) -> String {
    let Some(rollout) = rollout else { return format!("revision {revision}\n") };
    let Rollout { concerned, live, lagging, lagging_count, refused, refused_count, .. } = rollout;
    // an older control plane counts nothing, and lists all
    let (lag, refuse) = ((*lagging_count).max(lagging.len()), (*refused_count).max(refused.len()));
    let proxies = totals.proxies;
    let attached = proxies.total - proxies.detached;
    let mut line = format!("revision {revision}: ");
    match concerned {
        0 if attached > 0 => {
            line.push_str(&format!(
                "nothing new for an attached proxy, {}/{attached} in sync",
                proxies.in_sync
            ));
        }
        0 => line.push_str("no proxy is attached"),
        _ => line.push_str(&format!("{live}/{concerned} proxies live")),
    }
    for (number, word) in [(lag, "lag behind"), (refuse, "refuse it")] {
        if number > 0 {
            line.push_str(&format!(", {number} {word}"));
        }
    }
    for (part, time) in rollout.live_after.parts() {
        line.push_str(&format!(", {part} after {:.3} s", time.as_secs_f64()));
    }
    for name in &rollout.waits_for {
        line.push_str(&format!(", not taken over by {} yet", Foreign::name(name)));
    }
    line.push('\n');
    line
}

/// Names of the control planes that the report covers, if there are several.
fn control_planes(FleetReport { control_planes, others_unknown, .. }: &FleetReport) -> String {
    let mut lines = String::new();
    if control_planes.len() > 1 {
        let row = |ControlPlane { name, revision, attached }: &ControlPlane| {
            [Foreign::name(name).to_string(), revision.to_string(), attached.to_string()]
        };
        let table = output::table(["CONTROL PLANE", "REVISION", "ATTACHED"], control_planes.iter().map(row));
        lines.push_str(&format!("\n{table}"));
    }
    if let Some(why) = others_unknown {
        lines.push_str(&format!(
            "only what is attached to this control plane: what others know could not be read: {}\n",
            Foreign::message(why)
        ));
    }
    lines
}

/// Proxies that were refused lately.
fn turned_away(turned_away: &[TurnedAway]) -> String {
    if turned_away.is_empty() {
        return String::new();
    }
    let row = |TurnedAway { who, why, from, last, times, first: _ }: &TurnedAway| {
        let who = if who.is_empty() { "?".to_owned() } else { Foreign::name(who).to_string() };
        let from = from.map_or("-".to_owned(), |from| from.to_string());
        [
            who,
            from,
            times.to_string(),
            last.strftime("%H:%M:%SZ").to_string(),
            Foreign::message(why).to_string(),
        ]
    };
    let table = output::table(["TURNED AWAY", "FROM", "TIMES", "LAST", "WHY"], turned_away.iter().map(row));
    format!("\n{table}")
}

/// State of a proxy in words.
fn in_words(state: ProxyState) -> &'static str {
    match state {
        ProxyState::InSync => "in sync",
        ProxyState::Pending => "pending",
        ProxyState::Refusing => "refuses",
        ProxyState::Waiting => "waiting",
        ProxyState::Detached => "not attached",
    }
}

fn proxies(proxies: &[ProxyReport]) -> String {
    let row = |report: &ProxyReport| {
        let ProxyReport { proxy, known, connection, control_plane, revision, runs, refusals, notes, .. } =
            report;
        let agent = connection.as_ref().map_or("-", |connection| match connection.agent.as_str() {
            "" => connection.dialect.as_str(),
            agent => agent,
        });
        let said = refusals.iter().map(|it| it.rejection.message.trim().replace('\n', " "));
        let said = said.chain((!known).then(|| format!("has no {}", proxy.kind())));
        let said = said.chain(notes.iter().cloned());
        let at = control_plane.as_ref().map(|name| format!("at {name}"));
        let said: Vec<String> = said.chain(at).collect();
        let number = |revision: &Option<Revision>| revision.map_or("-".to_owned(), |it| it.to_string());
        [
            proxy.to_string(),
            in_words(report.state()).to_owned(),
            agent.to_owned(),
            number(revision),
            number(runs),
            said.join("; "),
        ]
    };
    output::table(["PROXY", "STATE", "AGENT", "REVISION", "RUNS", "SAYS"], proxies.iter().map(row))
}

fn routes(routes: &[RouteReport], splits: &Splits) -> String {
    let row = |report: &RouteReport| {
        let RouteReport { policy, source, proxies, .. } = report;
        let reached = report.reached();
        let counted = RouteState::ALL.map(|reach| (reached.count(reach), reach));
        let reach: Vec<String> = counted
            .iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, reach)| format!("{number} {}", reach.as_str()))
            .collect();
        let mut says: Vec<&str> = Vec::new();
        let lines = |pick: fn(&RouteAtProxy) -> &Vec<String>| proxies.iter().flat_map(pick);
        for line in lines(|it| &it.refusals).chain(lines(|it| &it.unresolved)) {
            if !says.contains(&line.as_str()) {
                says.push(line);
            }
        }
        let reach = if reach.is_empty() { "selects nobody".to_owned() } else { reach.join(", ") };
        // a store has no source positions: the name would appear twice
        let written = if source == policy { "-" } else { source };
        [policy.clone(), reach, says.join("; "), written.to_owned()]
    };
    if splits.is_empty() {
        return output::table(["ROUTE", "PROXIES", "SAYS", "WRITTEN AT"], routes.iter().map(row));
    }
    let with_split = routes.iter().map(|report| {
        let [route, reach, says, written] = row(report);
        let split = splits.in_words(&report.policy);
        [route, reach, split, says, written]
    });
    output::table(["ROUTE", "PROXIES", "WANTED → SEEN", "SAYS", "WRITTEN AT"], with_split)
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}
