//! Rules in the shape that is asked for, which changed between versions.

use std::collections::BTreeMap;

use model::policy::Conf;
use model::{Kind, Profile, ResourceId};
use plan::{Merged, PolicyOrigin, PolicyPlace, ResourceRule, TagRule};
use serde_json::{Map, Value, json};

use crate::documents::Resources;
use crate::duration;
use crate::request::Request;

pub(crate) struct Shape<'a> {
    pub(crate) profile: Profile,
    pub(crate) kind: Kind,
    pub(crate) resources: &'a Resources,
}

impl<'a> Shape<'a> {
    pub(crate) fn of(request: &Request, resources: &'a Resources, kind: Kind) -> Self {
        Self { profile: request.profile, kind, resources }
    }

    pub(crate) fn tag_rule(&self, rule: &TagRule) -> Value {
        let TagRule { subset, merged } = rule;
        let subset = subset.0.iter().map(|t| json!({ "key": t.key, "value": t.value, "not": t.not }));
        let mut shaped = json!({
            "subset": subset.collect::<Vec<_>>(),
            "conf": self.conf(merged.conf()),
            "origins": self.origins(merged).iter().map(|o| self.origin(o, false)).collect::<Vec<_>>(),
        });
        if self.profile >= Profile::V2_9 {
            shaped["backendRefOrigins"] = self.backend_ref_origins(merged, false);
        }
        shaped
    }

    pub(crate) fn resource_rule(&self, rule: &ResourceRule) -> Value {
        let ResourceRule { id, merged } = rule;
        json!({
            "id": resource_id(id),
            "conf": merged.confs.iter().map(|conf| self.conf(Some(conf))).collect::<Vec<_>>(),
            "origins": merged.origins.iter().map(|o| self.origin(o, true)).collect::<Vec<_>>(),
            "backendRefOrigins": self.backend_ref_origins(merged, true),
        })
    }

    /// A conf with its durations written as the reference writes them.
    pub(crate) fn conf(&self, conf: Option<&Conf>) -> Value {
        let mut conf = json!(conf);
        duration::canonicalize(&mut conf);
        conf
    }

    /// The policies that were merged; 2.8 and before lists them by name.
    pub(crate) fn origins(&self, merged: &Merged) -> Vec<PolicyOrigin> {
        let mut origins = merged.origins.clone();
        if self.profile <= Profile::V2_8 {
            origins.sort_by(|a, b| (&a.policy.mesh, &a.name).cmp(&(&b.policy.mesh, &b.name)));
        }
        origins
    }

    pub(crate) fn origin(&self, origin: &PolicyOrigin, with_index: bool) -> Value {
        let PolicyPlace { policy, name, list: _, item, source: _ } = &**origin;
        let mut shaped = json!({ "mesh": policy.mesh, "name": name });
        if let Some(index) = item.filter(|_| with_index) {
            shaped["ruleIndex"] = json!(index);
        }
        shaped
    }

    fn backend_ref_origins(&self, merged: &Merged, with_index: bool) -> Value {
        let origins: &BTreeMap<String, PolicyOrigin> = &merged.backend_ref_origins;
        let listed = origins
            .iter()
            .map(|(hash, origin)| json!({ "matchesHash": hash, "origin": self.origin(origin, with_index) }));
        Value::Array(listed.collect())
    }
}

fn resource_id(id: &ResourceId) -> Value {
    let ResourceId { kind, mesh, zone, namespace, name, section } = id;
    let mut shaped = Map::from_iter([("type".to_owned(), json!(kind.as_str()))]);
    for (key, value) in
        [("mesh", mesh), ("zone", zone), ("namespace", namespace), ("name", name), ("sectionName", section)]
    {
        if !value.is_empty() {
            shaped.insert(key.to_owned(), json!(value));
        }
    }
    Value::Object(shaped)
}
