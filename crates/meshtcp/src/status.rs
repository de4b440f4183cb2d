//! `meshtcp status`: how far routes, proxies and revisions have come.

mod endpoints;

use serde_json::Value;

use crate::context::Server;
use crate::exit::Exit;
use crate::output::{self, Format, complain, print};

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

pub(crate) fn run(Args { what, name, server, proxy_admin, output: format }: Args) -> Exit {
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
    let mut report = match client.get("/_status") {
        Ok(Some(report)) => report,
        Ok(None) => {
            complain(&format!(
                "error: {} tells no status: it is no control plane of ours\n",
                client.server()
            ));
            return Exit::Unreachable;
        }
        Err(failed) => return failed.said(),
    };
    if let Some(name) = &name {
        for (list, key) in [("routes", "policy"), ("proxies", "proxy")] {
            if let Some(Value::Array(items)) = report.get_mut(list) {
                items.retain(|item| text(item, key).contains(name.as_str()));
            }
        }
    }
    let part = match what {
        What::All | What::Endpoints => report.clone(),
        What::Routes => report["routes"].clone(),
        What::Proxies => report["proxies"].clone(),
        What::Revisions => serde_json::json!({"revision": report["revision"], "rollout": report["rollout"]}),
    };
    let drawn = || match what {
        What::All | What::Endpoints => {
            format!("{}\n{}\n{}", revision(&report), proxies(&report), routes(&report))
        }
        What::Routes => routes(&report),
        What::Proxies => proxies(&report),
        What::Revisions => revision(&report),
    };
    print(&output::structured(format, &part).unwrap_or_else(drawn));
    Exit::Ok
}

fn revision(report: &Value) -> String {
    let number = report["revision"].as_u64().unwrap_or_default();
    let Some(rollout) = report.get("rollout").filter(|it| it.is_object()) else {
        return format!("revision {number}\n");
    };
    let count = |key: &str| rollout[key].as_u64().unwrap_or_default();
    let behind = |key: &str| rollout[key].as_array().map_or(0, Vec::len);
    let mut line = format!("revision {number}: {}/{} proxies live", count("live"), count("concerned"));
    for (key, word) in [("lagging", "lag behind"), ("refused", "refuse it")] {
        if behind(key) > 0 {
            line.push_str(&format!(", {} {word}", behind(key)));
        }
    }
    for (key, part) in [("p50", "50%"), ("p99", "99%"), ("p100", "100%")] {
        if let Some(seconds) = rollout["liveAfter"][key].as_f64() {
            line.push_str(&format!(", {part} after {seconds:.3} s"));
        }
    }
    line.push('\n');
    line
}

fn proxies(report: &Value) -> String {
    let row = |proxy: &Value| {
        let connection = &proxy["connection"];
        let agent = match (text(connection, "agent"), text(connection, "dialect")) {
            ("", "") => "-",
            ("", dialect) => dialect,
            (agent, _) => agent,
        };
        let refusals = proxy["refusals"].as_array().map(Vec::as_slice).unwrap_or_default();
        let state = match (connection.is_object(), refusals, proxy["inSync"].as_bool()) {
            (_, [_, ..], _) => "refuses",
            (false, [], _) => "not attached",
            (true, [], Some(true)) => "in sync",
            (true, [], _) => "pending",
        };
        let known = if proxy["known"].as_bool() == Some(false) { "has no Dataplane" } else { "" };
        let said = refusals.iter().map(|it| text(it, "message").trim().replace('\n', " "));
        let said: Vec<String> = said.chain((!known.is_empty()).then(|| known.to_owned())).collect();
        let number = |key: &str| proxy[key].as_u64().map_or("-".to_owned(), |number| number.to_string());
        [
            text(proxy, "proxy").to_owned(),
            state.to_owned(),
            agent.to_owned(),
            number("revision"),
            number("runs"),
            said.join("; "),
        ]
    };
    output::table(
        ["PROXY", "STATE", "AGENT", "REVISION", "RUNS", "SAYS"],
        list(report, "proxies").iter().map(row),
    )
}

fn routes(report: &Value) -> String {
    let row = |route: &Value| {
        let proxies = list(route, "proxies");
        let count = |reach: &str| proxies.iter().filter(|it| text(it, "reach") == reach).count();
        let parts = ["live", "pending", "refused", "detached", "without-effect"];
        let reach: Vec<String> = parts
            .iter()
            .filter(|part| count(part) > 0)
            .map(|part| format!("{} {part}", count(part)))
            .collect();
        let mut says: Vec<&str> = Vec::new();
        for key in ["refusals", "unresolved"] {
            for line in proxies.iter().flat_map(|it| list(it, key)).filter_map(Value::as_str) {
                if !says.contains(&line) {
                    says.push(line);
                }
            }
        }
        [
            text(route, "policy").to_owned(),
            reach.join(", "),
            says.join("; "),
            text(route, "source").to_owned(),
        ]
    };
    output::table(["ROUTE", "PROXIES", "SAYS", "WRITTEN AT"], list(report, "routes").iter().map(row))
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}
