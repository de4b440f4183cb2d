//! `meshtcp bug-report`: diagnostics for developers in one archive, without secrets.

mod archive;
mod kept;
mod secrets;

use std::path::PathBuf;

use jiff::Timestamp;
use model::Kind;
use serde_json::{Value, json};

use crate::check::findings;
use crate::client::{Client, Failed};
use crate::context::Server;
use crate::exit::Exit;
use crate::output::{complain, print, yaml};
use crate::version::OURS;
use kept::Kept;
use secrets::blanked;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The archive; it must not be there yet. Default: meshtcp-bug-report-TIME.tar.gz in this folder
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// The admin address of a running `meshtcp up` or `meshtcp proxy` that it is about; may be repeated
    #[arg(long, value_name = "HOST:PORT")]
    proxy_admin: Vec<String>,
    /// Only proxies and this host: there is no control plane
    #[arg(long)]
    no_control_plane: bool,
    #[command(flatten)]
    server: Server,
}

pub(crate) fn run(Args { to, proxy_admin, no_control_plane, server }: Args) -> Exit {
    let client = match no_control_plane {
        true => None,
        false => match server.client() {
            Ok(client) => Some(client),
            Err(exit) => return exit,
        },
    };
    let now = Timestamp::now();
    let mut kept = Kept::default();
    kept.json("about.json", &about(now));
    let (found, _) = findings(client.as_ref(), &proxy_admin);
    kept.json("check.json", &json!(found));
    if let Some(client) = &client {
        of_control_plane(client, &mut kept);
    }
    for address in &proxy_admin {
        let client = Client::of_admin(address);
        let folder = format!("proxies/{}", address.replace([':', '/', '[', ']'], "_"));
        for page in ["status", "plan"] {
            kept.asked(&format!("{folder}/{page}.json"), client.get(&format!("/{page}")));
        }
        kept.read(&format!("{folder}/metrics.txt"), client.page("/metrics"));
    }
    let to =
        to.unwrap_or_else(|| format!("meshtcp-bug-report-{}.tar.gz", now.strftime("%Y%m%dT%H%M%SZ")).into());
    let files = kept.files();
    match archive::write(&to, &files, now) {
        Ok(()) => {
            let listed: String =
                files.iter().map(|(name, text)| format!("  {:>9} B  {name}\n", text.len())).collect();
            print(&format!(
                "{} has:\n{listed}secrets, open connections and the values of variables are not in it; names and addresses are: look \
                 before you give it away\n",
                to.display()
            ));
            Exit::Ok
        }
        Err(error) => {
            complain(&format!("error: {} cannot be written: {error}\n", to.display()));
            Exit::Environment
        }
    }
}

/// Facts about this program and this host.
fn about(now: Timestamp) -> Value {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    // only the names: a value may be a password
    let variables: Vec<String> = std::env::vars_os()
        .map(|(name, _)| name.to_string_lossy().into_owned())
        .filter(|name| name.starts_with("MESHTCP_"))
        .collect();
    json!({
        "meshtcp": OURS,
        "made": now.to_string(),
        "kernel": format!("{} {}", kernel.trim(), std::env::consts::ARCH),
        "processors": std::thread::available_parallelism().map(usize::from).unwrap_or_default(),
        "variables": variables,
    })
}

fn of_control_plane(client: &Client, kept: &mut Kept) {
    for (name, path) in [("index", "/"), ("config", "/config"), ("revisions", "/_revisions")] {
        kept.asked(&format!("control-plane/{name}.json"), client.get(path));
    }
    kept.told("control-plane/status.json", client.report(""));
    kept.told("control-plane/identity.json", client.certificates(""));
    match resources(client) {
        Ok(text) => kept.text("control-plane/resources.yaml", text),
        Err(failed) => kept.lacks("control-plane/resources.yaml", &failed),
    }
}

/// All stored resources except secrets, as YAML.
fn resources(client: &Client) -> Result<String, Failed> {
    let served = client.kinds()?;
    let is_open = |kind: &&Kind| !matches!(kind, Kind::Secret | Kind::GlobalSecret);
    let mut text = String::new();
    for kind in Kind::ALL.iter().filter(is_open).filter(|kind| served.contains(kind.plural())) {
        for resource in client.list(&format!("/{}", kind.plural()))? {
            text.push_str(&format!("---\n{}", yaml(&blanked(resource))));
        }
    }
    Ok(text)
}
