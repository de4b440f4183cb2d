//! Filters of a list.

use serde_json::Value;

use super::refusal::Refusal;

/// Filter of a list; all conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    /// Substring of the name; `None`: any.
    name: Option<String>,
    /// Labels, with their values.
    labels: Vec<(String, String)>,
    /// Tags of an inbound or of the gateway, with their values. Dataplanes only.
    tags: Vec<(String, String)>,
    /// Sort of gateway; `None`: any dataplane. Dataplanes only.
    gateway: Option<Gateway>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gateway {
    Any,
    No,
    Builtin,
    Delegated,
}

impl Filter {
    /// Parses `name`, `filter[labels.KEY]`, and for dataplanes `tag` and `gateway`. Other parameters are ignored.
    pub(super) fn read(query: &[(String, String)], dataplanes: bool) -> Result<Self, Refusal> {
        let mut filter = Self::default();
        for (key, value) in query {
            match key.as_str() {
                "name" if !value.is_empty() => filter.name = Some(value.clone()),
                "tag" if dataplanes => {
                    let (key, value) = value.split_once(':').ok_or_else(|| {
                        Refusal::bad(format!("`tag={value}` is no filter: write tag=KEY:VALUE"))
                    })?;
                    filter.tags.push((key.into(), value.into()));
                }
                "gateway" if dataplanes => {
                    filter.gateway = Some(match value.as_str() {
                        "true" => Gateway::Any,
                        "false" => Gateway::No,
                        "builtin" => Gateway::Builtin,
                        "delegated" => Gateway::Delegated,
                        other => {
                            let words = "true, false, builtin or delegated";
                            return Err(Refusal::bad(format!(
                                "`gateway={other}` is no filter: write {words}"
                            )));
                        }
                    });
                }
                key if key.starts_with("filter") => {
                    let label = key.strip_prefix("filter[labels.").and_then(|rest| rest.strip_suffix(']'));
                    let label = label.filter(|label| !label.is_empty() && !label.contains(['[', ']']));
                    let label = label.ok_or_else(|| {
                        Refusal::bad(format!("`{key}` is no filter: write filter[labels.KEY]=VALUE"))
                    })?;
                    filter.labels.push((label.into(), value.clone()));
                }
                _ => {}
            }
        }
        Ok(filter)
    }

    /// Returns `true` if a document in the Universal format matches.
    pub(super) fn holds(&self, document: &Value) -> bool {
        let Self { name, labels, tags, gateway } = self;
        let name_of = document["name"].as_str().unwrap_or_default();
        name.as_ref().is_none_or(|part| name_of.contains(part.as_str()))
            && labels.iter().all(|(key, value)| document["labels"][key].as_str() == Some(value))
            && (tags.is_empty() || tag_sets(document).any(|set| has_all(set, tags)))
            && gateway.is_none_or(|wanted| wanted.is(&document["networking"]["gateway"]))
    }
}

impl Gateway {
    fn is(self, gateway: &Value) -> bool {
        let is_builtin = gateway["type"].as_str() == Some("BUILTIN");
        match self {
            Gateway::Any => gateway.is_object(),
            Gateway::No => !gateway.is_object(),
            Gateway::Builtin => is_builtin,
            Gateway::Delegated => gateway.is_object() && !is_builtin,
        }
    }
}

fn tag_sets(document: &Value) -> impl Iterator<Item = &Value> {
    let networking = &document["networking"];
    let inbounds = networking["inbound"].as_array().into_iter().flatten();
    inbounds.map(|inbound| &inbound["tags"]).chain(std::iter::once(&networking["gateway"]["tags"]))
}

fn has_all(set: &Value, tags: &[(String, String)]) -> bool {
    tags.iter().all(|(key, value)| set[key].as_str() == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn filter(pairs: &[(&str, &str)]) -> Result<Filter, Refusal> {
        let query: Vec<_> = pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        Filter::read(&query, true)
    }

    #[test]
    fn dataplanes_are_found_by_name_label_tag_and_gateway() {
        let web = json!({ "name": "web-1", "labels": { "team": "a" }, "networking": { "inbound": [
            { "tags": { "kuma.io/service": "web", "at": "x:1" } }, { "tags": { "version": "v1" } } ] } });
        let edge = json!({ "name": "edge", "networking": { "gateway": { "type": "BUILTIN", "tags": { "kuma.io/service": "edge" } } } });
        let found = |pairs: &[(&str, &str)]| {
            let filter = filter(pairs).unwrap();
            (filter.holds(&web), filter.holds(&edge))
        };
        assert_eq!(found(&[]), (true, true));
        assert_eq!(found(&[("name", "b-1")]), (true, false));
        assert_eq!(found(&[("filter[labels.team]", "a")]), (true, false));
        assert_eq!(found(&[("filter[labels.team]", "a"), ("filter[labels.x]", "a")]), (false, false));
        assert_eq!(found(&[("tag", "at:x:1")]), (true, false));
        // both tags must be on one inbound
        assert_eq!(found(&[("tag", "at:x:1"), ("tag", "version:v1")]), (false, false));
        assert_eq!(found(&[("gateway", "true")]), (false, true));
        assert_eq!(found(&[("gateway", "builtin")]), (false, true));
        assert_eq!(found(&[("gateway", "delegated")]), (false, false));
        assert_eq!(found(&[("gateway", "false")]), (true, false));
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for key in ["filter[name]", "filter[labels.a][eq]", "filter", "filter[labels.]", "filter[labels.a"] {
            assert!(filter(&[(key, "x")]).is_err(), "{key}");
        }
        assert!(filter(&[("tag", "x")]).is_err() && filter(&[("gateway", "x")]).is_err());
    }
}
