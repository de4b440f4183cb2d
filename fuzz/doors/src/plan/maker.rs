//! Resources made from choices: mostly valid in their profile, with names from tiny alphabets so that they collide.

use model::{Kind, PolicyRole, Profile, RefKind};
use serde_json::{Value, json};

use crate::choices::Choices;

const NAMES: [&str; 3] = ["a", "b", "c"];
const KEYS: [&str; 3] = ["version", "kuma.io/zone", "app"];
const KINDS: [Kind; 18] = [
    Kind::Dataplane,
    Kind::Dataplane,
    Kind::Dataplane,
    Kind::MeshTCPRoute,
    Kind::MeshTCPRoute,
    Kind::MeshTCPRoute,
    Kind::MeshHTTPRoute,
    Kind::MeshService,
    Kind::MeshService,
    Kind::MeshExternalService,
    Kind::MeshMultiZoneService,
    Kind::MeshGateway,
    Kind::TrafficRoute,
    Kind::ExternalService,
    Kind::ZoneIngress,
    Kind::ZoneEgress,
    Kind::Mesh,
    Kind::MeshTimeout,
];

/// Maker of one resource after the other.
pub(super) struct Maker<'c, 'b> {
    choices: &'c mut Choices<'b>,
    profile: Profile,
}

impl<'c, 'b> Maker<'c, 'b> {
    pub(super) fn new(choices: &'c mut Choices<'b>, profile: Profile) -> Self {
        Self { choices, profile }
    }

    pub(super) fn resource(&mut self) -> Value {
        let known: Vec<Kind> =
            KINDS.into_iter().filter(|kind| kind.window().contains(self.profile)).collect();
        let kind = self.choices.one_of(&known);
        let mesh = if self.choices.once_in(8) { "other" } else { "default" };
        let name = if kind == Kind::Mesh { mesh } else { self.name() };
        let mut resource = match kind {
            Kind::Mesh => self.mesh(),
            Kind::Dataplane => self.dataplane(),
            Kind::MeshService => self.mesh_service(),
            Kind::MeshExternalService => json!({"spec": {
                "match": {"type": "HostnameGenerator", "port": self.port(), "protocol": self.choices.one_of(&["tcp", "http"])},
                "endpoints": [{"address": self.choices.one_of(&["192.0.2.9", "db.test"]), "port": self.port()}],
            }}),
            Kind::MeshMultiZoneService => self.multi_zone_service(),
            Kind::MeshGateway => self.gateway(),
            Kind::TrafficRoute => self.traffic_route(),
            Kind::ExternalService => {
                json!({"tags": self.service_tags(), "networking": {"address": format!("192.0.2.8:{}", self.port())}})
            }
            Kind::ZoneIngress => json!({
                "zone": self.name(),
                "networking": {"address": "192.0.2.6", "port": 10001, "advertisedAddress": "192.0.2.7", "advertisedPort": 1},
                "availableServices": [{"mesh": "default", "instances": 2, "tags": self.service_tags()}],
            }),
            Kind::ZoneEgress => {
                json!({"zone": self.name(), "networking": {"address": "192.0.2.5", "port": 10002}})
            }
            kind => self.policy(kind),
        };
        resource["type"] = kind.as_str().into();
        resource["name"] = name.into();
        if !matches!(kind, Kind::Mesh | Kind::ZoneIngress | Kind::ZoneEgress) {
            resource["mesh"] = mesh.into();
        }
        resource["labels"] = self.labels();
        resource
    }

    fn name(&mut self) -> &'static str {
        self.choices.one_of(&NAMES)
    }

    /// Value of a `kuma.io/service` tag; one of them looks like a name, namespace, `svc` and port.
    fn service(&mut self) -> &'static str {
        self.choices.one_of(&["a", "b", "c", "a_b_svc_80"])
    }

    fn port(&mut self) -> usize {
        80 + self.choices.below(2)
    }

    fn pairs(&mut self) -> Value {
        let mut pairs = json!({});
        for _ in 0..self.choices.below(3) {
            pairs[self.choices.one_of(&KEYS)] = self.name().into();
        }
        pairs
    }

    fn some_pairs(&mut self) -> Value {
        let mut pairs = self.pairs();
        pairs["app"] = self.name().into();
        pairs
    }

    fn service_tags(&mut self) -> Value {
        let mut tags = self.pairs();
        tags["kuma.io/service"] = self.service().into();
        tags
    }

    fn labels(&mut self) -> Value {
        let mut labels = json!({"app": self.name()});
        match self.choices.below(8) {
            0 => labels["kuma.io/origin"] = self.choices.one_of(&["zone", "global"]).into(),
            1 => {
                labels["kuma.io/policy-role"] =
                    self.choices.one_of(&["system", "producer", "consumer"]).into()
            }
            2 => labels["k8s.kuma.io/namespace"] = self.choices.one_of(&["ns", "a"]).into(),
            3 => labels["kuma.io/display-name"] = self.name().into(),
            4 => {
                labels["meshtcp.io/on-unavailable"] =
                    self.choices.one_of(&["spill", "refuse", "reference"]).into()
            }
            5 => labels["kuma.io/effect"] = "shadow".into(),
            6 => labels["kuma.io/zone"] = self.name().into(),
            _ => {}
        }
        labels
    }

    fn mesh(&mut self) -> Value {
        let mut mesh = json!({"routing": {
            "zoneEgress": self.choices.once_in(2),
            "localityAwareLoadBalancing": self.choices.once_in(2),
        }});
        if self.choices.once_in(2) {
            mesh["mtls"] = json!({"enabledBackend": "ca", "backends": [{"name": "ca", "type": "builtin"}]});
        }
        if self.profile >= Profile::V2_9 && self.choices.once_in(2) {
            let mode = self.choices.one_of(&["Disabled", "Everywhere", "ReachableBackends", "Exclusive"]);
            mesh["meshServices"] = json!({"mode": mode});
        }
        mesh
    }

    fn dataplane(&mut self) -> Value {
        let host = 1 + self.choices.below(4);
        let mut networking = json!({"address": format!("192.0.2.{host}")});
        let gateway = match self.choices.below(8) {
            0 if self.profile < Profile::V3 => Some("BUILTIN"),
            1 => Some("DELEGATED"),
            _ => None,
        };
        if let Some(kind) = gateway {
            networking["gateway"] = json!({"type": kind, "tags": self.service_tags()});
        } else {
            let inbounds = (0..1 + self.choices.below(2)).map(|at| {
                let mut tags = self.service_tags();
                let protocol = self.choices.one_of(&["tcp", "tcp", "http", "grpc", "kafka"]);
                if self.profile < Profile::V3 || protocol != "kafka" {
                    tags["kuma.io/protocol"] = protocol.into();
                }
                let state = self.choices.one_of(&["Ready", "Ready", "NotReady", "Ignored"]);
                json!({"port": 80 + at, "name": NAMES[at], "state": state, "tags": tags})
            });
            networking["inbound"] = inbounds.collect();
        }
        if gateway != Some("BUILTIN") {
            let outbounds = (0..self.choices.below(4)).map(|at| {
                let mut outbound = self.dialled();
                outbound["port"] = (13000 + at).into();
                outbound
            });
            networking["outbound"] = outbounds.collect();
        }
        json!({"networking": networking})
    }

    fn dialled(&mut self) -> Value {
        let by_tags = self.profile < Profile::V2_9 || self.profile < Profile::V3 && self.choices.once_in(2);
        if by_tags {
            return json!({"tags": self.service_tags()});
        }
        let kind = self.choices.one_of(&["MeshService", "MeshExternalService", "MeshMultiZoneService"]);
        let mut target = json!({"kind": kind, "port": self.port()});
        if self.profile == Profile::V3 || self.choices.once_in(3) {
            target["labels"] = self.some_pairs();
        } else {
            target["name"] = self.name().into();
        }
        json!({"backendRef": target})
    }

    fn mesh_service(&mut self) -> Value {
        let selector = match self.choices.below(3) {
            1 => json!({"dataplaneRef": {"name": self.name()}}),
            2 if self.profile >= Profile::V2_14 => json!({"dataplaneLabels": self.some_pairs()}),
            _ => json!({"dataplaneTags": self.service_tags()}),
        };
        let ports = (0..1 + self.choices.below(2)).map(|at| {
            let target = if self.choices.once_in(2) { json!(self.name()) } else { json!(80 + at) };
            let protocol = self.choices.one_of(&["tcp", "tcp", "http", "grpc"]);
            json!({"name": NAMES[at], "port": 80 + at, "targetPort": target, "appProtocol": protocol})
        });
        let ports: Value = ports.collect();
        json!({"spec": {"selector": selector, "ports": ports, "state": self.choices.one_of(&["Available", "Unavailable"])}})
    }

    fn multi_zone_service(&mut self) -> Value {
        json!({
            "spec": {
                "selector": {"meshService": {"matchLabels": self.some_pairs()}},
                "ports": [{"name": "a", "port": self.port(), "appProtocol": "tcp"}],
            },
            "status": {"meshServices": [{"name": self.name(), "zone": self.name(), "mesh": "default"}]},
        })
    }

    fn traffic_route(&mut self) -> Value {
        let any = self.choices.one_of(&["*", "a", "b"]);
        let mut split =
            vec![json!({"weight": 1 + self.choices.below(3), "destination": self.service_tags()})];
        if self.choices.once_in(2) {
            split.push(json!({"weight": self.choices.below(3), "destination": self.service_tags()}));
        }
        json!({
            "sources": [{"match": self.service_tags()}],
            "destinations": [{"match": {"kuma.io/service": any}}],
            "conf": {"split": split},
        })
    }

    fn gateway(&mut self) -> Value {
        let listeners = (0..1 + self.choices.below(3)).map(|at| {
            let protocol = self.choices.one_of(&["TCP", "TCP", "TLS", "HTTP"]);
            let mut listener = json!({"port": 80 + at, "protocol": protocol, "tags": self.pairs()});
            if protocol == "TLS" {
                listener["hostname"] = self.choices.one_of(&["*", "a.test", "*.test"]).into();
                listener["tls"] = match self.choices.once_in(2) {
                    true => json!({"mode": "TERMINATE", "certificates": [{"secret": "a"}]}),
                    false => json!({"mode": "PASSTHROUGH"}),
                };
            }
            listener
        });
        let listeners: Value = listeners.collect();
        json!({"selectors": [{"match": self.service_tags()}], "tags": self.pairs(), "conf": {"listeners": listeners}})
    }

    fn policy(&mut self, kind: Kind) -> Value {
        let top_kinds = self.profile.top_kinds(PolicyRole::System);
        let top = self.choices.one_of(top_kinds);
        let items = (0..1 + self.choices.below(2)).map(|_| {
            let target = if kind == Kind::MeshTimeout && self.choices.once_in(2) {
                json!({"kind": "Mesh"})
            } else {
                let to = self.choices.one_of(self.profile.to_kinds(Some(top)));
                self.reference(to)
            };
            let mut item = json!({ "targetRef": target });
            if kind == Kind::MeshTimeout {
                item["default"] = json!({"connectionTimeout": "3s", "idleTimeout": "4s"});
            } else {
                item["rules"] = self.rules(kind == Kind::MeshHTTPRoute);
            }
            item
        });
        let items: Value = items.collect();
        json!({"spec": {"targetRef": self.reference(top), "to": items}})
    }

    fn rules(&mut self, http: bool) -> Value {
        if self.choices.once_in(8) {
            return json!([]);
        }
        let backends = (0..1 + self.choices.below(3)).map(|_| {
            let kind = self.choices.one_of(self.profile.backend_kinds());
            let mut backend = self.reference(kind);
            match self.choices.below(4) {
                0 => {}
                weight => backend["weight"] = json!([0u32, 1, u32::MAX][weight - 1]),
            }
            let takes_port =
                kind == RefKind::MeshService && self.profile >= Profile::V2_7 && self.choices.once_in(2);
            if takes_port || kind == RefKind::MeshMultiZoneService {
                backend["port"] = self.port().into();
            }
            backend
        });
        let mut rule = json!({"default": {"backendRefs": backends.collect::<Value>()}});
        if http {
            let path = self.choices.one_of(&["/", "/a"]);
            rule["matches"] = json!([{"path": {"type": "PathPrefix", "value": path}}]);
        }
        json!([rule])
    }

    /// Reference with the fields that its kind has in the profile.
    fn reference(&mut self, kind: RefKind) -> Value {
        let mut reference = json!({"kind": kind.as_str()});
        let takes_labels = self.profile >= Profile::V2_9;
        let by_labels = self.profile == Profile::V3 || takes_labels && self.choices.once_in(3);
        match kind {
            RefKind::Mesh => {}
            RefKind::MeshSubset => reference["tags"] = self.service_tags(),
            RefKind::Dataplane if self.choices.once_in(3) => {}
            RefKind::MeshServiceSubset | RefKind::MeshGateway => {
                reference["name"] = self.name().into();
                reference["tags"] = self.pairs();
            }
            _ if by_labels => reference["labels"] = self.some_pairs(),
            _ => reference["name"] = self.service().into(),
        }
        if kind == RefKind::MeshService && self.profile >= Profile::V2_10 && self.choices.once_in(3) {
            reference["sectionName"] = self.choices.one_of(&["a", "b", "80"]).into();
        }
        reference
    }
}
