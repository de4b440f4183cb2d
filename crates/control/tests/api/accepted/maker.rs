//! Generator of documents as people write them, mostly valid: names of every length, colliding addresses, both formats.

use model::kind::KubernetesScope;
use model::{Kind, Profile};
use serde_json::{Map, Value, json};

use super::LONGEST_MESH;

const KINDS: [Kind; 12] = [
    Kind::Dataplane,
    Kind::Dataplane,
    Kind::Dataplane,
    Kind::Dataplane,
    Kind::Mesh,
    Kind::MeshTCPRoute,
    Kind::MeshTCPRoute,
    Kind::MeshService,
    Kind::MeshExternalService,
    Kind::MeshTimeout,
    Kind::TrafficRoute,
    Kind::ZoneIngress,
];

/// Generator of documents from bytes.
pub(super) struct Maker<'b> {
    bytes: std::slice::Iter<'b, u8>,
    profile: Profile,
}

impl<'b> Maker<'b> {
    pub(super) fn new(bytes: &'b [u8], profile: Profile) -> Self {
        Self { bytes: bytes.iter(), profile }
    }

    pub(super) fn documents(mut self) -> Vec<Value> {
        let known: Vec<Kind> =
            KINDS.into_iter().filter(|kind| kind.window().contains(self.profile)).collect();
        (0..16).map(|_| self.document(&known)).collect()
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::from(*self.bytes.next().unwrap_or(&0)) % limit
    }

    fn one_of<T: Clone>(&mut self, these: &[T]) -> T {
        these[self.below(these.len())].clone()
    }

    fn document(&mut self, kinds: &[Kind]) -> Value {
        let kind = self.one_of(kinds);
        let mesh = self.one_of(&["default", "default", "default", "other.mesh", LONGEST_MESH, "nowhere"]);
        let name = if kind == Kind::Mesh { mesh.to_owned() } else { self.name() };
        let body = match kind {
            Kind::Mesh => json!({}),
            Kind::Dataplane => self.dataplane(),
            Kind::MeshService => self.mesh_service(),
            Kind::MeshExternalService => json!({"spec": {
                "match": {"type": "HostnameGenerator", "port": 443, "protocol": "tcp"},
                "endpoints": [{"address": self.one_of(&["192.0.2.9", "db.test", "unix:///run/db"]), "port": 5432}],
            }}),
            Kind::TrafficRoute => json!({
                "sources": [{"match": {"kuma.io/service": "*"}}],
                "destinations": [{"match": {"kuma.io/service": "a"}}],
                "conf": {"destination": {"kuma.io/service": "b"}},
            }),
            Kind::ZoneIngress => json!({
                "networking": {"address": "192.0.2.6", "port": 10001, "advertisedAddress": "zone.test", "advertisedPort": 1},
            }),
            Kind::MeshTimeout => json!({"spec": {
                "targetRef": {"kind": "Mesh"},
                "to": [{"targetRef": {"kind": "Mesh"}, "default": {"connectionTimeout": "3s"}}],
            }}),
            _ => self.route(),
        };
        let labels = self.labels();
        if self.below(3) > 0 {
            return universal(kind, mesh, &name, labels, body);
        }
        let namespace = self.one_of(&[None, Some("kuma-system"), Some("shop")]);
        manifest(kind, mesh, &name, labels, body, namespace)
    }

    /// Makes a name with a length near the limits of labels and names.
    fn name(&mut self) -> String {
        let letter = self.one_of(&["a", "b"]);
        match self.below(12) {
            0 => letter.repeat(63),
            1 => letter.repeat(64),
            2 => letter.repeat(253),
            3 => letter.repeat(254),
            4 => format!("{letter}.{letter}-1"),
            5 => format!("{letter}_{letter}"),
            _ => letter.to_owned(),
        }
    }

    fn labels(&mut self) -> Value {
        match self.below(8) {
            0 => json!({"app": "a", "no": "no", "n": "1"}),
            1 => json!({"app": "-a"}),
            2 => json!({"kuma.io/origin": "zone"}),
            _ => json!({}),
        }
    }

    fn dataplane(&mut self) -> Value {
        let address = self.one_of(&["127.0.0.1", "192.0.2.1", "192.0.2.1", "2001:db8::1", "host.test"]);
        let inbounds = (0..1 + self.below(2)).map(|_| {
            let mut inbound = json!({
                "port": 80 + self.below(3),
                "tags": {"kuma.io/service": self.one_of(&["a", "b"])},
            });
            if self.below(3) == 0 {
                inbound["state"] = self.one_of(&["Ready", "NotReady", "Ignored"]).into();
            }
            if self.below(3) == 0 {
                inbound["address"] = self.one_of(&["127.0.0.1", "0.0.0.0", "192.0.2.1"]).into();
            }
            inbound
        });
        let inbounds: Value = inbounds.collect();
        let outbounds = (0..self.below(3)).map(|_| {
            let mut outbound = match self.profile {
                Profile::V3 => {
                    json!({"backendRef": {"kind": "MeshService", "port": 80, "labels": {"app": "a"}}})
                }
                _ => json!({"tags": {"kuma.io/service": self.one_of(&["a", "b"])}}),
            };
            outbound["port"] = (80 + self.below(6)).into();
            outbound
        });
        let outbounds: Value = outbounds.collect();
        json!({"networking": {"address": address, "inbound": inbounds, "outbound": outbounds}})
    }

    fn mesh_service(&mut self) -> Value {
        json!({"spec": {
            "selector": {"dataplaneTags": {"kuma.io/service": self.one_of(&["a", "b"])}},
            "ports": [{"port": 80, "targetPort": 80, "appProtocol": "tcp"}],
        }})
    }

    fn route(&mut self) -> Value {
        let reference = |name: &str| match self.profile {
            Profile::V3 => json!({"kind": "MeshService", "labels": {"kuma.io/display-name": name}}),
            _ => json!({"kind": "MeshService", "name": name}),
        };
        let (to, mut backend) = (reference("a"), reference("b"));
        backend["weight"] = json!(self.below(3));
        json!({"spec": {
            "targetRef": {"kind": "Mesh"},
            "to": [{"targetRef": to, "rules": [{"default": {"backendRefs": [backend]}}]}],
        }})
    }
}

fn universal(kind: Kind, mesh: &str, name: &str, labels: Value, body: Value) -> Value {
    let mut document = json!({"type": kind.as_str(), "name": name, "labels": labels});
    if kind.scope() == model::kind::Scope::Mesh {
        document["mesh"] = mesh.into();
    }
    extended(document, body)
}

fn manifest(
    kind: Kind,
    mesh: &str,
    name: &str,
    mut labels: Value,
    body: Value,
    namespace: Option<&str>,
) -> Value {
    let is_spec = kind.body() == model::kind::Body::Spec;
    let in_mesh = kind.scope() == model::kind::Scope::Mesh;
    if is_spec && in_mesh {
        labels["kuma.io/mesh"] = mesh.into();
    }
    let mut metadata = json!({"name": name, "labels": labels});
    if let Some(namespace) = namespace.filter(|_| kind.home() == KubernetesScope::Namespace) {
        metadata["namespace"] = namespace.into();
    }
    let mut document = json!({"apiVersion": "kuma.io/v1alpha1", "kind": kind.as_str(), "metadata": metadata});
    if !is_spec && in_mesh {
        document["mesh"] = mesh.into();
    }
    if is_spec { extended(document, body) } else { extended(document, json!({ "spec": body })) }
}

fn extended(document: Value, body: Value) -> Value {
    let members = [document, body].into_iter().filter_map(|it| it.as_object().cloned()).flatten();
    Value::Object(members.collect::<Map<_, _>>())
}
