//! Traffic across zones, and the routes of zone proxies (spec 08 §4 to §6, §8), in every profile that they concern.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use meshtcp_plan::{
    Cluster, ClusterKind, Context, Hop, NameRule, Permissions, Plan, ProxyFeatures, ProxyId, ResolvedHost,
    Snapshot, Terminated, TlsTermination, plan, plan_and_reads,
};
use model::Profile::{self, *};
use model::draft::{self, Options};

const MESH: &str =
    "type: Mesh\nname: default\nmtls: {enabledBackend: ca, backends: [{name: ca, type: builtin}]}\n";
const ZONE_EGRESS: &str =
    "---\ntype: ZoneEgress\nname: ze\nzone: east\nnetworking: {address: 192.0.2.4, port: 10002}\n";
const WEST: &str = "---\ntype: ZoneIngress\nname: zi-west\nzone: west\nnetworking: {address: 10.1.0.1, port: 10001, \
                    advertisedAddress: 203.0.113.1, advertisedPort: 20001}\navailableServices:\n- {mesh: default, instances: 3, \
                    tags: {kuma.io/service: redis, kuma.io/zone: west, version: v1}}\n- {mesh: default, instances: 5, \
                    externalService: true, tags: {kuma.io/service: bank, kuma.io/zone: west}}\n";
const REDIS: &str = "---\ntype: Dataplane\nmesh: default\nname: redis-1\nlabels: {kuma.io/zone: east, app: redis}\nnetworking: \
                     {address: 10.0.0.2, inbound: [{port: 6379, name: main, tags: {kuma.io/service: redis, kuma.io/zone: east, \
                     version: v1}}]}\n";
const BANK: &str = "---\ntype: ExternalService\nmesh: default\nname: bank\ntags: {kuma.io/service: bank, kuma.io/zone: west}\n\
                    networking: {address: 'bank.example.com:443'}\n";
const CLOUD: &str = "---\ntype: MeshExternalService\nmesh: default\nname: cloud\nspec: {match: {type: HostnameGenerator, port: \
                     443, protocol: tcp}, endpoints: [{address: cloud.example.com, port: 443}]}\n";

fn snapshot(profile: Profile, zone: &str, text: &str) -> Snapshot {
    let options = Options { profile, ..Options::default() };
    let (documents, problems) = draft::read("it", text);
    assert!(problems.is_empty(), "{problems:?}");
    let parsed = documents.iter().map(|document| {
        let parsed = draft::parse(document, &options);
        parsed.resource.unwrap_or_else(|| panic!("{profile}: {:?}", parsed.problems))
    });
    let zone = Some(zone.to_owned()).filter(|zone| !zone.is_empty());
    Snapshot::new(parsed.collect::<Vec<_>>(), Context { zone, ..Context::new(profile) })
}

/// A client in zone `east` that dials a tag, or a real service by an outbound.
fn client(outbound: &str) -> String {
    format!(
        "---\ntype: Dataplane\nmesh: default\nname: web-1\nlabels: {{kuma.io/zone: east}}\nnetworking: {{address: 10.0.0.1, \
         inbound: [{{port: 8080, tags: {{kuma.io/service: web}}}}], outbound: [{{port: 13000, {outbound}}}]}}\n"
    )
}

fn of_client(profile: Profile, text: &str, outbound: &str) -> Plan {
    let snapshot = snapshot(profile, "east", &(text.to_owned() + &client(outbound)));
    let key: model::ProxyKey = "default/web-1".parse().unwrap();
    plan(&snapshot, &key.into()).unwrap()
}

fn of_zone(profile: Profile, text: &str, proxy: ProxyId) -> Plan {
    plan(&snapshot(profile, "east", text), &proxy).unwrap()
}

fn dialled(plan: &Plan) -> &Cluster {
    let mut dialled = plan.destinations();
    let (_, cluster) = dialled.next().unwrap();
    assert!(dialled.next().is_none(), "{:?}", plan.clusters.keys());
    cluster
}

/// Endpoints of a cluster as address, weight and priority.
fn places(cluster: &Cluster) -> Vec<(&str, u32, u32)> {
    let place = |it: &'_ meshtcp_plan::Endpoint| (it.weight, it.priority);
    cluster.endpoints.iter().map(|it| (it.address.as_str(), place(it).0, place(it).1)).collect()
}

fn server_names(plan: &Plan) -> Vec<&str> {
    plan.listeners.iter().flat_map(|it| &it.routes).map(|(claimed, _)| claimed.hostname()).collect()
}

fn ended<'p>(plan: &'p Plan, server_name: &str) -> &'p Terminated {
    let mut all = plan.listeners.iter().flat_map(|it| &it.routes);
    match &all.find(|(claimed, _)| claimed.hostname() == server_name).unwrap().1.session {
        Some(TlsTermination::Mtls(terminated)) => terminated,
        other => panic!("{other:?}"),
    }
}

fn allows_everybody(permissions: &Permissions) -> bool {
    match permissions {
        Permissions::ByName { called: _, rules } => rules
            .iter()
            .any(|NameRule { conditions, action, origin: _ }| conditions.is_empty() && action.allows()),
        Permissions::ByIdentity { .. } => false,
    }
}

fn until(last: Profile) -> impl Iterator<Item = Profile> {
    Profile::ALL.into_iter().filter(move |profile| *profile <= last)
}

#[test]
fn tag_services_elsewhere_weigh_as_their_instances_and_go_by_the_egress_where_the_mesh_says_so() {
    let through = MESH.to_owned() + "routing: {zoneEgress: true}\n";
    for profile in until(V2_14) {
        let redis = |mesh: &str| {
            let text = mesh.to_owned() + ZONE_EGRESS + WEST + REDIS;
            of_client(profile, &text, "tags: {kuma.io/service: redis}")
        };
        assert_eq!(places(dialled(&redis(MESH))), [("10.0.0.2", 1, 0), ("203.0.113.1", 3, 0)], "{profile}");
        let plan = redis(&through);
        assert_eq!(places(dialled(&plan)), [("10.0.0.2", 1, 0), ("192.0.2.4", 1, 0)], "{profile}");
        let plaintext = redis("type: Mesh\nname: default\n");
        assert_eq!(places(dialled(&plaintext)), [("10.0.0.2", 1, 0)], "{profile}");
    }
}

#[test]
fn a_service_that_is_in_other_zones_alone_is_dialled_by_tls_where_the_mesh_takes_plaintext_too() {
    let permissive = MESH.replace("type: builtin", "type: builtin, mode: PERMISSIVE");
    for profile in until(V2_14) {
        for (here, by_tls, wanted) in [("", true, ("203.0.113.1", 3)), (REDIS, false, ("10.0.0.2", 1))] {
            let text = permissive.clone() + WEST + here + &client("tags: {kuma.io/service: redis}");
            let before = snapshot(profile, "east", &text);
            // no proxy here has a certificate yet
            let context = Context { certified: Some([].into()), ..before.context().clone() };
            let after = Snapshot::new(before.resources().iter().cloned(), context);
            let key: model::ProxyKey = "default/web-1".parse().unwrap();
            let plan = plan(&after, &key.into()).unwrap();
            assert_eq!(dialled(&plan).tls.is_some(), by_tls, "{profile} {here}");
            // and in plaintext nobody is dialled who would refuse it
            assert_eq!(places(dialled(&plan)), [(wanted.0, wanted.1, 0)], "{profile} {here}");
        }
    }
}

#[test]
fn a_local_instance_weighs_as_many_as_there_are_ingresses_that_offer_anything() {
    let idle = WEST.replace("zi-west", "zi-idle").replace("203.0.113.1", "203.0.113.9");
    let idle = idle.split("availableServices").next().unwrap();
    let more = WEST.replace("zi-west", "zi-more").replace("203.0.113.1", "203.0.113.2");
    for profile in until(V2_14) {
        let text = MESH.to_owned() + WEST + idle + &more + REDIS;
        let plan = of_client(profile, &text, "tags: {kuma.io/service: redis}");
        let expected = [("10.0.0.2", 2, 0), ("203.0.113.1", 3, 0), ("203.0.113.2", 3, 0)];
        assert_eq!(places(dialled(&plan)), expected, "{profile}");
    }
}

#[test]
fn real_services_elsewhere_are_dialled_at_their_ingress_whatever_the_mesh_says_of_egresses() {
    let remote = "---\ntype: MeshService\nmesh: default\nname: redis\nlabels: {kuma.io/origin: global, kuma.io/zone: west, \
                  kuma.io/display-name: redis}\nspec: {selector: {dataplaneTags: {kuma.io/service: redis}}, ports: [{port: 6379, \
                  appProtocol: tcp}], identities: [{type: ServiceTag, value: redis}]}\n";
    for profile in [V2_9, V2_12, V2_14] {
        let text = MESH.to_owned() + "routing: {zoneEgress: true}\n" + ZONE_EGRESS + WEST + remote;
        let plan = of_client(
            profile,
            &text,
            "backendRef: {kind: MeshService, labels: {kuma.io/zone: west}, port: 6379}",
        );
        let cluster = dialled(&plan);
        assert_eq!(places(cluster), [("203.0.113.1", 1, 1)], "{profile}");
        assert_eq!(cluster.endpoints[0].via, Hop::ZoneIngress);
        assert_eq!(cluster.endpoints[0].tags.get("kuma.io/zone"), Some("west"), "{profile}");
    }
}

#[test]
fn a_tag_service_outside_the_mesh_that_another_zone_reaches_goes_by_both_egresses() {
    let mesh = MESH.to_owned() + "routing: {zoneEgress: true}\n";
    for profile in until(V2_14) {
        let text = mesh.clone() + ZONE_EGRESS + WEST + BANK;
        let client = of_client(profile, &text, "tags: {kuma.io/service: bank}");
        assert_eq!(places(dialled(&client)), [("192.0.2.4", 1, 0)], "{profile}");

        let egress = of_zone(profile, &text, ProxyId::ZoneEgress("ze".into()));
        let names = server_names(&egress);
        assert!(names.contains(&"bank{mesh=default}"), "{profile}: {names:?}");
        let cluster = &egress.clusters["default:bank"];
        assert_eq!(
            (places(cluster), cluster.endpoints[0].via),
            (vec![("203.0.113.1", 5, 0)], Hop::ZoneIngress)
        );

        // seen from the other zone
        let there = text.replace("zone: east\n", "zone: west\n");
        let ingress =
            plan(&snapshot(profile, "west", &there), &ProxyId::ZoneIngress("zi-west".into())).unwrap();
        let cluster = &ingress.clusters["default:bank"];
        assert_eq!((places(cluster), cluster.endpoints[0].via), (vec![("192.0.2.4", 1, 0)], Hop::ZoneEgress));
        let egress = plan(&snapshot(profile, "west", &there), &ProxyId::ZoneEgress("ze".into())).unwrap();
        assert!(matches!(egress.clusters["default:bank"].kind, ClusterKind::External { .. }), "{profile}");
    }
}

#[test]
fn an_egress_lets_a_tag_service_out_by_the_permission_that_speaks_of_it() {
    let bank = BANK.replace(", kuma.io/zone: west", "");
    let permission = "---\ntype: TrafficPermission\nmesh: default\nname: some\nsources: [{match: {kuma.io/service: web}}]\n\
                      destinations: [{match: {kuma.io/service: bank}}]\n";
    let by_target = |action: &str| {
        format!(
            "---\ntype: MeshTrafficPermission\nmesh: default\nname: all\nspec: {{targetRef: {{kind: Mesh}}, from: [{{targetRef: \
             {{kind: Mesh}}, default: {{action: {action}}}}}]}}\n"
        )
    };
    for profile in until(V2_14) {
        let of = |more: &str| {
            let text = MESH.to_owned() + ZONE_EGRESS + &bank + more;
            let plan = of_zone(profile, &text, ProxyId::ZoneEgress("ze".into()));
            ended(&plan, "bank{mesh=default}").clone()
        };
        let nobody = of("");
        assert!(nobody.permissions.allow_nobody(), "{profile}");
        assert_eq!(nobody.counted_as.is_some(), profile <= V2_6, "{profile}");
        let some = of(permission);
        assert!(!some.permissions.allow_nobody() && !allows_everybody(&some.permissions), "{profile}");
        assert_eq!(some.counted_as.as_deref(), Some("bank"), "{profile}");
        let all = of(&(permission.to_owned() + &by_target("Allow")));
        assert!(allows_everybody(&all.permissions) && all.counted_as.is_none(), "{profile}");
        assert!(of(&by_target("Deny")).permissions.allow_nobody(), "{profile}");
        assert_eq!(some.peer_prefixes, ["spiffe://default/"]);
        assert_eq!(some.mtls.uris, Ok(vec!["spiffe://default/zone-egress".to_owned()]));
    }
}

#[test]
fn a_real_service_outside_the_mesh_is_open_to_it_unless_the_mesh_forbids() {
    for profile in [V2_9, V2_10, V2_12, V2_14] {
        let of = |mesh: &str| {
            let plan =
                of_zone(profile, &(mesh.to_owned() + ZONE_EGRESS + CLOUD), ProxyId::ZoneEgress("ze".into()));
            let name = server_names(&plan)[0].to_owned();
            assert!(name.ends_with(".cloud.443.default.mes"), "{profile}: {name}");
            ended(&plan, &name).permissions.clone()
        };
        assert!(allows_everybody(&of(MESH)), "{profile}");
        let closed = MESH.to_owned() + "routing: {defaultForbidMeshExternalServiceAccess: true}\n";
        assert!(of(&closed).allow_nobody(), "{profile}");
    }
}

#[test]
fn an_egress_has_an_identity_in_each_mesh() {
    let other = MESH.replace("name: default", "name: other");
    let both = CLOUD.to_owned() + &CLOUD.replace("mesh: default", "mesh: other");
    let text = MESH.to_owned() + "---\n" + &other + ZONE_EGRESS + &both;
    let plan = of_zone(V2_14, &text, ProxyId::ZoneEgress("ze".into()));
    let identities = plan.identities();
    let uris: Vec<_> = identities.iter().map(|it| it.uris.clone().unwrap()).collect();
    assert_eq!(uris, [["spiffe://default/zone-egress"], ["spiffe://other/zone-egress"]]);
}

#[test]
fn an_ingress_carries_its_own_real_services_and_what_is_here_of_those_of_several_zones() {
    let services = "---\ntype: MeshService\nmesh: default\nname: redis\nlabels: {kuma.io/zone: east, kuma.io/origin: zone, app: \
                    redis}\nspec: {selector: {dataplaneTags: {kuma.io/service: redis}}, ports: [{port: 6379, name: main, \
                    appProtocol: tcp}]}\n---\ntype: MeshService\nmesh: default\nname: there\nlabels: {kuma.io/zone: west, \
                    kuma.io/origin: global, kuma.io/display-name: there, app: redis}\nspec: {selector: {dataplaneTags: \
                    {kuma.io/service: redis}}, ports: [{port: 6379, name: main, appProtocol: tcp}]}\n";
    let several = "---\ntype: MeshMultiZoneService\nmesh: default\nname: all\nspec: {selector: {meshService: {matchLabels: {app: \
                   redis}}}, ports: [{port: 6379, name: main, appProtocol: tcp}]}\n";
    let here = "---\ntype: ZoneIngress\nname: zi\nzone: east\nnetworking: {address: 10.0.0.9, port: 10001}\n";
    for profile in [V2_9, V2_14] {
        let text = MESH.to_owned() + REDIS + services + several + here;
        let plan = of_zone(profile, &text, ProxyId::ZoneIngress("zi".into()));
        let names = server_names(&plan);
        assert!(names[0].ends_with(".redis.6379.default.ms") && names[1].ends_with(".all.6379.default.mzms"));
        assert_eq!(names.len(), 2, "{profile}: {names:?}");
        for cluster in plan.clusters.values() {
            assert_eq!(places(cluster), [("10.0.0.2", 1, 0)], "{profile}: {}", cluster.name);
        }
    }
}

#[test]
fn ports_of_several_zones_are_joined_by_number_and_in_3_by_name() {
    let member = |name: &str, port: u16| {
        format!(
            "---\ntype: MeshService\nmesh: default\nname: {name}\nlabels: {{app: redis}}\nspec: {{selector: {{dataplaneLabels: \
             {{matchLabels: {{app: redis}}}}}}, ports: [{{port: {port}, targetPort: 6379, name: main, appProtocol: tcp}}]}}\n"
        )
    };
    let several = "---\ntype: MeshMultiZoneService\nmesh: default\nname: all\nlabels: {app: all}\nspec: {selector: \
                   {meshService: {matchLabels: {app: redis}}}, ports: [{port: 6379, name: main, appProtocol: tcp}]}\n";
    for (profile, reference) in [(V2_14, "name: all"), (V3, "labels: {app: all}")] {
        let mesh = if profile == V3 { "type: Mesh\nname: default\n" } else { MESH };
        let of = |port| {
            let text = mesh.to_owned() + REDIS + &member("redis", port) + several;
            let plan = of_client(
                profile,
                &text,
                &format!("backendRef: {{kind: MeshMultiZoneService, {reference}, port: 6379}}"),
            );
            dialled(&plan).endpoints.len()
        };
        assert_eq!((of(6379), of(7000)), (1, usize::from(profile == V3)), "{profile}");
    }
}

/// A zone proxy that is a Dataplane, with an identity.
const BORDER: &str = "---\ntype: Dataplane\nmesh: default\nname: border\nlabels: {app: border, kuma.io/zone: east}\nnetworking: \
                      {address: 10.0.0.7, listeners: [{type: ZoneEgress, address: 10.0.0.7, port: 10002, name: out}, {type: ZoneIngress, address: 10.0.0.7, port: 10001}]}\n---\ntype: MeshIdentity\nmesh: default\nname: all\nspec: {selector: {dataplane: {matchLabels: \
                      {app: border}}}, spiffeID: {trustDomain: east.local, path: /border}, provider: {type: Bundled, bundled: \
                      {autogenerate: {enabled: true}}}}\n";

fn exclusive(profile: Profile) -> &'static str {
    if profile == V3 {
        "type: Mesh\nname: default\n"
    } else {
        "type: Mesh\nname: default\nmeshServices: {mode: Exclusive}\n"
    }
}

#[test]
fn a_dataplane_with_listeners_carries_its_mesh_by_readable_names() {
    let service = "---\ntype: MeshService\nmesh: default\nname: redis\nlabels: {kuma.io/zone: east, kuma.io/origin: zone}\nspec: \
                   {selector: {dataplaneLabels: {matchLabels: {app: redis}}}, ports: [{port: 80, targetPort: 6379, appProtocol: \
                   tcp}]}\n";
    for profile in [V2_14, V3] {
        let text = exclusive(profile).to_owned() + REDIS + service + CLOUD + BORDER;
        let key: model::ProxyKey = "default/border".parse().unwrap();
        let plan = of_zone(profile, &text, key.clone().into());
        let named: Vec<&str> = plan.listeners.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(named, ["self_zoneegress_dp_out", "self_zoneingress_dp_10001"], "{profile}");
        assert_eq!(server_names(&plan), ["sni.extsvc.default.cloud.443", "sni.msvc.default.east.redis.80"]);
        let out = ended(&plan, "sni.extsvc.default.cloud.443");
        assert!(out.peer_prefixes.is_empty() && out.permissions.allow_nobody(), "{profile}");
        assert_eq!(plan.identities().len(), 1, "{profile}");
        assert_eq!(
            places(&plan.clusters["kri_msvc_default_east__redis_80"]),
            [("10.0.0.2", 1, 0)],
            "{profile}"
        );

        let rules = "---\ntype: MeshTrafficPermission\nmesh: default\nname: out\nspec: {targetRef: {kind: Dataplane, labels: {app: \
                     border}, sectionName: out}, rules: [{default: {allow: [{spiffeID: {type: Exact, value: \
                     'spiffe://east.local/web'}}]}}]}\n";
        let plan = of_zone(profile, &(text.clone() + rules), key.clone().into());
        assert!(!ended(&plan, "sni.extsvc.default.cloud.443").permissions.allow_nobody(), "{profile}");

        let plaintext = text.split("---\ntype: MeshIdentity").next().unwrap();
        let plan = of_zone(profile, plaintext, key.into());
        assert_eq!(
            server_names(&plan),
            ["sni.msvc.default.east.redis.80"],
            "{profile}: no identity, no way out"
        );
    }
    let text = MESH.to_owned() + REDIS + service + CLOUD + BORDER;
    let key: model::ProxyKey = "default/border".parse().unwrap();
    let plan = of_zone(V2_14, &text, key.into());
    assert!(plan.listeners.is_empty() && plan.warnings.iter().any(|it| it.to_string().contains("Exclusive")));
}

#[test]
fn listeners_of_dataplanes_are_preferred_to_the_egresses_of_all_meshes() {
    let identity = BORDER.replace("{app: border}}}, spiffeID", "{}}}, spiffeID");
    for profile in [V2_14, V3] {
        let reference = if profile == V3 { "labels: {app: cloud}" } else { "name: cloud" };
        let cloud = CLOUD.replace("name: cloud\n", "name: cloud\nlabels: {app: cloud}\n");
        let egress = if profile == V3 { "" } else { ZONE_EGRESS };
        let text = exclusive(profile).to_owned() + &cloud + egress + &identity;
        let outbound = format!("backendRef: {{kind: MeshExternalService, {reference}, port: 443}}");
        let plan = of_client(profile, &text, &outbound);
        assert_eq!(places(dialled(&plan)), [("10.0.0.7", 1, 0)], "{profile}");
        let not_ready = text.replace("port: 10002,", "port: 10002, state: NotReady,");
        let plan = of_client(profile, &not_ready, &outbound);
        let dials = |cluster: &Cluster| cluster.endpoints.iter().any(|it| it.address == "10.0.0.7");
        assert!(!plan.destinations().any(|(_, cluster)| dials(cluster)), "{profile}");
    }
}

#[test]
fn zone_proxies_of_other_zones_are_no_proxies_of_this_one() {
    let text = MESH.to_owned() + ZONE_EGRESS + WEST;
    let of = |zone| snapshot(V2_14, zone, &text).zone_proxies().collect::<Vec<_>>();
    let ingress = || ProxyId::ZoneIngress("zi-west".into());
    let egress = || ProxyId::ZoneEgress("ze".into());
    assert_eq!(of("east"), [egress()]);
    assert_eq!(of("west"), [ingress()]);
    assert_eq!(of(""), [ingress(), egress()]);
}

#[test]
fn zone_proxies_have_unified_names_where_they_ask_for_them() {
    let text = MESH.to_owned() + ZONE_EGRESS + CLOUD;
    for profile in [V2_10, V2_12, V2_14] {
        let mut context = snapshot(profile, "east", &text).context().clone();
        context.unannounced = ProxyFeatures { unified_naming: true, ..ProxyFeatures::default() };
        let resources = snapshot(profile, "east", &text).resources().to_vec();
        let plan = plan(&Snapshot::new(resources, context), &ProxyId::ZoneEgress("ze".into())).unwrap();
        let is_unified = plan.listeners[0].name == "self_inbound_ze_10002"
            && plan.clusters.contains_key("kri_extsvc_default___cloud_443");
        assert_eq!(is_unified, profile >= V2_12, "{profile}: {:?}", plan.clusters.keys());
    }
}

#[test]
fn a_host_name_is_dialled_at_the_address_that_somebody_found() {
    let named = WEST.replace("203.0.113.1", "gate.example.com");
    let same = named.replace("zi-west", "zi-same").replace("gate.example.com", "203.0.113.7");
    let text = MESH.to_owned() + &named + &same + REDIS + &client("tags: {kuma.io/service: redis}");
    let key: ProxyId = "default/web-1".parse::<model::ProxyKey>().unwrap().into();
    let found = |host: Option<ResolvedHost>| {
        let before = snapshot(V2_14, "east", &text);
        let hosts = host.map(|host| ("gate.example.com".to_owned(), host)).into_iter().collect();
        let context = Context { hosts, ..before.context().clone() };
        let after = Snapshot::new(before.resources().iter().cloned(), context);
        let (_, reads) = plan_and_reads(&before, &key).unwrap();
        let plan = plan(&after, &key).unwrap();
        let places: Vec<String> =
            places(dialled(&plan)).iter().map(|(address, ..)| (*address).to_owned()).collect();
        (places, reads.meet(&after.touched_since(&before)))
    };
    let why = || "is away".to_owned();
    let address = || "203.0.113.9".parse().unwrap();
    let as_written = vec!["10.0.0.2".to_owned(), "203.0.113.7".to_owned(), "gate.example.com".to_owned()];
    assert_eq!(found(None), (as_written.clone(), false));
    assert_eq!(found(Some(ResolvedHost::Unknown { why: why() })), (as_written, false));
    let resolved = vec!["10.0.0.2".to_owned(), "203.0.113.7".to_owned(), "203.0.113.9".to_owned()];
    assert_eq!(found(Some(ResolvedHost::Known(address()))), (resolved.clone(), true));
    assert_eq!(found(Some(ResolvedHost::Kept { address: address(), why: why() })), (resolved, true));
    // two equal ingresses are one
    let (places, _) = found(Some(ResolvedHost::Known("203.0.113.7".parse().unwrap())));
    assert_eq!(places, ["10.0.0.2", "203.0.113.7"]);
}

#[test]
fn tag_services_are_dialled_at_the_virtual_ips_that_they_were_given() {
    let captured = client("address: 240.0.0.9, tags: {kuma.io/service: by-hand}").replace(
        "inbound:",
        "transparentProxying: {redirectPortInbound: 15006, redirectPortOutbound: 15001}, inbound:",
    );
    // what is outside the mesh is dialled at its own port as well, and at its host
    let bank = "
---
type: ExternalService
mesh: default
name: bank
tags: {kuma.io/service: bank}
networking: {address: '203.0.113.5:5432'}
---
type: ExternalService
mesh: default
name: mail
tags: {kuma.io/service: mail}
networking: {address: '203.0.113.6:25', disableHostDNSEntry: true}
";
    let text = MESH.to_owned() + REDIS + bank + &captured;
    let before = snapshot(V2_14, "east", &text);
    let given = |service: &str, address: &str| {
        (("default".to_owned(), service.to_owned()), address.parse::<std::net::IpAddr>().unwrap())
    };
    let tag_addresses = [
        given("redis", "240.0.0.1"),
        given("by-hand", "240.0.0.2"),
        given("bank", "240.0.0.3"),
        given("mail", "240.0.0.4"),
    ]
    .into();
    let after = Snapshot::new(
        before.resources().iter().cloned(),
        Context { tag_addresses, ..before.context().clone() },
    );
    let key: ProxyId = "default/web-1".parse::<model::ProxyKey>().unwrap().into();
    let (_, reads) = plan_and_reads(&before, &key).unwrap();
    assert!(reads.meet(&after.touched_since(&before)));
    let plan = plan(&after, &key).unwrap();
    let outbounds = plan.listeners.iter().filter(|it| it.destination().is_some());
    let places: Vec<_> = outbounds.map(|it| (it.bind.address.as_str(), it.bind.port)).collect();
    let wanted = [
        ("240.0.0.3", 80),
        ("240.0.0.3", 5432),
        ("203.0.113.5", 5432),
        ("240.0.0.4", 80),
        ("240.0.0.4", 25),
        ("240.0.0.1", 80),
        ("240.0.0.9", 13000),
    ];
    assert_eq!(places, wanted, "who has one by hand has no other");
    let bank: Vec<_> = plan.names["bank.mesh"].iter().map(ToString::to_string).collect();
    assert_eq!(bank, ["240.0.0.3"], "a host has no other name");
    let redis: Vec<_> = plan.names["redis.mesh"].iter().map(ToString::to_string).collect();
    assert_eq!(redis, ["240.0.0.1"]);
}
