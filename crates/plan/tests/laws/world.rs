//! Small worlds: a mesh or two, with everything named from alphabets of two or three letters.

use model::policy::{Policy, PolicyItem};
use model::reference::{SERVICE_TAG, ZONE_TAG};
use model::resource::{DISPLAY_NAME_LABEL, EFFECT_LABEL, NAMESPACE_LABEL, ORIGIN_LABEL, ROLE_LABEL};
use model::topology::{
    Dataplane, DataplaneOutbound, Gateway, GatewayListener, GatewayProtocol, GatewayType, Inbound,
    InboundState, Mesh, MeshGateway, MeshMultiZoneService, MeshService, OutboundTarget, ServicePort,
};
use model::{Kind, Labels, Meta, Profile, ProxyType, RefKind, Resource, Spec, Tags, TargetRef};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

pub(crate) fn any_profile() -> impl Strategy<Value = Profile> {
    select(Profile::ALL.to_vec())
}

/// Up to a dozen resources, with names that collide.
pub(crate) fn any_world() -> impl Strategy<Value = Vec<Resource>> {
    let resources = vec(any_resource(), 0..14);
    let meshes = subsequence(vec!["m", "n"], 0..=2);
    (resources, meshes).prop_map(|(mut world, meshes)| {
        world.extend(
            meshes.into_iter().map(|name| resource("", name, Labels::default(), Spec::Mesh(Mesh::default()))),
        );
        world
    })
}

pub(crate) fn shuffled(world: Vec<Resource>) -> impl Strategy<Value = Vec<Resource>> {
    Just(world).prop_shuffle()
}

fn any_resource() -> impl Strategy<Value = Resource> {
    let spec = prop_oneof![
        3 => any_dataplane().prop_map(Spec::Dataplane),
        6 => any_policy(Kind::MeshTCPRoute).prop_map(Spec::Policy),
        2 => any_policy(Kind::MeshTimeout).prop_map(Spec::Policy),
        1 => any_policy(Kind::MeshHTTPRoute).prop_map(Spec::Policy),
        1 => any_gateway().prop_map(Spec::MeshGateway),
        3 => any_ports().prop_map(|ports| Spec::MeshService(MeshService { ports, ..MeshService::default() })),
        1 => any_ports().prop_map(|ports| {
            Spec::MeshMultiZoneService(MeshMultiZoneService { ports, ..MeshMultiZoneService::default() })
        }),
    ];
    (select(vec!["m", "m", "n"]), any_name(), any_labels(), spec)
        .prop_map(|(mesh, name, labels, spec)| resource(mesh, name, labels, spec))
}

fn resource(mesh: &str, name: &str, labels: Labels, spec: Spec) -> Resource {
    Resource { meta: Meta { labels, ..Meta::new(mesh, name) }, spec }
}

fn any_name() -> impl Strategy<Value = &'static str> {
    select(vec!["a", "b", "c"])
}

/// Labels of a resource, with those that selection reads more often than others.
fn any_labels() -> impl Strategy<Value = Labels> {
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
        values.prop_map(Labels::from_iter)
    })
}

fn any_selector_labels() -> impl Strategy<Value = Labels> {
    let pairs =
        vec![("app", "a"), ("app", "b"), ("tier", "a"), (DISPLAY_NAME_LABEL, "a"), (DISPLAY_NAME_LABEL, "c")];
    subsequence(pairs, 0..=2).prop_map(Labels::from_iter)
}

fn any_tags() -> impl Strategy<Value = Tags> {
    let pairs =
        vec![(SERVICE_TAG, "a"), (SERVICE_TAG, "b"), ("version", "a"), ("version", "b"), ("region", "a")];
    subsequence(pairs, 0..=3).prop_map(Tags::from_iter)
}

fn any_selector_tags() -> impl Strategy<Value = Tags> {
    let pairs =
        vec![(SERVICE_TAG, "a"), ("version", "a"), ("version", "*"), ("region", "a"), ("region", "*")];
    subsequence(pairs, 0..=2).prop_map(Tags::from_iter)
}

fn any_dataplane() -> impl Strategy<Value = Dataplane> {
    let state = select(vec![InboundState::Ready, InboundState::Ready, InboundState::Ignored]);
    let inbound = (select(vec![1u16, 2]), option::of(any_name()), state, any_tags());
    let inbound = inbound.prop_map(|(port, name, state, tags)| Inbound {
        address: None,
        port,
        service_address: None,
        service_port: None,
        name: name.map(str::to_owned),
        state,
        ready: None,
        protocol: None,
        tags,
    });
    let kind = select(vec![GatewayType::Builtin, GatewayType::Delegated]);
    let gateway = (kind, any_tags()).prop_map(|(kind, tags)| Gateway { kind, tags });
    let dataplane =
        |inbound, outbound, gateway| Dataplane { inbound, outbound, gateway, ..Dataplane::default() };
    prop_oneof![
        2 => (vec(inbound, 0..3), vec(any_outbound(), 0..3))
            .prop_map(move |(inbound, outbound)| dataplane(inbound, outbound, None)),
        1 => (gateway, vec(any_outbound(), 0..3))
            .prop_map(move |(gateway, outbound)| dataplane(Vec::new(), outbound, Some(gateway))),
    ]
}

fn any_outbound() -> impl Strategy<Value = DataplaneOutbound> {
    let by_name = (select(vec![RefKind::MeshService, RefKind::MeshMultiZoneService]), any_name());
    let by_name = by_name.prop_map(|(kind, name)| OutboundTarget::BackendRef {
        kind,
        name: Some(name.to_owned()),
        labels: Labels::default(),
        port: 1,
    });
    let target = prop_oneof![any_tags().prop_map(OutboundTarget::Tags), by_name];
    (select(vec![11u16, 12, 13]), target).prop_map(|(port, target)| DataplaneOutbound {
        address: None,
        port,
        target,
    })
}

fn any_gateway() -> impl Strategy<Value = MeshGateway> {
    let listener = (select(vec![1u16, 2]), any_tags()).prop_map(|(port, tags)| GatewayListener {
        port,
        protocol: GatewayProtocol::Tcp,
        hostname: "*".to_owned(),
        tags,
        cross_mesh: false,
        connection_limit: None,
        tls: None,
    });
    (vec(any_selector_tags(), 1..3), any_tags(), vec(listener, 1..3))
        .prop_map(|(selectors, tags, listeners)| MeshGateway { selectors, tags, listeners })
}

fn any_ports() -> impl Strategy<Value = Vec<ServicePort>> {
    let port = (select(vec![1u32, 2]), option::of(select(vec!["a", "2"])));
    let port = port.prop_map(|(port, name)| ServicePort {
        name: name.map(str::to_owned),
        port,
        target_port: None,
        protocol: None,
    });
    vec(port, 0..3)
}

fn any_policy(kind: Kind) -> impl Strategy<Value = Policy> {
    (option::weighted(0.9, any_top()), vec(any_item(kind), 0..3)).prop_map(move |(target, to)| Policy {
        kind,
        target,
        to,
        from: Vec::new(),
        rules: Vec::new(),
        default: Value::Null,
    })
}

fn any_top() -> impl Strategy<Value = TargetRef> {
    let proxy_types = select(vec![vec![], vec![ProxyType::Sidecar], vec![ProxyType::Gateway]]);
    (
        select(RefKind::ALL.to_vec()),
        option::of(any_name()),
        option::of(select(vec!["a", "b"])),
        option::of(any_selector_labels()),
        any_selector_tags(),
        option::of(select(vec!["a", "1"])),
        option::of(proxy_types),
    )
        .prop_map(|(kind, name, namespace, labels, tags, section, proxy_types)| TargetRef {
            name: name.map(str::to_owned),
            namespace: namespace.map(str::to_owned),
            labels,
            tags,
            section_name: section.map(str::to_owned),
            proxy_types,
            ..TargetRef::of_kind(kind)
        })
}

fn any_item(kind: Kind) -> impl Strategy<Value = PolicyItem> {
    let target = (
        select(vec![
            RefKind::MeshService,
            RefKind::MeshService,
            RefKind::Mesh,
            RefKind::MeshMultiZoneService,
        ]),
        select(vec!["a", "b", "a_b_svc_1", "b_a_x"]),
        option::weighted(0.3, select(vec!["a", "b"])),
        option::weighted(0.3, any_selector_labels()),
        option::weighted(0.4, select(vec!["a", "1", "2"])),
    );
    let target = target.prop_map(|(kind, name, namespace, labels, section)| TargetRef {
        namespace: namespace.map(str::to_owned),
        labels,
        section_name: section.map(str::to_owned),
        ..TargetRef::named(kind, name)
    });
    let conf = (1u32..4, any::<bool>()).prop_map(move |(number, silent)| match kind {
        Kind::MeshTimeout if silent => json!({ "http": { "requestTimeout": number } }),
        Kind::MeshTimeout => json!({ "idleTimeout": number, "http": {} }),
        _ if silent => json!({ "rules": [] }),
        _ => json!({ "rules": [{ "default": { "backendRefs": [
            { "kind": "MeshService", "name": "a", "weight": number, "port": 1 },
        ] } }] }),
    });
    (target, conf).prop_map(|(target, conf)| PolicyItem { target, conf })
}
