//! The names under which a service is dialled, as HostnameGenerators make them.

use model::{Kind, Spec};
use plan::Snapshot;
use serde_json::{Map, Value, json};

use super::conditions::condition;
use crate::api::document;
use crate::store::Stored;

/// What each generator that is for a service makes of it, by the names of the generators.
pub(super) struct HostNames(Vec<(String, Result<String, String>)>);

impl HostNames {
    /// The names of a service. `whom`: what selectors call services of its kind.
    pub(super) fn of(snapshot: &Snapshot, whom: &str, service: &Stored) -> Self {
        let labels = &service.document["labels"];
        let mut names = Vec::new();
        for generator in snapshot.of_kind(Kind::HostnameGenerator) {
            let Spec::Other { body, .. } = generator.spec() else { continue };
            let spec = body.as_json();
            // what an extension makes is the extension's
            let Some(selector) = spec["selector"].get(whom).filter(|_| spec.get("extension").is_none())
            else {
                continue;
            };
            let wanted = selector["matchLabels"].as_object();
            if wanted.into_iter().flatten().all(|(key, value)| labels.get(key) == Some(value)) {
                let template = spec["template"].as_str().unwrap_or_default();
                names.push((generator.meta().name.to_string(), rendered(template, service)));
            }
        }
        names.sort();
        Self(names)
    }

    /// The same as members of a status.
    pub(super) fn status(&self) -> Map<String, Value> {
        let Self(names) = self;
        let by = |generator: &str| json!({ "coreName": generator });
        let addresses: Vec<Value> = names
            .iter()
            .filter_map(|(generator, name)| {
                let name = name.as_ref().ok()?;
                Some(json!({ "hostname": name, "origin": "HostnameGenerator", "hostnameGeneratorRef": by(generator) }))
            })
            .collect();
        let generators: Vec<Value> = names
            .iter()
            .map(|(generator, name)| {
                let said = match name {
                    Ok(_) => condition("Generated", true, "Generated", String::new()),
                    Err(why) => condition("Generated", false, "TemplateError", why.clone()),
                };
                json!({ "hostnameGeneratorRef": by(generator), "conditions": [said] })
            })
            .collect();
        let parts = [("addresses", addresses), ("hostnameGenerators", generators)];
        let parts = parts.into_iter().filter(|(_, items)| !items.is_empty());
        parts.map(|(name, items)| (name.to_owned(), Value::Array(items))).collect()
    }
}

/// A template filled in for a service.
///
/// # Errors
/// In words: it asks for something that there is not.
fn rendered(template: &str, service: &Stored) -> Result<String, String> {
    let id = document::id(service);
    let (mut name, mut rest) = (String::new(), template);
    while let Some((before, after)) = rest.split_once("{{") {
        let (action, after) = after.split_once("}}").ok_or("the template has `{{` without `}}`")?;
        name.push_str(before);
        let words: Vec<&str> = action.trim_matches(['-', ' ']).split_whitespace().collect();
        match words.as_slice() {
            [".DisplayName"] => name.push_str(&id.name),
            [".Name"] => name.push_str(&service.key.name),
            [".Namespace"] => name.push_str(&id.namespace),
            [".Mesh"] => name.push_str(&id.mesh),
            [".Zone"] => name.push_str(&id.zone),
            ["label", key] => {
                let key = key.trim_matches(['"', '`']);
                let label = service.document["labels"][key].as_str();
                name.push_str(label.ok_or_else(|| format!("the service has no label `{key}`"))?);
            }
            _ => {
                let known = ".DisplayName, .Name, .Namespace, .Mesh, .Zone and label \"KEY\"";
                return Err(format!("`{}` is not known in a template: there are {known}", action.trim()));
            }
        }
        rest = after;
    }
    name.push_str(rest);
    match model::draft::is_host_name(&name) {
        true => Ok(name),
        false => Err(format!("`{name}` is no host name")),
    }
}

#[cfg(test)]
mod tests {
    use model::ResourceKey;

    use super::*;
    use crate::store::Revision;

    #[test]
    fn templates_are_filled_in_and_what_they_lack_is_told() {
        let document = json!({ "type": "MeshService", "mesh": "shop", "name": "pay.apps",
            "labels": { "k8s.kuma.io/namespace": "apps", "kuma.io/zone": "east", "team": "red" } });
        let key = ResourceKey::of_document(&document).unwrap();
        let time = jiff::Timestamp::UNIX_EPOCH;
        let service = Stored { key, document, version: Revision::new(1), created: time, modified: time };
        for (template, name) in [
            ("{{ .DisplayName }}.svc.mesh.local", "pay.svc.mesh.local"),
            ("{{.Name}}.{{ .Mesh }}.{{.Zone}}", "pay.apps.shop.east"),
            ("{{ .DisplayName }}.{{ .Namespace }}.{{ label \"team\" }}", "pay.apps.red"),
        ] {
            assert_eq!(rendered(template, &service).as_deref(), Ok(name));
        }
        for template in ["{{ label \"absent\" }}.x", "{{ .Nobody }}", "{{ .Name", "{{ .Name }} x", ""] {
            assert!(rendered(template, &service).is_err(), "{template}");
        }
    }
}
