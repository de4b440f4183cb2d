//! Small worlds: a mesh or two, with all names from alphabets of two or three letters. Resources are made from
//! documents, as everywhere.

use model::draft::{Document, Parsed, parse_unchecked};
use model::reference::{SERVICE_TAG, ZONE_TAG};
use model::resource::{DISPLAY_NAME_LABEL, EFFECT_LABEL, NAMESPACE_LABEL, ORIGIN_LABEL, ROLE_LABEL};
use model::{Kind, Profile, RefKind, Resource};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

pub(crate) fn any_profile() -> impl Strategy<Value = Profile> {
    select(Profile::ALL.to_vec())
}

/// Up to a dozen resources, with names that collide.
pub(crate) fn any_world() -> impl Strategy<Value = Vec<Resource>> {
    let resources = vec(any_resource(), 0..14);
    let meshes = subsequence(vec!["m", "n"], 0..=2);
    (resources, meshes).prop_map(|(mut world, meshes)| {
        world.extend(meshes.into_iter().map(|name| resource(json!({ "type": "Mesh", "name": name }))));
        world
    })
}

pub(crate) fn shuffled(world: Vec<Resource>) -> impl Strategy<Value = Vec<Resource>> {
    Just(world).prop_shuffle()
}

/// Parses a document by a profile that knows every field of these worlds. Not all of them are legal in every
/// profile, on purpose: planning accepts whatever is stored.
pub(crate) fn resource(document: Value) -> Resource {
    let Parsed { resource, problems, is_stranger: _ } =
        parse_unchecked(&Document::from_value("", document), Profile::V2_14);
    resource.unwrap_or_else(|| panic!("{problems:?}"))
}

fn any_resource() -> impl Strategy<Value = Resource> {
    let body = prop_oneof![
        3 => any_dataplane(),
        6 => any_policy(Kind::MeshTCPRoute),
        2 => any_policy(Kind::MeshTimeout),
        1 => any_policy(Kind::MeshHTTPRoute),
        1 => any_gateway(),
        3 => any_ports().prop_map(|ports| json!({ "type": "MeshService", "spec": { "ports": ports } })),
        1 => any_ports().prop_map(|ports| json!({ "type": "MeshMultiZoneService", "spec": { "ports": ports } })),
    ];
    (select(vec!["m", "m", "n"]), any_name(), any_labels(), body).prop_map(
        |(mesh, name, labels, mut body)| {
            (body["mesh"], body["name"], body["labels"]) = (mesh.into(), name.into(), labels);
            resource(body)
        },
    )
}

fn any_name() -> impl Strategy<Value = &'static str> {
    select(vec!["a", "b", "c"])
}

/// Labels of a resource; those that selection reads are more frequent.
fn any_labels() -> impl Strategy<Value = Value> {
    let pairs = vec![
        (ORIGIN_LABEL, vec!["global", "zone"]),
        (ZONE_TAG, vec!["a", "b"]),
        (NAMESPACE_LABEL, vec!["a", "b"]),
        (ROLE_LABEL, vec!["system", "producer", "consumer", "workload-owner"]),
        (DISPLAY_NAME_LABEL, vec!["a", "b"]),
        (EFFECT_LABEL, vec!["shadow"]),
        ("app", vec!["a", "b"]),
        ("tier", vec!["a"]),
    ];
    let chosen = subsequence(pairs, 0..=4);
    chosen.prop_flat_map(|pairs| {
        let values: Vec<_> = pairs.into_iter().map(|(key, values)| (Just(key), select(values))).collect();
        values.prop_map(object)
    })
}

/// Some of these pairs, as an object.
fn some_of(pairs: &[(&'static str, &'static str)], most: usize) -> impl Strategy<Value = Value> + use<> {
    subsequence(pairs.to_vec(), 0..=most).prop_map(object)
}

fn object(pairs: Vec<(&str, &str)>) -> Value {
    Value::Object(pairs.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect())
}

/// Object of those members that are present.
fn said(members: &[(&str, Option<Value>)]) -> Value {
    let there = members.iter().filter_map(|(name, value)| Some(((*name).to_owned(), value.clone()?)));
    Value::Object(there.collect::<Map<_, _>>())
}

fn any_selector_labels() -> impl Strategy<Value = Value> {
    let pairs =
        [("app", "a"), ("app", "b"), ("tier", "a"), (DISPLAY_NAME_LABEL, "a"), (DISPLAY_NAME_LABEL, "c")];
    some_of(&pairs, 2)
}

fn any_tags() -> impl Strategy<Value = Value> {
    let pairs = [(SERVICE_TAG, "a"), (SERVICE_TAG, "b"), ("version", "a"), ("version", "b"), ("region", "a")];
    some_of(&pairs, 3)
}

fn any_selector_tags() -> impl Strategy<Value = Value> {
    let pairs = [(SERVICE_TAG, "a"), ("version", "a"), ("version", "*"), ("region", "a"), ("region", "*")];
    some_of(&pairs, 2)
}

fn any_dataplane() -> impl Strategy<Value = Value> {
    let state = select(vec!["Ready", "Ready", "Ignored"]);
    let inbound = (select(vec![1u16, 2]), option::of(any_name()), state, any_tags());
    let inbound = inbound.prop_map(|(port, name, state, tags)| {
        said(&[
            ("port", Some(port.into())),
            ("name", name.map(Into::into)),
            ("state", Some(state.into())),
            ("tags", Some(tags)),
        ])
    });
    let gateway = (select(vec!["BUILTIN", "DELEGATED"]), any_tags());
    let gateway = gateway.prop_map(|(kind, tags)| json!({ "type": kind, "tags": tags }));
    let networking = prop_oneof![
        2 => (vec(inbound, 0..3), vec(any_outbound(), 0..3))
            .prop_map(|(inbound, outbound)| json!({ "inbound": inbound, "outbound": outbound })),
        1 => (gateway, vec(any_outbound(), 0..3))
            .prop_map(|(gateway, outbound)| json!({ "gateway": gateway, "outbound": outbound })),
    ];
    networking.prop_map(|networking| json!({ "type": "Dataplane", "networking": networking }))
}

fn any_outbound() -> impl Strategy<Value = Value> {
    let by_name = (select(vec!["MeshService", "MeshMultiZoneService"]), any_name());
    let by_name =
        by_name.prop_map(|(kind, name)| json!({ "backendRef": { "kind": kind, "name": name, "port": 1 } }));
    let target = prop_oneof![any_tags().prop_map(|tags| json!({ "tags": tags })), by_name];
    (select(vec![11u16, 12, 13]), target).prop_map(|(port, mut outbound)| {
        outbound["port"] = port.into();
        outbound
    })
}

fn any_gateway() -> impl Strategy<Value = Value> {
    let listener = (select(vec![1u16, 2]), any_tags())
        .prop_map(|(port, tags)| json!({ "port": port, "protocol": "TCP", "tags": tags }));
    let selector = any_selector_tags().prop_map(|tags| json!({ "match": tags }));
    (vec(selector, 1..3), any_tags(), vec(listener, 1..3)).prop_map(|(selectors, tags, listeners)| {
        let conf = json!({ "listeners": listeners });
        json!({ "type": "MeshGateway", "selectors": selectors, "tags": tags, "conf": conf })
    })
}

fn any_ports() -> impl Strategy<Value = Vec<Value>> {
    let port = (select(vec![1u32, 2]), option::of(select(vec!["a", "2"])));
    let port =
        port.prop_map(|(port, name)| said(&[("port", Some(port.into())), ("name", name.map(Into::into))]));
    vec(port, 0..3)
}

fn any_policy(kind: Kind) -> impl Strategy<Value = Value> {
    (option::weighted(0.9, any_top()), vec(any_item(kind), 0..3)).prop_map(move |(target, to)| {
        let spec = said(&[("targetRef", target), ("to", Some(to.into()))]);
        json!({ "type": kind.as_str(), "spec": spec })
    })
}

fn any_top() -> impl Strategy<Value = Value> {
    let proxy_types = select(vec![json!([]), json!(["Sidecar"]), json!(["Gateway"])]);
    (
        select(RefKind::ALL.to_vec()),
        option::of(any_name()),
        option::of(select(vec!["a", "b"])),
        option::of(any_selector_labels()),
        any_selector_tags(),
        option::of(select(vec!["a", "1"])),
        option::of(proxy_types),
    )
        .prop_map(|(kind, name, namespace, labels, tags, section, proxy_types)| {
            said(&[
                ("kind", Some(kind.as_str().into())),
                ("name", name.map(Into::into)),
                ("namespace", namespace.map(Into::into)),
                ("labels", labels),
                ("tags", Some(tags)),
                ("sectionName", section.map(Into::into)),
                ("proxyTypes", proxy_types),
            ])
        })
}

fn any_item(kind: Kind) -> impl Strategy<Value = Value> {
    let kinds = vec!["MeshService", "MeshService", "Mesh", "MeshMultiZoneService"];
    let target = (
        select(kinds),
        select(vec!["a", "b", "a_b_svc_1", "b_a_x"]),
        option::weighted(0.3, select(vec!["a", "b"])),
        option::weighted(0.3, any_selector_labels()),
        option::weighted(0.4, select(vec!["a", "1", "2"])),
    );
    let target = target.prop_map(|(kind, name, namespace, labels, section)| {
        said(&[
            ("kind", Some(kind.into())),
            ("name", Some(name.into())),
            ("namespace", namespace.map(Into::into)),
            ("labels", labels),
            ("sectionName", section.map(Into::into)),
        ])
    });
    (target, 1u32..4, any::<bool>()).prop_map(move |(target, number, silent)| match kind {
        Kind::MeshTimeout => {
            let duration = format!("{number}s");
            let conf = match silent {
                true => json!({ "http": { "requestTimeout": duration } }),
                false => json!({ "idleTimeout": duration, "http": {} }),
            };
            json!({ "targetRef": target, "default": conf })
        }
        _ if silent => json!({ "targetRef": target, "rules": [] }),
        _ => json!({ "targetRef": target, "rules": [{ "default": { "backendRefs": [
            { "kind": "MeshService", "name": "a", "weight": number, "port": 1 },
        ] } }] }),
    })
}
