//! Parts of a stored resource that are kept when another document replaces it: those that files never have.

use model::Kind;
use model::kind::Body;
use model::reference::ZONE_TAG;

use model::resource::{DISPLAY_NAME_LABEL, ORIGIN_LABEL};
use serde_json::{Map, Value, json};

use crate::computed::tag_zone;

/// Labels about the origin of a resource. They are set once.
pub const GIVEN_ONCE: [&str; 3] = [ORIGIN_LABEL, ZONE_TAG, DISPLAY_NAME_LABEL];

/// Member of a ZoneIngress with the services that other zones may dial through it.
pub const AVAILABLE_SERVICES: &str = "availableServices";

/// Fills into a document in the Universal format the parts that it leaves to the stored one: the labels that are set
/// once, the zone of a Dataplane's inbounds, the services of a ZoneIngress, and the status, which clients send back
/// empty or not at all (spec 10 §B.3).
///
/// Values in the document itself take precedence.
pub fn carry(stored: &Value, document: &mut Value, kind: Kind) {
    let Some(members) = document.as_object_mut() else { return };
    for label in GIVEN_ONCE {
        let Some(value) = stored["labels"].get(label).filter(|value| value.is_string()) else { continue };
        match members.entry("labels").or_insert_with(|| json!({})) {
            Value::Object(labels) => drop(labels.entry(label).or_insert_with(|| value.clone())),
            labels @ Value::Null => *labels = json!({ label: value }),
            // the parser reports what is wrong with it
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {}
        }
    }
    if kind == Kind::Dataplane && is_tagged(stored) {
        tag_zone(members);
    }
    // counted by a control plane, not by the author of the resource
    if kind == Kind::ZoneIngress
        && let Some(known) = stored.get(AVAILABLE_SERVICES)
    {
        members.entry(AVAILABLE_SERVICES).or_insert_with(|| known.clone());
    }
    if kind == Kind::MeshTCPRollout {
        // known only to the control plane that runs it: a status in a file is outdated, but may carry a request
        return carry_ramp(&stored["status"], members);
    }
    if kind.body() == Body::Spec
        && let Some(Value::Object(known)) = stored.get("status")
    {
        let said = members.entry("status").or_insert_with(|| json!({}));
        if said.is_null() {
            *said = json!({});
        }
        if let Value::Object(said) = said {
            carry_status(known, said);
        }
    }
}

/// Keeps the stored status of a rollout, with the request of the document.
fn carry_ramp(known: &Value, members: &mut Map<String, Value>) {
    let said = members.shift_remove("status");
    let asked = said.as_ref().and_then(|said| said.get("asked")).filter(|asked| asked.is_object());
    let Value::Object(known) = known else {
        members.extend(said.map(|said| ("status".to_owned(), said)));
        return;
    };
    let mut status = known.clone();
    status.extend(asked.map(|asked| ("asked".to_owned(), asked.clone())));
    members.insert("status".into(), Value::Object(status));
}

/// Returns `true` if a control plane wrote the zone of the label into the inbounds of a stored Dataplane.
fn is_tagged(stored: &Value) -> bool {
    let zone = stored["labels"].get(ZONE_TAG);
    let inbounds = stored["networking"]["inbound"].as_array();
    zone.is_some() && inbounds.into_iter().flatten().any(|inbound| inbound["tags"].get(ZONE_TAG) == zone)
}

fn carry_status(known: &Map<String, Value>, said: &mut Map<String, Value>) {
    for (name, value) in known {
        if said.get(name).is_none_or(says_nothing) {
            said.insert(name.clone(), value.clone());
        }
    }
}

/// Returns `true` if a client sends this value for a member that it does not know.
fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.values().all(says_nothing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carried(stored: Value, mut document: Value) -> Value {
        carry(&stored, &mut document, Kind::MeshService);
        document
    }

    #[test]
    fn a_status_is_kept_where_the_document_says_nothing() {
        let stored = json!({ "status": { "vips": [{ "ip": "241.0.0.7" }], "tls": { "status": "Ready" } } });
        let kept = stored["status"].clone();
        for said in [json!({}), json!({ "status": null }), json!({ "status": {} })] {
            assert_eq!(carried(stored.clone(), said)["status"], kept);
        }
        let empty = json!({ "status": { "tls": {}, "dataplaneProxies": { "total": 0 } } });
        let both = carried(stored.clone(), empty);
        assert_eq!((&both["status"]["tls"], &both["status"]["vips"]), (&kept["tls"], &kept["vips"]));
        let said = carried(stored, json!({ "status": { "vips": [{ "ip": "241.0.0.8" }] } }));
        assert_eq!(said["status"], json!({ "vips": [{ "ip": "241.0.0.8" }], "tls": { "status": "Ready" } }));
    }

    #[test]
    fn the_zone_of_inbounds_is_kept_where_a_control_plane_wrote_it() {
        let dataplane = |labels: Value, tags: Value| json!({ "labels": labels, "networking": { "inbound": [{ "tags": tags }] } });
        let zone = json!({ "kuma.io/zone": "east" });
        let both = json!({ "kuma.io/service": "web", "kuma.io/zone": "east" });
        let said = dataplane(json!({}), json!({ "kuma.io/service": "web" }));
        for (stored, kept) in [
            (dataplane(zone.clone(), both.clone()), dataplane(zone.clone(), both)),
            (
                dataplane(zone.clone(), json!({ "kuma.io/service": "web" })),
                dataplane(zone, json!({ "kuma.io/service": "web" })),
            ),
        ] {
            let mut document = said.clone();
            carry(&stored, &mut document, Kind::Dataplane);
            assert_eq!(document, kept);
        }
    }

    #[test]
    fn what_an_ingress_offers_is_kept_where_the_document_does_not_say_it() {
        let stored = json!({ "zone": "east", "availableServices": [{ "mesh": "default", "instances": 1 }] });
        for (mut said, kept) in [
            (json!({}), stored["availableServices"].clone()),
            (json!({ "availableServices": [] }), json!([])),
        ] {
            carry(&stored, &mut said, Kind::ZoneIngress);
            assert_eq!(said, json!({ "availableServices": kept }));
        }
    }

    #[test]
    fn the_status_of_a_rollout_is_of_who_runs_it() {
        let status = |weight: u32| json!({ "phase": "Progressing", "weight": weight });
        let asks = json!({ "to": "pause", "id": "1" });
        let mut old = status(1);
        old["asked"] = asks.clone();
        let mut document = json!({ "spec": {}, "status": old });
        carry(&json!({ "status": status(10) }), &mut document, Kind::MeshTCPRollout);
        let mut kept = status(10);
        kept["asked"] = asks;
        assert_eq!(document["status"], kept);
        let mut first = json!({ "spec": {}, "status": status(1) });
        carry(&json!({ "spec": {} }), &mut first, Kind::MeshTCPRollout);
        assert_eq!(first["status"], status(1), "nothing is known of it: it was brought from elsewhere");
    }

    #[test]
    fn labels_that_are_given_once_are_kept_and_others_are_not() {
        let stored = json!({ "labels": { "kuma.io/origin": "zone", "team": "ledger" } });
        assert_eq!(carried(stored.clone(), json!({}))["labels"], json!({ "kuma.io/origin": "zone" }));
        let said = json!({ "labels": { "kuma.io/origin": "global", "a": "b" } });
        assert_eq!(carried(stored.clone(), said.clone()), said);
        assert_eq!(carried(stored, json!({ "labels": [] }))["labels"], json!([]));
    }
}
