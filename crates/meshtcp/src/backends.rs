//! Backends of a stored route as named on the command line: `redis-v2`, `redis-v2:6379`.

use std::fmt::Write as _;

use change::preview::Preview;
use model::{Kind, ResourceKey};
use serde_json::{Map, Value, json};
use xds::Foreign;

use crate::client::{Client, Failed};
use crate::exit::Exit;
use crate::in_force::path;
use crate::output::complain;

/// Maximum number of attempts to make a change on top of concurrent ones.
pub(crate) const ATTEMPTS: usize = 5;

/// Stored route.
pub(crate) struct Route {
    key: ResourceKey,
    document: Value,
    tag: Option<String>,
}

impl Route {
    /// Loads the stored MeshTCPRoute of a key.
    ///
    /// # Errors
    /// Exit status, after the reason was reported: there is none, or it cannot be read.
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

    /// Key of a route by its mesh and name.
    pub(crate) fn key(mesh: &str, name: &str) -> ResourceKey {
        crate::kind::key(Kind::MeshTCPRoute, mesh, name)
    }

    /// Document of the route.
    pub(crate) fn document(&self) -> &Value {
        &self.document
    }

    /// Splits of the route that name all of these backends, each with the positions of those in it; restricted to
    /// `destination` if it is given.
    ///
    /// # Errors
    /// Reason in words: no split does, or several different ones do.
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

    /// backendRefs of a split.
    pub(crate) fn refs(&self, split: &Split) -> &[Value] {
        let refs = &self.document["spec"]["to"][split.item]["rules"][split.rule]["default"]["backendRefs"];
        refs.as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// Sets the weight of a backend of a split.
    pub(crate) fn set(&mut self, split: &Split, place: usize, weight: u64) {
        let refs =
            &mut self.document["spec"]["to"][split.item]["rules"][split.rule]["default"]["backendRefs"];
        if let Some(backend) = refs.get_mut(place) {
            backend["weight"] = json!(weight);
        }
    }

    /// Stores the route if it is unchanged since it was loaded. `None`: it is not.
    ///
    /// # Errors
    /// The control plane refuses it, or does not answer.
    pub(crate) fn put(&self, client: &Client) -> Result<Option<crate::client::Put>, Failed> {
        client.put_on(&path(&self.key), &self.document, self.tag.as_deref())
    }
}

/// Split of a route.
pub(crate) struct Split {
    item: usize,
    rule: usize,
    /// Positions of the requested backends in the split.
    pub(crate) places: Vec<usize>,
    /// Destination that the split is for.
    pub(crate) target: Value,
}

/// Name of a backendRef as written by users: name, port and tags.
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

/// Returns `true` if `name` means the backendRef, with its port and tags or without.
pub(crate) fn is_named(backend: &Value, name: &str) -> bool {
    backend["name"] == name || name_of(backend) == name
}

/// Returns the backendRef without its weight.
pub(crate) fn without_weight(backend: &Value) -> Value {
    let members = backend.as_object().cloned().unwrap_or_default();
    Value::Object(members.into_iter().filter(|(key, _)| key != "weight").collect::<Map<_, _>>())
}

/// Effect of a put in one line, for commands that make the change; those that only ask get the whole preview.
pub(crate) fn in_a_line(preview: &Preview) -> String {
    let concerned = preview.proxies.len();
    let remarks = preview.remarks.iter().map(|it| format!("; {}: {} {}", it.severity, it.about, it.kind));
    format!("concerns {concerned} of {} proxies{}\n", preview.proxies_total, remarks.collect::<String>())
}
