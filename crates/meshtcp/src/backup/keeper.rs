//! Keeper of the resources: a control plane that is asked, or a store that is opened here.

use std::sync::Arc;

use control::store::{Effect, Expected, Selection, Store, StoreError};
use model::kind::Scope;
use model::{Kind, ResourceKey};
use serde_json::{Map, Value};
use tokio::runtime::Runtime;

use crate::client::{Client, Failed};
use crate::exit::Exit;
use crate::in_force::{collection, path};
use crate::output::complain;
use crate::store::StoreChoice;

/// Maximum number of attempts to read everything while it changes.
const ATTEMPTS: usize = 3;
/// Members that the API adds to stored documents.
const SHOWN: [&str; 3] = ["creationTime", "modificationTime", "kri"];

/// Keeper of the resources.
pub(super) enum Keeper {
    /// Control plane, through its API.
    Api(Client),
    /// Store, with the runtime of its tasks.
    Store(Runtime, Arc<dyn Store>),
}

/// Outcome of one resource.
pub(super) enum Put {
    New,
    Changed,
    Same,
}

impl Put {
    fn of(effect: Effect) -> Self {
        match effect {
            Effect::Created => Put::New,
            Effect::Changed => Put::Changed,
            Effect::Unchanged => Put::Same,
        }
    }
}

/// Reason why a resource was not put.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotPut {
    /// Refusal by a control plane, or no answer.
    #[error(transparent)]
    Api(#[from] Failed),
    /// Error of a store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl NotPut {
    /// Exit status for the error.
    pub(super) fn exit(&self) -> Exit {
        match self {
            NotPut::Api(failed) => failed.exit(),
            NotPut::Store(_) => Exit::Environment,
        }
    }

    /// Returns `true` if the next resource would fail in the same way.
    pub(super) fn stops_everything(&self) -> bool {
        match self {
            NotPut::Api(failed) => failed.exit() == Exit::Unreachable,
            NotPut::Store(StoreError::Unfit { .. } | StoreError::Conflict { .. }) => false,
            NotPut::Store(_) => true,
        }
    }
}

impl Keeper {
    /// Opens a store.
    ///
    /// # Errors
    /// Exit status, after the reason was reported.
    pub(super) fn open(choice: &StoreChoice, must_exist: bool) -> Result<Self, Exit> {
        let environment = |why: String| {
            complain(&format!("error: {why}\n"));
            Exit::Environment
        };
        match choice {
            StoreChoice::Memory => {
                complain(
                    "error: --store memory is gone with its process: ask its control plane, without --store\n",
                );
                return Err(Exit::Usage);
            }
            StoreChoice::File(path) | StoreChoice::Folder(path) if must_exist && !path.exists() => {
                return Err(environment(format!("there is no store {}", path.display())));
            }
            StoreChoice::File(_) | StoreChoice::Folder(_) | StoreChoice::Postgres(_) => {}
        }
        let runtime = Runtime::new().map_err(|error| environment(format!("no event loop: {error}")))?;
        let store = runtime.block_on(choice.open()).map_err(|why| {
            let help = if why.contains("another process") {
                "\n  help: ask the control plane that has it open: leave --store away"
            } else {
                ""
            };
            environment(format!("{why}{help}"))
        })?;
        Ok(Keeper::Store(runtime, store))
    }

    /// All resources, as of one moment; secrets only if they are wanted.
    ///
    /// # Errors
    /// Exit status, after the reason was reported.
    pub(super) fn all(&self, secrets: bool) -> Result<Vec<(ResourceKey, Value)>, Exit> {
        let mut found = match self {
            Keeper::Api(client) => asked(client, secrets).map_err(|failed| failed.said())?,
            Keeper::Store(runtime, store) => {
                let listed = runtime.block_on(store.list(&Selection::default()));
                let listed = listed.map_err(|error| {
                    complain(&format!("error: {error}\n"));
                    Exit::Environment
                })?;
                for it in &listed.unreadable {
                    complain(&format!(
                        "warning: {} is not in it: it cannot be read: {}\n",
                        it.place(),
                        it.why
                    ));
                }
                listed.items.into_iter().map(|it| (it.key, it.document)).collect()
            }
        };
        found.retain(|(key, _)| secrets || !key.keeps_a_secret());
        found.iter_mut().for_each(|(key, document)| *document = plain(key, std::mem::take(document)));
        found.sort_by_cached_key(|(key, _)| (key.kind, key.mesh.clone(), key.name.clone()));
        Ok(found)
    }

    /// Puts resources over the stored ones, together: all or none. Returns the outcomes, in no particular order.
    /// `None`: the control plane is too old for that, and they have to be put one by one.
    ///
    /// # Errors
    /// None of them was put.
    pub(super) fn put_all(&self, documents: &[(ResourceKey, Value)]) -> Result<Option<Vec<Put>>, NotPut> {
        match self {
            Keeper::Api(client) => {
                let mut differing = Vec::new();
                for (key, document) in documents {
                    let found = client.get(&path(key))?;
                    if !found.is_some_and(|found| plain(key, found) == *document) {
                        differing.push(document);
                    }
                }
                let same = documents.len() - differing.len();
                let applied =
                    if differing.is_empty() { Some(Vec::new()) } else { client.apply(&differing)? };
                let became = |it: &crate::client::Applied| match it.outcome.as_str() {
                    "created" => Put::New,
                    "unchanged" => Put::Same,
                    _ => Put::Changed,
                };
                let with_same = |puts: Vec<crate::client::Applied>| {
                    puts.iter().map(became).chain((0..same).map(|_| Put::Same)).collect()
                };
                Ok(applied.map(with_same))
            }
            Keeper::Store(runtime, store) => {
                let put = |(key, document): &(ResourceKey, Value)| control::store::Put {
                    key: key.clone(),
                    document: document.clone(),
                    expected: Expected::Any,
                };
                let written = runtime.block_on(store.put_all(documents.iter().map(put).collect()))?;
                Ok(Some(written.iter().map(|it| Put::of(it.effect)).collect()))
            }
        }
    }

    /// Puts a resource over the stored one.
    ///
    /// # Errors
    /// It was not put.
    pub(super) fn put(&self, key: &ResourceKey, document: &Value) -> Result<Put, NotPut> {
        match self {
            Keeper::Api(client) => {
                let path = path(key);
                if client.get(&path)?.is_some_and(|found| plain(key, found) == *document) {
                    return Ok(Put::Same);
                }
                let put = client.put(&path, document)?;
                Ok(if put.created { Put::New } else { Put::Changed })
            }
            Keeper::Store(runtime, store) => {
                let written = runtime.block_on(store.put(key, document.clone(), Expected::Any))?;
                Ok(Put::of(written.effect))
            }
        }
    }
}

/// All resources of a control plane, read again if they change meanwhile.
fn asked(client: &Client, secrets: bool) -> Result<Vec<(ResourceKey, Value)>, Failed> {
    let revision = || client.get("/_status?size=0").map(|it| it.and_then(|it| it.get("revision").cloned()));
    let served = client.kinds()?;
    let is_secret = |kind: Kind| matches!(kind, Kind::Secret | Kind::GlobalSecret);
    for attempt in 1.. {
        let before = revision()?;
        let mut found = Vec::new();
        for kind in Kind::ALL.iter().copied() {
            if if is_secret(kind) { !secrets } else { !served.contains(kind.plural()) } {
                continue;
            }
            let listed = match kind {
                // secrets of a mesh are listed only with their mesh
                Kind::Secret => {
                    let mut all = Vec::new();
                    for mesh in client.list("/meshes")? {
                        let name = mesh.get("name").and_then(Value::as_str).unwrap_or_default();
                        all.extend(client.list(&collection(kind, name))?);
                    }
                    all
                }
                kind => client.list(&format!("/{}", kind.plural()))?,
            };
            found.extend(listed.into_iter().filter_map(|it| Some((ResourceKey::of_document(&it).ok()?, it))));
        }
        if revision()? == before {
            return Ok(found);
        }
        if attempt == ATTEMPTS {
            complain("warning: resources changed while they were read: they may not all be of one moment\n");
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

/// Document as it is kept: identity first, then the labels, without members that only answers have.
fn plain(key: &ResourceKey, document: Value) -> Value {
    let mut plain = Map::new();
    plain.insert("type".into(), key.kind.as_str().into());
    if key.kind.scope() == Scope::Mesh {
        plain.insert("mesh".into(), key.mesh_or_empty().into());
    }
    plain.insert("name".into(), key.name.as_str().into());
    let Value::Object(members) = document else { return Value::Object(plain) };
    if let Some(labels) = members.get("labels") {
        plain.insert("labels".into(), labels.clone());
    }
    for (name, value) in members {
        if !plain.contains_key(&name) && !SHOWN.contains(&name.as_str()) {
            plain.insert(name, value);
        }
    }
    Value::Object(plain)
}
