//! The backends of a stored route, as people name them on the command line: `redis-v2`, `redis-v2:6379`.

use std::fmt::Write as _;

use change::preview::Preview;
use model::{Kind, ResourceKey};
use serde_json::{Map, Value, json};
use xds::Foreign;

use crate::client::{Client, Failed};
use crate::exit::Exit;
use crate::in_force::path;
use crate::output::complain;

/// How often a change is made again on top of one that came in between.
pub(crate) const ATTEMPTS: usize = 5;

/// A stored route.
pub(crate) struct Route {
    key: ResourceKey,
    document: Value,
    tag: Option<String>,
}

impl Route {
    /// The stored MeshTCPRoute of a key.
    ///
    /// # Errors
    /// How to end, after it was said why: there is none, or it cannot be read.
    pub(crate) fn of(client: &Client, key: ResourceKey) -> Result<Self, Exit> {
        let found = client.get_tagged(&path(&key)).map_err(|failed| failed.said())?;
        match found {
            Some((document, tag)) => Ok(Self { key, document, tag }),
            None => {
                complain(&crate::get::absent(client, &key));
                Err(Exit::Problems)
            }
        }
    }

    /// A route of a mesh, by its name.
    pub(crate) fn key(mesh: &str, name: &str) -> ResourceKey {
        crate::kind::key(Kind::MeshTCPRoute, mesh, name)
    }

    /// The document.
    pub(crate) fn document(&self) -> &Value {
        &self.document
    }

    /// The splits of the route that name all of these backends, each with the places of those in it; of one destination only
    /// where one is said.
    ///
    /// # Errors
    /// In words: none does, or several do that say different things.
    pub(crate) fn splits(&self, names: &[&str], destination: Option<&str>) -> Result<Vec<Split>, String> {
        let items = self.document["spec"]["to"].as_array().into_iter().flatten().enumerate();
        let mut found = Vec::new();
        let mut there = Vec::new();
        for (item, to) in items.filter(|(_, to)| destination.is_none_or(|it| to["targetRef"]["name"] == it)) {
            for (rule, said) in to["rules"].as_array().into_iter().flatten().enumerate() {
                let refs = said["default"]["backendRefs"].as_array().map(Vec::as_slice).unwrap_or_default();
                there.extend(refs.iter().map(name_of));
                let places = names.iter().map(|name| refs.iter().position(|it| is_named(it, name)));
                if let Some(places) = places.collect::<Option<Vec<usize>>>() {
                    found.push(Split { item, rule, places, target: to["targetRef"].clone() });
                }
            }
        }
        if found.is_empty() {
            there.sort();
            there.dedup();
            let route = &self.key;
            let asked = names.join(" and ");
            return Err(format!("{route} has no split with {asked}: its backends are {}", there.join(", ")));
        }
        Ok(found)
    }

    /// The backendRefs of a split.
    pub(crate) fn refs(&self, split: &Split) -> &[Value] {
        let refs = &self.document["spec"]["to"][split.item]["rules"][split.rule]["default"]["backendRefs"];
        refs.as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// Gives a backend of a split a weight.
    pub(crate) fn set(&mut self, split: &Split, place: usize, weight: u64) {
        let refs =
            &mut self.document["spec"]["to"][split.item]["rules"][split.rule]["default"]["backendRefs"];
        if let Some(backend) = refs.get_mut(place) {
            backend["weight"] = json!(weight);
        }
    }

    /// Stores the route, if it is still what it was. `None`: it is not.
    ///
    /// # Errors
    /// The control plane refuses it, or does not answer.
    pub(crate) fn put(&self, client: &Client) -> Result<Option<crate::client::Put>, Failed> {
        client.put_on(&path(&self.key), &self.document, self.tag.as_deref())
    }
}

/// A split of a route.
pub(crate) struct Split {
    item: usize,
    rule: usize,
    /// Where the backends stand in it that were asked for.
    pub(crate) places: Vec<usize>,
    /// The destination that it is for.
    pub(crate) target: Value,
}

/// A backendRef as people name it.
pub(crate) fn name_of(backend: &Value) -> String {
    let mut name = Foreign::name(backend["name"].as_str().unwrap_or("?")).to_string();
    if let Some(port) = backend["port"].as_u64() {
        let _ = write!(name, ":{port}");
    }
    for (key, value) in backend["tags"].as_object().into_iter().flatten() {
        let _ = write!(name, ",{key}={}", value.as_str().unwrap_or_default());
    }
    name
}

/// Whether a backendRef is meant by a name: with its port and tags, or without.
pub(crate) fn is_named(backend: &Value, name: &str) -> bool {
    backend["name"] == name || name_of(backend) == name
}

/// A backendRef without its weight.
pub(crate) fn without_weight(backend: &Value) -> Value {
    let members = backend.as_object().cloned().unwrap_or_default();
    Value::Object(members.into_iter().filter(|(key, _)| key != "weight").collect::<Map<_, _>>())
}

/// What it would do to put a document: in a line for who does it, as a whole for who only asks.
pub(crate) fn in_a_line(preview: &Preview) -> String {
    let concerned = preview.proxies.len();
    let remarks = preview.remarks.iter().map(|it| format!("; {}: {} {}", it.severity, it.about, it.kind));
    format!("concerns {concerned} of {} proxies{}\n", preview.proxies_total, remarks.collect::<String>())
}
