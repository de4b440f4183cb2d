//! `meshtcp backup` and `meshtcp restore`: all stored resources as one text, and back.
//!
//! ```text
//!  control plane's API ─┐                        ┌─▶ control plane's API
//!                       ├─▶ resources ─▶ text ───┤
//!  store ───────────────┘                        └─▶ store
//! ```

mod keeper;
mod text;

use std::path::{Path, PathBuf};

use control::{plain_file, whole};
use keeper::Keeper;
use model::{Kind, ResourceKey};
use serde_json::{Value, json};

use crate::context::Server;
use crate::exit::Exit;
use crate::output::{complain, print};
use crate::store::{StoreChoice, StoreParser};

/// Whose resources.
#[derive(Debug, clap::Args)]
pub(crate) struct StoreOrServer {
    /// A store that is opened here, instead of asking a control plane, whichever is named: file:PATH, folder:PATH or
    /// postgres://USER:PASSWORD@HOST/DATABASE
    #[arg(long, value_name = "STORE", value_parser = StoreParser, env = StoreChoice::VARIABLE, hide_env_values = true)]
    store: Option<StoreChoice>,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, clap::Args)]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    source: StoreOrServer,
    /// With secrets, also the keys that tokens are signed with and the first token of an admin: what is written then is a
    /// secret itself
    #[arg(long)]
    secrets: bool,
    /// Write to this file, all at once, instead of to standard output; only its owner may read it
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RestoreArgs {
    /// What `meshtcp backup` wrote; `-` for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    source: StoreOrServer,
    /// Restore although resources are there already: those of the backup take the place of their namesakes, others stay
    #[arg(long)]
    overwrite: bool,
}

pub(crate) fn backup(BackupArgs { source, secrets, to }: BackupArgs) -> Exit {
    let found = keeper_of(&source, true).and_then(|keeper| keeper.all(secrets));
    let found = match found {
        Ok(found) => found,
        Err(exit) => return exit,
    };
    let text = text::of(&found);
    let Some(path) = to else {
        print(&text);
        return Exit::Ok;
    };
    match whole::replace(&path, text.as_bytes()) {
        Ok(()) => {
            print(&format!("{} resources are in {}\n", found.len(), path.display()));
            Exit::Ok
        }
        Err(error) => {
            complain(&format!("error: {} cannot be written: {error}\n", path.display()));
            Exit::Environment
        }
    }
}

pub(crate) fn restore(RestoreArgs { file, source, overwrite }: RestoreArgs) -> Exit {
    let read = match load(&file) {
        Ok(text) => text::read(&file.display().to_string(), &text),
        Err(error) => {
            complain(&format!("error: {} cannot be read: {error}\n", file.display()));
            return Exit::Environment;
        }
    };
    let mut documents = match read {
        Ok(documents) => documents,
        Err(why) => {
            complain(&format!("error: {}: {why}\n", file.display()));
            return Exit::Problems;
        }
    };
    let keeper = match keeper_of(&source, false) {
        Ok(keeper) => keeper,
        Err(exit) => return exit,
    };
    if !overwrite {
        let there = match keeper.all(true) {
            Ok(there) => there,
            Err(exit) => return exit,
        };
        let own: Vec<&ResourceKey> =
            there.iter().filter(|it| !is_of_first_start(it)).map(|(key, _)| key).collect();
        if let Some(first) = own.first() {
            complain(&format!(
                "error: {} resources are there already, such as {first}: nothing was restored\n  help: --overwrite restores \
                 over them, and leaves alone what is not in the backup\n",
                own.len()
            ));
            return Exit::Problems;
        }
    }
    // a mesh must exist before its resources, and the resources that a mesh names before the rest
    documents.sort_by_key(|(key, _)| (key.kind != Kind::Mesh, !key.keeps_a_secret()));
    put_back(&keeper, &documents)
}

/// Puts everything back together, so that no proxy is told a part of it. If that is impossible, because of one resource
/// or of an older control plane, puts back all that it can, and reports the reason for each of the rest.
fn put_back(keeper: &Keeper, documents: &[(ResourceKey, Value)]) -> Exit {
    let (mut new, mut changed, mut same) = (0, 0, 0);
    let mut count = |put: keeper::Put| match put {
        keeper::Put::New => new += 1,
        keeper::Put::Changed => changed += 1,
        keeper::Put::Same => same += 1,
    };
    let mut refused = None;
    let one_by_one = match keeper.put_all(documents) {
        Ok(Some(puts)) => {
            puts.into_iter().for_each(&mut count);
            &[]
        }
        Ok(None) => documents,
        Err(not_put) if not_put.stops_everything() => {
            complain(&format!("error: nothing was restored: {not_put}\n"));
            return not_put.exit();
        }
        // each reports its own fault
        Err(_) => documents,
    };
    for (key, document) in one_by_one {
        match keeper.put(key, document) {
            Ok(put) => count(put),
            Err(not_put) => {
                complain(&format!("error: {key} was not restored: {not_put}\n"));
                refused = Some(not_put.exit());
                if not_put.stops_everything() {
                    break;
                }
            }
        }
    }
    let (done, all) = (new + changed + same, documents.len());
    let sum = format!("{new} new, {changed} changed, {same} as they were");
    match refused {
        None => print(&format!("{all} resources restored: {sum}\n")),
        Some(_) => complain(&format!(
            "{done} of {all} resources were restored: {sum}\n  help: when the reasons are gone, restore again with \
             --overwrite\n"
        )),
    }
    refused.unwrap_or(Exit::Ok)
}

fn keeper_of(StoreOrServer { store, server }: &StoreOrServer, must_exist: bool) -> Result<Keeper, Exit> {
    match store {
        Some(choice) => Keeper::open(choice, must_exist),
        None => server.client().map(Keeper::Api),
    }
}

/// Returns `true` for resources that a control plane creates in a new store by itself: a bare mesh, the keys of tokens,
/// and in a zone the Zone and the generators of host names.
fn is_of_first_start((key, document): &(ResourceKey, Value)) -> bool {
    const OURS: [&str; 4] = [
        "admin-user-token",
        "user-token-signing-key",
        "zone-token-signing-key",
        "dataplane-token-signing-key",
    ];
    match key.kind {
        Kind::Mesh => *document == json!({ "type": "Mesh", "name": "default" }),
        Kind::Zone => *document == json!({ "type": "Zone", "name": key.name }),
        Kind::HostnameGenerator => {
            ["local-universal-mesh-service", "local-mesh-external-service"].contains(&key.name.as_str())
        }
        Kind::Secret | Kind::GlobalSecret => OURS.iter().any(|begins| key.name.starts_with(begins)),
        _ => false,
    }
}

fn load(file: &Path) -> std::io::Result<String> {
    if file == Path::new("-") {
        return plain_file::text_input();
    }
    plain_file::text_named(file)
}
