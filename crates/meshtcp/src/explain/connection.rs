//! Reason why one connection went where it went: its own record has the policy and the draw, the resources have the
//! split.

use std::path::PathBuf;

use change::story::{DrawInterval, intervals};
use l4::balance::Draw;
use plan::ProxyId;

use crate::client::Client;
use crate::exit::Exit;
use crate::in_force::InForce;
use crate::logs::{Record, records};
use crate::output::{self, Format, complain, print};

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("place").required(true).args(["log", "admin"]))]
pub(crate) struct Args {
    /// The number of the connection, as the connection log and `/connections` say it
    #[arg(value_name = "ID", value_parser = number)]
    id: u64,
    /// The connection log that it is in
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// The admin address of the `meshtcp up` or `meshtcp proxy` that carries it now
    #[arg(long, value_name = "HOST:PORT")]
    admin: Option<String>,
    /// Only a connection of this proxy: after a restart numbers begin anew, and a log may hold several
    #[arg(long, value_name = "NAME")]
    proxy: Option<ProxyId>,
    /// Say the split of the resources that are in force too, and where the draw falls in it
    #[arg(long)]
    split: bool,
    #[command(flatten)]
    in_force: InForce,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

/// Parses the number of a connection.
fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "write the number of a connection: its `id` in the connection log".to_owned())
}

pub(super) fn run(Args { id, log, admin, proxy, split, in_force, output: format }: Args) -> Exit {
    let found = match (&log, &admin) {
        (Some(file), _) => records(file).map(|(records, _)| records),
        (None, Some(address)) => open(address),
        (None, None) => return Exit::Usage,
    };
    let records = match found {
        Ok(records) => records,
        Err(exit) => return exit,
    };
    let is_meant = |record: &&Record| {
        record.text("id") == id.to_string()
            && proxy.as_ref().is_none_or(|key| record.text("proxy") == key.to_string())
    };
    let fitting: Vec<&Record> = records.iter().filter(is_meant).collect();
    let Some(record) = fitting.last() else {
        let place = log.map(|file| file.display().to_string()).or(admin).unwrap_or_default();
        complain(&format!(
            "error: no connection {id} in {place}\n  help: there are {} connections in it\n",
            records.len()
        ));
        return Exit::Problems;
    };
    if fitting.len() > 1 {
        complain(&format!(
            "note: {} connections have the number {id}; this is the last of them\n",
            fitting.len()
        ));
    }
    let intervals = match split.then(|| in_force.load()) {
        None => Vec::new(),
        Some(Ok(state)) => intervals(record, &state.compiled),
        Some(Err(exit)) => return exit,
    };
    let tree = serde_json::json!({"connection": record.tree(), "split": intervals});
    print(&output::structured(format, &tree).unwrap_or_else(|| in_words(record, &intervals, split)));
    Exit::Ok
}

fn open(address: &str) -> Result<Vec<Record>, Exit> {
    let found =
        Client::of_admin(address).get("/connections").map_err(|failed| failed.said())?.unwrap_or_default();
    Ok(found.as_array().into_iter().flatten().filter_map(Record::of_open).collect())
}

fn in_words(record: &Record, intervals: &[DrawInterval], asked: bool) -> String {
    let say = |key: &str| record.shown(key).to_owned();
    let mut lines = vec![
        format!("connection {} of {}", say("id"), say("proxy")),
        format!("  {} dialled {} at {}", say("client"), say("destination"), say("listener")),
    ];
    let mut push = |line: String| lines.push(line);
    match (record.text("policy"), record.text("rule")) {
        ("" | "default", _) => push("  no policy decides there: it goes to what was dialled".to_owned()),
        (policy, rule) => push(format!("  decided by {policy}, {rule}")),
    }
    if let Some(draw) = record.draw() {
        let percent = Draw(draw).fraction() * 100.0;
        push(format!(
            "  the draw {} is at {percent:.4}% of the way through the weights, in their order",
            say("draw")
        ));
    }
    for DrawInterval { backend, from, to, drawn } in intervals {
        push(format!("    {} {from:>7.3}% to {to:>7.3}%  {backend}", if *drawn { "▶" } else { " " }));
    }
    if let Some(now) = intervals.iter().find(|it| it.drawn) {
        let went = record.text("backend");
        // another one than was drawn, where that could not be used
        let first = Some(record.text("first_backend")).filter(|first| !first.is_empty()).unwrap_or(went);
        match (now.backend == first, first == went) {
            (true, true) => push("    which is where it went".to_owned()),
            (true, false) => push(format!("    which could not take it then: it went to {went} instead")),
            (false, _) => push(format!(
                "    the split is another now; by the one of generation {} it went to {}",
                say("generation"),
                say("backend")
            )),
        }
    } else if asked && intervals.is_empty() {
        push("    the resources that are in force have no such listener".to_owned());
    }
    match (record.text("backend"), record.text("endpoint")) {
        ("", _) => push("  no backend was chosen".to_owned()),
        (backend, "") => push(format!("  so {backend} was chosen, of which nothing could be dialled")),
        (backend, endpoint) => push(format!("  so {backend} was chosen, and of its endpoints {endpoint}")),
    }
    match (record.text("mirror"), record.text("mirror_ended")) {
        ("", _) => {}
        (mirror, "") => push(format!("  what its client sends is copied to {mirror}")),
        (mirror, ended) => {
            push(format!("  {} bytes of its client were copied to {mirror}: {ended}", say("mirror_bytes")));
        }
    }
    match record.text("ended") {
        "" => push(format!("  it is open, by configuration {}", say("generation"))),
        ended => {
            let why = record.text("why");
            let why = if why.is_empty() { String::new() } else { format!(": {why}") };
            push(format!(
                "  it ended {ended} after {} ms, {} bytes from the client and {} to it{why}",
                say("duration_ms"),
                say("bytes_from_client"),
                say("bytes_to_client")
            ));
        }
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}
