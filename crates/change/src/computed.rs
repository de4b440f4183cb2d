//! Computed parts of stored documents, written by a control plane: files never have them.

use model::Resource;
use model::kind::Kind;
use model::reference::ZONE_TAG;
use model::resource::DISPLAY_NAME_LABEL;
use serde_json::{Map, Value, json};

/// Writes into a document in the Universal format the parts that a control plane computes: the labels of `resource`,
/// which is the parsed document, and in a zone the zone of a Dataplane's inbounds.
///
/// A resource of a zone has no display name but its name: such a label belongs to copies (spec 09 §8.2), and to
/// documents that set it.
pub fn complete(document: &mut Value, resource: &Resource, zone: Option<&str>) {
    let Some(members) = document.as_object_mut() else { return };
    let is_said = members.get("labels").is_some_and(|labels| labels.get(DISPLAY_NAME_LABEL).is_some());
    let is_shown = |key: &str| zone.is_none() || is_said || key != DISPLAY_NAME_LABEL;
    let labels = resource.meta().labels.iter().filter(|(key, _)| is_shown(key));
    let labels: Map<String, Value> = labels.map(|(key, value)| (key.to_owned(), json!(value))).collect();
    match labels.is_empty() {
        true => drop(members.shift_remove("labels")),
        false => drop(members.insert("labels".into(), Value::Object(labels))),
    }
    if zone.is_some() && resource.kind() == Kind::Dataplane {
        tag_zone(members);
    }
}

/// Writes the zone of a Dataplane's labels into the tags of its inbounds and of its gateway. An inbound without tags
/// stays without: a zone alone names no service.
pub(crate) fn tag_zone(dataplane: &mut Map<String, Value>) {
    let zone = dataplane.get("labels").and_then(|labels| labels.get(ZONE_TAG)).cloned();
    let (Some(zone), Some(networking)) = (zone, dataplane.get_mut("networking")) else { return };
    each_tags(networking, |tags| {
        if !tags.is_empty() {
            tags.insert(ZONE_TAG.into(), zone.clone());
        }
    });
}

/// Removes the zone of a Dataplane's labels from the tags that have it.
pub(crate) fn untag_zone(dataplane: &mut Map<String, Value>) {
    let zone = dataplane.get("labels").and_then(|labels| labels.get(ZONE_TAG)).cloned();
    let (Some(zone), Some(networking)) = (zone, dataplane.get_mut("networking")) else { return };
    each_tags(networking, |tags| {
        if tags.get(ZONE_TAG) == Some(&zone) {
            tags.shift_remove(ZONE_TAG);
        }
    });
}

fn each_tags(networking: &mut Value, mut change: impl FnMut(&mut Map<String, Value>)) {
    let Some(networking) = networking.as_object_mut() else { return };
    for part in ["inbound", "gateway"] {
        let found = match networking.get_mut(part) {
            Some(Value::Array(inbounds)) => inbounds.as_mut_slice(),
            Some(gateway @ Value::Object(_)) => std::slice::from_mut(gateway),
            Some(_) | None => &mut [],
        };
        for tagged in found {
            if let Some(Value::Object(tags)) = tagged.get_mut("tags") {
                change(tags);
            }
        }
    }
}
