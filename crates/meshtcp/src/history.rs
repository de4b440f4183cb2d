//! `meshtcp history`: changes of a stored resource, with author and time.

use change::preview::{comparable, differences};
use jiff::Timestamp;
use model::ResourceKey;
use serde::Deserialize;
use serde_json::{Value, json};
use xds::Foreign;

use crate::client::Client;
use crate::context::{InMesh, Server};
use crate::exit::Exit;
use crate::in_force::path;
use crate::kind::{WrittenKind, key};
use crate::output::{self, Format, complain, print};

/// Maximum number of changed fields shown per change.
const FIELDS: usize = 6;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    one: One,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

/// One stored resource.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct One {
    /// The kind, e.g. meshtcproutes, MeshTCPRoute or mtcpr; KIND/NAME
    #[arg(value_name = "KIND")]
    kind: WrittenKind,
    /// The name, MESH/NAME for one of another mesh
    #[arg(value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    mesh: InMesh,
    #[command(flatten)]
    server: Server,
}

/// Change kept in the history.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Change {
    pub(crate) revision: u64,
    pub(crate) at: Timestamp,
    pub(crate) by: String,
    /// Kind of the change: `put` or `deleted`.
    pub(crate) what: String,
    /// Document from then on; null: none, or a secret, which is not kept.
    pub(crate) document: Value,
}

impl One {
    /// Client and resource key that the arguments select.
    ///
    /// # Errors
    /// Exit status, after the reason was reported.
    pub(crate) fn resolved(&self) -> Result<(Client, ResourceKey), Exit> {
        let Self { kind: WrittenKind { kind, name: behind }, name, mesh, server } = self;
        let Some(name) = behind.as_ref().or(name.as_ref()) else {
            complain(&format!("error: which {kind}?\n  help: write KIND NAME, or KIND/NAME\n"));
            return Err(Exit::Usage);
        };
        let (client, mesh) = server.client_in(mesh)?;
        Ok((client, key(*kind, &mesh, name)))
    }
}

/// Kept changes of a resource, the newest first.
///
/// # Errors
/// Exit status, after the reason was reported.
pub(crate) fn changes(client: &Client, key: &ResourceKey) -> Result<Vec<Change>, Exit> {
    let found = client.get(&format!("{}/_history", path(key))).map_err(|failed| failed.said())?;
    let Some(mut found) = found else {
        complain("error: this control plane keeps no history: it is of another version\n");
        return Err(Exit::Problems);
    };
    let changes: Vec<Change> = serde_json::from_value(found["items"].take()).map_err(|error| {
        complain(&format!("error: what is kept of {key} cannot be read: {error}\n"));
        Exit::Unreachable
    })?;
    if changes.is_empty() {
        complain(&format!(
            "error: nothing is kept of {key}: nobody has changed it over the API since that is kept\n"
        ));
        return Err(Exit::Problems);
    }
    Ok(changes)
}

pub(crate) fn run(Args { one, output: format }: &Args) -> Exit {
    let shown = || -> Result<(), Exit> {
        let (client, key) = one.resolved()?;
        let changes = changes(&client, &key)?;
        let items = || changes.iter().map(as_json).collect::<Vec<_>>();
        let drawn = || drawn(&key, &changes);
        print(&output::structured(*format, &json!({ "items": items() })).unwrap_or_else(drawn));
        Ok(())
    };
    shown().err().unwrap_or(Exit::Ok)
}

fn as_json(Change { revision, at, by, what, document }: &Change) -> Value {
    json!({ "revision": revision, "at": at, "by": by, "what": what, "document": document })
}

fn drawn(key: &ResourceKey, changes: &[Change]) -> String {
    let row = |(at, change): (usize, &Change)| {
        let before = changes.get(at + 1).map(|before| &before.document);
        [
            change.revision.to_string(),
            change.at.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
            Foreign::name(&change.by).to_string(),
            in_words(key, before, change),
        ]
    };
    output::table(["REVISION", "WHEN", "BY", "WHAT"], changes.iter().enumerate().map(row))
}

/// Effect of a change, in words.
fn in_words(key: &ResourceKey, before: Option<&Value>, change: &Change) -> String {
    if change.what == "deleted" {
        return "deleted".to_owned();
    }
    if change.document.is_null() {
        return "changed (it is a secret, and what it said is not kept)".to_owned();
    }
    let Some(before) = before.filter(|before| !before.is_null()) else { return "put".to_owned() };
    let fields = differences(&comparable(before, key.kind), &comparable(&change.document, key.kind));
    let mut words: Vec<String> = fields.iter().take(FIELDS).map(ToString::to_string).collect();
    if fields.len() > FIELDS {
        words.push(format!("and {} more", fields.len() - FIELDS));
    }
    words.join("; ")
}
