//! `meshtcp status`: how far routes, proxies and revisions have come.

mod endpoints;

use change::Revision;
use change::report::{FleetReport, ProxyReport, Reach, RouteAtProxy, RouteReport};
use change::rollout::Rollout;
use serde_json::{Value, json};

use crate::context::Server;
use crate::exit::Exit;
use crate::names;
use crate::output::{self, Format, print};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to show
    #[arg(value_enum, value_name = "WHAT", default_value_t)]
    what: What,
    /// Only routes, proxies and clusters whose name contains this
    #[arg(value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    server: Server,
    /// Only routes and proxies of this mesh
    #[arg(short, long, value_name = "MESH", value_parser = names::mesh)]
    mesh: Option<String>,
    /// For `endpoints`: the admin address of a running `meshtcp up` or `meshtcp proxy`; may be repeated
    #[arg(long, value_name = "HOST:PORT")]
    proxy_admin: Vec<String>,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum What {
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
}

pub(crate) fn run(Args { what, name, server, mesh, proxy_admin, output: format }: Args) -> Exit {
    if what == What::Endpoints {
        return match endpoints::ask(&proxy_admin, name.as_deref()) {
            Ok(clusters) => {
                print(&output::structured(format, &clusters).unwrap_or_else(|| endpoints::table(&clusters)));
                Exit::Ok
            }
            Err(exit) => exit,
        };
    }
    let client = match server.client() {
        Ok(client) => client,
        Err(exit) => return exit,
    };
    let mut report = match client.report() {
        Ok(report) => report,
        Err(failed) => return failed.said(),
    };
    if let Some(name) = &name {
        report.routes.retain(|route| route.policy.contains(name.as_str()));
        report.proxies.retain(|proxy| proxy.proxy.to_string().contains(name.as_str()));
    }
    if let Some(mesh) = &mesh {
        // `Kind mesh/name`
        let is_of_mesh = |it: &str| {
            it.split(' ').nth(1).and_then(|it| it.split_once('/')).is_some_and(|(of, _)| of == mesh)
        };
        report.routes.retain(|route| is_of_mesh(&route.policy));
        report.proxies.retain(|proxy| proxy.proxy.mesh.as_str() == mesh);
    }
    let part = match what {
        What::All | What::Endpoints => json!(report),
        What::Routes => json!(report.routes),
        What::Proxies => json!(report.proxies),
        What::Revisions => json!({"revision": report.revision, "rollout": report.rollout}),
    };
    let drawn = || match what {
        What::All | What::Endpoints => {
            format!("{}\n{}\n{}", revision(&report), proxies(&report.proxies), routes(&report.routes))
        }
        What::Routes => routes(&report.routes),
        What::Proxies => proxies(&report.proxies),
        What::Revisions => revision(&report),
    };
    print(&output::structured(format, &part).unwrap_or_else(drawn));
    Exit::Ok
}

fn revision(FleetReport { revision, rollout, .. }: &FleetReport) -> String {
    let Some(Rollout { concerned, live, lagging, refused, live_after, .. }) = rollout else {
        return format!("revision {revision}\n");
    };
    let mut line = format!("revision {revision}: {live}/{concerned} proxies live");
    for (number, word) in [(lagging.len(), "lag behind"), (refused.len(), "refuse it")] {
        if number > 0 {
            line.push_str(&format!(", {number} {word}"));
        }
    }
    for (part, time) in live_after.parts() {
        line.push_str(&format!(", {part} after {:.3} s", time.as_secs_f64()));
    }
    line.push('\n');
    line
}

fn proxies(proxies: &[ProxyReport]) -> String {
    let row = |report: &ProxyReport| {
        let ProxyReport { proxy, known, connection, revision, runs, in_sync, refusals, .. } = report;
        let agent = connection.as_ref().map_or("-", |connection| match connection.agent.as_str() {
            "" => connection.dialect.as_str(),
            agent => agent,
        });
        let state = match (connection, refusals.as_slice(), in_sync) {
            (_, [_, ..], _) => "refuses",
            (None, [], _) => "not attached",
            (Some(_), [], true) => "in sync",
            (Some(_), [], false) => "pending",
        };
        let said = refusals.iter().map(|it| it.rejection.message.trim().replace('\n', " "));
        let said: Vec<String> = said.chain((!known).then(|| "has no Dataplane".to_owned())).collect();
        let number = |revision: &Option<Revision>| revision.map_or("-".to_owned(), |it| it.to_string());
        [
            proxy.to_string(),
            state.to_owned(),
            agent.to_owned(),
            number(revision),
            number(runs),
            said.join("; "),
        ]
    };
    output::table(["PROXY", "STATE", "AGENT", "REVISION", "RUNS", "SAYS"], proxies.iter().map(row))
}

fn routes(routes: &[RouteReport]) -> String {
    let row = |RouteReport { policy, source, proxies }: &RouteReport| {
        let count = |reach: Reach| proxies.iter().filter(|it| it.reach == reach).count();
        let counted = Reach::ALL.map(|reach| (count(reach), reach));
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
        let reach = if proxies.is_empty() { "selects nobody".to_owned() } else { reach.join(", ") };
        [policy.clone(), reach, says.join("; "), source.clone()]
    };
    output::table(["ROUTE", "PROXIES", "SAYS", "WRITTEN AT"], routes.iter().map(row))
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}
