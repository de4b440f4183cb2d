//! Host names of services, as HostnameGenerators make them.

use std::collections::BTreeMap;

use model::{Kind, Resource, ResourceKey, Spec};
use serde_json::{Value, json};

use super::KINDS;

/// Host name, or failure, of each generator that selects a service, by the names of the generators.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct HostNames(Vec<(String, Result<String, Failure>)>);

/// Reason why a generator makes no name of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Failure {
    /// The template uses a value that does not exist.
    Template(String),
    /// Another service of the mesh has the name.
    Collision(String),
}

/// Host names of all services. In a mesh a name belongs to one service: the first one.
pub(super) fn of_all<'a>(
    resources: &[&'a Resource],
    services: impl Iterator<Item = &'a Resource>,
) -> BTreeMap<ResourceKey, HostNames> {
    let mut generators: Vec<(&str, &Value)> = resources
        .iter()
        .filter(|resource| resource.kind() == Kind::HostnameGenerator)
        .filter_map(|resource| match resource.spec() {
            Spec::Other { body, .. } => Some((resource.meta().name.as_str(), body.as_json())),
            _ => None,
        })
        // names of an extension are left to it
        .filter(|(_, spec)| spec.get("extension").is_none())
        .collect();
    generators.sort_by_key(|(name, _)| *name);
    let mut owners: BTreeMap<(String, String), ResourceKey> = BTreeMap::new();
    let of_one = |service: &Resource| {
        let key = service.key();
        let labels = &service.meta().labels;
        let made = generators.iter().filter_map(|(generator, spec)| {
            let wanted = spec["selector"].get(called(service.kind())?)?["matchLabels"].as_object();
            let fits = |(key, value): (&String, &Value)| labels.get(key) == value.as_str();
            wanted.into_iter().flatten().all(fits).then(|| {
                let template = spec["template"].as_str().unwrap_or_default();
                let name = rendered(template, service).map_err(Failure::Template).and_then(|name| {
                    let place = (service.meta().mesh.to_string(), name.to_ascii_lowercase());
                    let owner = owners.entry(place).or_insert_with(|| key.clone());
                    if *owner == key { Ok(name) } else { Err(Failure::Collision(owner.to_string())) }
                });
                ((*generator).to_owned(), name)
            })
        });
        let made = HostNames(made.collect());
        (key, made)
    };
    services.map(of_one).collect()
}

/// Name of a kind in selectors; `None`: its services have no host names.
fn called(kind: Kind) -> Option<&'static str> {
    KINDS.iter().find(|(known, _)| *known == kind).map(|(_, called)| *called)
}

impl HostNames {
    /// Value of `status.addresses`, without the addresses of other origins.
    pub(super) fn addresses(&self) -> Vec<Value> {
        let Self(names) = self;
        let made = names.iter().filter_map(|(generator, name)| {
            let (name, by) = (name.as_ref().ok()?, json!({ "coreName": generator }));
            Some(json!({ "hostname": name, "origin": "HostnameGenerator", "hostnameGeneratorRef": by }))
        });
        made.collect()
    }

    /// Value of `status.hostnameGenerators`.
    pub(super) fn generators(&self) -> Vec<Value> {
        let Self(names) = self;
        let told = names.iter().map(|(generator, name)| {
            let (holds, reason, message) = match name {
                Ok(_) => ("True", "Generated", String::new()),
                Err(Failure::Template(why)) => ("False", "TemplateError", why.clone()),
                Err(Failure::Collision(owner)) => {
                    ("False", "Collision", format!("the host name is that of {owner}"))
                }
            };
            let said = json!({ "type": "Generated", "status": holds, "reason": reason, "message": message });
            json!({ "hostnameGeneratorRef": { "coreName": generator }, "conditions": [said] })
        });
        told.collect()
    }
}

/// Renders a template for a service.
///
/// # Errors
/// In words: the template uses a value that does not exist.
fn rendered(template: &str, service: &Resource) -> Result<String, String> {
    let meta = service.meta();
    let (mut name, mut rest) = (String::new(), template);
    while let Some((before, after)) = rest.split_once("{{") {
        let (action, after) = after.split_once("}}").ok_or("the template has `{{` without `}}`")?;
        name.push_str(before);
        let words: Vec<&str> = action.trim_matches(['-', ' ']).split_whitespace().collect();
        match words.as_slice() {
            [".DisplayName"] => name.push_str(meta.display_name()),
            [".Name"] => name.push_str(meta.name.as_str()),
            [".Namespace"] => name.push_str(meta.namespace()),
            [".Mesh"] => name.push_str(meta.mesh.as_str()),
            [".Zone"] => name.push_str(meta.zone()),
            ["label", key] => {
                let key = key.trim_matches(['"', '`']);
                let label = meta.labels.get(key);
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
    use super::*;
    use crate::addresses::tests::read;

    #[test]
    fn templates_are_filled_in_and_what_they_lack_is_told() {
        let service = read(
            "type: MeshService\nmesh: shop\nname: pay.apps\nlabels: { k8s.kuma.io/namespace: apps, \
             kuma.io/zone: east, team: red, kuma.io/display-name: pay }\nspec: { ports: [{ port: 80 }] }",
        );
        for (template, name) in [
            ("{{ .DisplayName }}.svc.mesh.local", "pay.svc.mesh.local"),
            ("{{.Name}}.{{ .Mesh }}.{{.Zone}}", "pay.apps.shop.east"),
            ("{{ .DisplayName }}.{{ .Namespace }}.{{ label \"team\" }}", "pay.apps.red"),
        ] {
            assert_eq!(rendered(template, &service[0]).as_deref(), Ok(name));
        }
        for template in ["{{ label \"absent\" }}.x", "{{ .Nobody }}", "{{ .Name", "{{ .Name }} x", ""] {
            assert!(rendered(template, &service[0]).is_err(), "{template}");
        }
    }
}
