//! Revocation list of tokens: a secret with their ids.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::ResourceKey;
use serde_json::{Value, json};

use super::Written;
use crate::client::Client;
use crate::exit::Exit;
use crate::in_force::path;
use crate::output::{complain, print};

/// Adds the id of a token to the list for its type, on top of concurrent changes.
pub(super) fn add(client: &Client, token: &Written) -> Exit {
    let Some(id) = token.id() else {
        complain(
            "error: the token has no id, by which it could be revoked\n  help: exchange the key that it was signed with\n",
        );
        return Exit::Problems;
    };
    let key = token.revocations();
    let stored = match client.get_tagged(&path(&key)) {
        Ok(stored) => stored,
        Err(failed) => return failed.said(),
    };
    let (known, version) = match &stored {
        None => (Some(String::new()), None),
        Some((document, version)) => (ids(document), version.as_deref()),
    };
    let Some(known) = known else {
        complain(&format!(
            "error: {key} cannot be read: it revokes every token as it is\n  help: look at it, and repair it: meshtcp get {}/{}\n",
            key.kind.plural(),
            key.name
        ));
        return Exit::Problems;
    };
    let is_separator = |letter: char| letter == ',' || letter.is_whitespace();
    if known.split(is_separator).any(|it| it == id) {
        print(&format!("{id} was revoked already\n"));
        return Exit::Ok;
    }
    let all = if known.trim().is_empty() { id.to_owned() } else { format!("{},{id}", known.trim_end()) };
    match client.put_on(&path(&key), &document(&key, &all), version) {
        Ok(None) => {
            complain(&format!("error: {key} was changed by somebody else meanwhile\n  help: do it again\n"));
            Exit::Problems
        }
        Ok(Some(_)) => {
            print(&format!(
                "{id} is revoked: nobody is let in by it any more; what is attached stays so until it attaches anew\n"
            ));
            Exit::Ok
        }
        Err(failed) => failed.said(),
    }
}

/// Text of a list; `None`: it cannot be read.
fn ids(document: &Value) -> Option<String> {
    let data: String = document["data"].as_str()?.split_whitespace().collect();
    String::from_utf8(STANDARD.decode(data).ok()?).ok()
}

fn document(key: &ResourceKey, ids: &str) -> Value {
    let mut document = json!({ "type": key.kind.as_str(), "name": key.name, "data": STANDARD.encode(ids) });
    if let Some(mesh) = &key.mesh {
        document["mesh"] = json!(mesh);
    }
    document
}
