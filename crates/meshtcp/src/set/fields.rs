//! `meshtcp set KIND NAME PLACE=VALUE…`: fields of any stored resource.

use change::preview::Preview;
use change::rollout::Rollout;
use model::ResourceKey;
use serde_json::json;

use super::place::Change;
use super::{Args, Options, shown};
use crate::apply::answer;
use crate::apply::wait::waited;
use crate::backends::{ATTEMPTS, in_a_line};
use crate::exit::Exit;
use crate::get::absent;
use crate::in_force::path;
use crate::kind::{WrittenKind, key};
use crate::output::{self, Format, complain, print};

/// Makes the changes on top of the stored resource, and repeats that after a concurrent change.
pub(super) fn run(arguments: &Args) -> Result<Exit, Exit> {
    let Args { what: _, kind, words, options } = arguments;
    let Options { dry_run, wait, server, mesh, output: format } = options;
    let (name, changes) = meant(kind.as_ref(), words).map_err(|why| {
        complain(&format!("error: {why}\n"));
        Exit::Usage
    })?;
    let Some(WrittenKind { kind, .. }) = kind else { return Err(Exit::Usage) };
    let (client, mesh) = server.client_in(mesh)?;
    let key = key(*kind, &mesh, name);
    for _ in 0..ATTEMPTS {
        let Some((stored, tag)) = client.get_tagged(&path(&key)).map_err(|failed| failed.said())? else {
            complain(&absent(&client, &key));
            return Err(Exit::Problems);
        };
        let mut document = stored.clone();
        changes.iter().try_for_each(|change| change.make(&mut document)).map_err(|why| {
            complain(&format!("error: {key}: {why}\n"));
            Exit::Problems
        })?;
        if document == stored && !dry_run {
            told(&key, None, None, *format);
            return Ok(Exit::Ok);
        }
        let preview = client.preview(&[&document]).map_err(|failed| failed.said())?;
        if preview.is_refused() || *dry_run {
            return Ok(shown(&preview, *format));
        }
        let put = client.put_on(&path(&key), &document, tag.as_deref()).map_err(|failed| failed.said())?;
        let Some(put) = put else { continue };
        put.warnings.iter().for_each(|warning| complain(&format!("warning: {key}: {warning}\n")));
        let (rollout, exit) = waited(&client, put.revision, wait);
        told(&key, Some((&preview, put.revision)), rollout.as_ref(), *format);
        return Ok(exit);
    }
    complain(&format!("error: others change {key} at the same time: nothing was changed, try again\n"));
    Err(Exit::Problems)
}

/// Name of the resource, and its changes.
fn meant<'a>(kind: Option<&'a WrittenKind>, words: &'a [String]) -> Result<(&'a str, Vec<Change>), String> {
    let behind = kind.and_then(|kind| kind.name.as_deref());
    let (name, changes) = match (behind, words.split_first()) {
        (Some(name), _) => (name, words),
        (None, Some((name, changes))) => (name.as_str(), changes),
        (None, None) => return Err("nothing is named: meshtcp set KIND NAME PLACE=VALUE".to_owned()),
    };
    if changes.is_empty() {
        return Err(format!("it is not said what of {name} to change: meshtcp set KIND NAME PLACE=VALUE"));
    }
    Ok((name, changes.iter().map(|change| change.parse()).collect::<Result<_, _>>()?))
}

/// Reports the outcome; without a change, that the resource is unchanged.
fn told(
    key: &ResourceKey,
    changed: Option<(&Preview, Option<u64>)>,
    rollout: Option<&Rollout>,
    format: Format,
) {
    let outcome = if changed.is_some() { "updated" } else { "unchanged" };
    match (format, changed) {
        (Format::Table, None) => print(&format!("{key} unchanged\n")),
        (Format::Table, Some((preview, _))) => {
            let fields = preview.resources.iter().flat_map(|it| &it.fields);
            let fields: String = fields.map(|field| format!("    {field}\n")).collect();
            print(&format!("{key} updated, {}{fields}", in_a_line(preview)));
        }
        (Format::Json | Format::Yaml, changed) => {
            let resource =
                json!([{ "kind": key.kind, "mesh": key.mesh, "name": key.name, "outcome": outcome }]);
            let revision = changed.and_then(|(_, revision)| revision);
            print(&output::structured(format, &answer(&resource, revision, rollout)).unwrap_or_default());
        }
    }
}
