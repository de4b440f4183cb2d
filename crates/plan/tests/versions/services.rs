//! Routes between resources: MeshService and MeshExternalService.

use std::collections::BTreeMap;

use meshtcp_plan::{Context, Plan, Snapshot, plan};
use model::Profile::{self, *};

use super::{MESH, from, only, only_route, outbounds, planned, snapshot, split, tcp};

/// `web` dials the MeshService `ledger`, port `sql`; there is another, and one outside the mesh.
const SERVICES: &str = "
type: Mesh
name: default
meshServices: {mode: Exclusive}
---
type: Dataplane
mesh: default
name: web-1
labels: {team: shop}
networking:
  address: 192.0.2.1
  inbound: [{port: 8080, tags: {kuma.io/service: web, kuma.io/protocol: tcp}}]
  outbound: [{port: 13000, backendRef: {kind: MeshService, REF, port: 5432}}]
---
type: Dataplane
mesh: default
name: ledger-1
labels: {app: ledger}
networking:
  address: 192.0.2.11
  inbound: [{port: 5432, name: sql, tags: {kuma.io/service: ledger, kuma.io/protocol: tcp}}]
---
type: Dataplane
mesh: default
name: next-1
labels: {app: next}
networking:
  address: 192.0.2.21
  inbound: [{port: 5432, name: sql, tags: {kuma.io/service: next, kuma.io/protocol: tcp}}]
---
type: MeshService
mesh: default
name: ledger
labels: {app: ledger}
spec:
  selector: {dataplaneTags: {kuma.io/service: ledger}}
  ports: [{name: sql, port: 5432, targetPort: sql, appProtocol: tcp}]
---
type: MeshService
mesh: default
name: next
labels: {app: next}
spec:
  selector: {dataplaneTags: {kuma.io/service: next}}
  ports: [{name: sql, port: 5432, targetPort: sql, appProtocol: tcp}]
---
type: MeshExternalService
mesh: default
name: cloud
labels: {app: cloud}
spec:
  match: {type: HostnameGenerator, port: 5432, protocol: tcp}
  endpoints: [{address: 192.0.2.99, port: 5432}]
";

fn services(profile: Profile, backends: &str) -> Plan {
    let reference = if profile == V3 { "labels: {app: ledger}" } else { "name: ledger" };
    let text = SERVICES.replace("REF", reference) + &tcp("a", MESH, backends);
    let text = if profile == V3 {
        text.replace("{kind: MeshService, name: ledger}", "{kind: MeshService, labels: {app: ledger}}")
    } else {
        text
    };
    planned(profile, "default/web-1", &text)
}

/// Addresses behind a split, with their shares; endpoints outside the mesh as a proxy without egress reaches them.
fn reached(plan: &Plan) -> BTreeMap<String, f64> {
    let mut reached = BTreeMap::new();
    for (cluster, share) in split(plan, 13000) {
        let cluster = &plan.clusters[&cluster];
        let endpoints = cluster.direct.as_ref().map_or(&cluster.endpoints, |direct| &direct.endpoints);
        for endpoint in endpoints {
            *reached.entry(endpoint.address.clone()).or_default() += share / endpoints.len() as f64;
        }
    }
    reached
}

#[test]
fn mesh_services_are_routed_by_resource_since_2_9() {
    for profile in from(V2_9) {
        let plan = services(profile, "{kind: MeshService, name: next, port: 5432}");
        assert_eq!(reached(&plan), only("192.0.2.21"), "{profile}");
        let by_labels = services(profile, "{kind: MeshService, labels: {app: next}, port: 5432}");
        assert_eq!(reached(&by_labels), only("192.0.2.21"), "{profile}");
    }
    let plan = services(V3, "{kind: MeshService, labels: {app: next}, port: 5432}");
    assert_eq!(reached(&plan), only("192.0.2.21"));
}

#[test]
fn a_section_names_the_port_of_a_backend_since_2_12() {
    for profile in from(V2_12).chain([V3]) {
        let plan = services(profile, "{kind: MeshService, labels: {app: next}, sectionName: sql}");
        assert_eq!(reached(&plan), only("192.0.2.21"), "{profile}");
    }
}

#[test]
fn mesh_external_services_take_a_share_since_2_9() {
    for profile in from(V2_9) {
        let refs = "{kind: MeshService, name: next, port: 5432, weight: 3}, {kind: MeshExternalService, name: cloud}";
        let wanted = BTreeMap::from([("192.0.2.21".to_owned(), 0.75), ("192.0.2.99".to_owned(), 0.25)]);
        assert_eq!(reached(&services(profile, refs)), wanted, "{profile}");
    }
}

#[test]
fn a_resource_that_does_not_exist_leaves_its_share_to_the_others() {
    for profile in from(V2_9) {
        let refs =
            "{kind: MeshService, name: next, port: 5432}, {kind: MeshService, name: nobody, port: 5432}";
        assert_eq!(reached(&services(profile, refs)), only("192.0.2.21"), "{profile}");
    }
}

#[test]
fn names_are_kris_in_3() {
    for profile in [V2_9, V2_14, V3] {
        let reference = if profile == V3 { "labels: {app: next}" } else { "name: next" };
        let plan = services(profile, &format!("{{kind: MeshService, {reference}, port: 5432}}"));
        let outbound = outbounds(&plan)[0];
        let is_kri = |name: &str| name.starts_with("kri_msvc_default_");
        assert_eq!(is_kri(&outbound.name), profile == V3, "{profile}: {}", outbound.name);
        assert!(
            plan.destinations().all(|(name, _)| is_kri(name) == (profile == V3)),
            "{profile}: {:?}",
            plan.clusters.keys()
        );
    }
}

#[test]
fn mesh_external_services_are_dialled_through_the_egress_since_2_9() {
    let egress = "---\ntype: ZoneEgress\nname: ze\nnetworking: {address: 192.0.2.4, port: 10002}\n";
    let secured =
        "mtls: {enabledBackend: ca, backends: [{name: ca, type: builtin}]}\nrouting: {zoneEgress: true}\n";
    for profile in from(V2_9) {
        let text = SERVICES
            .replace("REF", "name: ledger")
            .replace("meshServices:", &format!("{secured}meshServices:"))
            + egress
            + &tcp("a", MESH, "{kind: MeshExternalService, name: cloud}");
        let plan = planned(profile, "default/web-1", &text);
        let cluster = &plan.clusters[only_route(outbounds(&plan)[0]).split[0].cluster().unwrap()];
        let addresses: Vec<&str> =
            cluster.endpoints.iter().map(|endpoint| endpoint.address.as_str()).collect();
        assert_eq!((addresses, cluster.direct.is_none()), (vec!["192.0.2.4"], true), "{profile}");
    }
}

#[test]
fn nobody_dials_a_mesh_external_service_whose_secrets_cannot_be_loaded() {
    for profile in from(V2_9) {
        let reference = if profile == V3 { "labels: {app: ledger}" } else { "name: ledger" };
        let text =
            SERVICES.replace("REF", reference) + &tcp("a", MESH, "{kind: MeshExternalService, name: cloud}");
        let text = match profile {
            V3 => text
                .replace("{kind: MeshService, name: ledger}", "{kind: MeshService, labels: {app: ledger}}"),
            _ => text,
        };
        let unloaded = BTreeMap::from([(
            ("default".to_owned(), "cloud".to_owned()),
            "there is no Secret `cloud-ca`".to_owned(),
        )]);
        let context = Context { unloaded, ..Context::new(profile) };
        let resources = snapshot(profile, &text).resources().to_vec();
        let key: model::ProxyKey = "default/web-1".parse().unwrap();
        let plan = plan(&Snapshot::new(resources, context), &key.into()).unwrap();
        let clusters: Vec<_> = plan.destinations().filter(|(_, it)| it.service.contains("cloud")).collect();
        assert_eq!(clusters.len(), 1, "{profile}: {:?}", plan.clusters.keys());
        for (name, cluster) in clusters {
            assert!(cluster.endpoints.is_empty() && cluster.direct.is_none(), "{profile}: {name} is dialled");
        }
        let told: Vec<String> = plan.warnings.iter().map(ToString::to_string).collect();
        assert!(told.iter().any(|it| it.contains("no Secret `cloud-ca`")), "{profile}: {told:?}");
    }
}
