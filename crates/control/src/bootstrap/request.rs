//! What a kuma-dp says of itself when it asks how to start.

use model::Resource;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// The part of the path of a socket that the system takes.
const SOCKET_BYTES: usize = 98;

/// What a kuma-dp says of itself. What it leaves out or says is null, is empty; what nobody here knows is passed over.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Request {
    #[serde(deserialize_with = "or_empty")]
    pub(super) mesh: String,
    #[serde(deserialize_with = "or_empty")]
    pub(super) name: String,
    /// `dataplane`, which is meant by nothing, too; `ingress`, `egress`.
    #[serde(deserialize_with = "or_empty")]
    pub(super) proxy_type: String,
    #[serde(deserialize_with = "or_empty")]
    pub(super) dataplane_token: String,
    #[serde(deserialize_with = "or_empty")]
    pub(super) dataplane_token_path: String,
    /// A Dataplane in JSON, of who keeps it in a file of its own.
    #[serde(deserialize_with = "or_empty")]
    pub(super) dataplane_resource: String,
    pub(super) version: Value,
    /// Whom it believes, in PEM.
    #[serde(deserialize_with = "or_empty")]
    pub(super) ca_cert: String,
    #[serde(deserialize_with = "or_empty")]
    pub(super) dynamic_metadata: Map<String, Value>,
    #[serde(deserialize_with = "or_empty")]
    pub(super) dns_port: u32,
    #[serde(deserialize_with = "or_empty")]
    pub(super) readiness_port: u32,
    /// True: the application's probes go through the proxy. It is said in the negative and meant in the positive.
    #[serde(deserialize_with = "or_empty")]
    pub(super) app_probe_proxy_disabled: bool,
    #[serde(deserialize_with = "or_empty")]
    pub(super) features: Vec<String>,
    /// Where its sockets are.
    #[serde(deserialize_with = "or_empty")]
    pub(super) workdir: String,
    #[serde(deserialize_with = "or_empty")]
    pub(super) metrics_resources: MetricsResources,
    #[serde(deserialize_with = "or_empty")]
    pub(super) system_ca_path: String,
    #[serde(deserialize_with = "or_empty")]
    pub(super) ipv6_enabled: bool,
    /// How connections are redirected to it; `None`: they are not.
    pub(super) dataplane_config: Option<Value>,
    #[serde(deserialize_with = "or_empty")]
    pub(super) spire_resources: SpireResources,
    pub(super) otel_env: Option<Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct MetricsResources {
    #[serde(deserialize_with = "or_empty")]
    pub(super) cert_path: String,
    #[serde(deserialize_with = "or_empty")]
    pub(super) key_path: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct SpireResources {
    #[serde(deserialize_with = "or_empty")]
    pub(super) socket_path: String,
}

/// What a proxy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Dataplane,
    Ingress,
    Egress,
}

impl Role {
    pub(super) fn read(text: &str) -> Option<Self> {
        match text {
            "" | "dataplane" => Some(Self::Dataplane),
            "ingress" => Some(Self::Ingress),
            "egress" => Some(Self::Egress),
            _ => None,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Dataplane => "dataplane",
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}

impl Request {
    /// The socket that kuma-dp looks for Envoy's admin pages at; `None`: it looks at a port, as all did before 2.14.
    pub(super) fn admin_socket(&self) -> Option<String> {
        let version = self.version["kumaDp"]["version"].as_str().unwrap_or_default();
        let mut numbers = version.split('.').map_while(|part| part.parse::<u32>().ok());
        // what has no number is a build of its own, of today
        let knows_sockets = numbers.next().zip(numbers.next()).is_none_or(|it| it >= (2, 14) || it == (0, 0));
        (knows_sockets && !self.workdir.is_empty()).then(|| self.socket("kuma-envoy-admin"))
    }

    /// The socket that it is told to take access logs at, which it has by the name and mesh of its proxy.
    pub(super) fn access_log_socket(&self, proxy: &Resource) -> String {
        let meta = proxy.meta();
        self.socket(&format!("kuma-al-{}-{}", meta.name, meta.mesh))
    }

    /// A socket in its folder; without one, in that where Envoy is started.
    fn socket(&self, name: &str) -> String {
        let path = match self.workdir.trim_end_matches('/') {
            "" => name.to_owned(),
            folder => format!("{folder}/{name}"),
        };
        format!("{}.sock", &path[..path.floor_char_boundary(SOCKET_BYTES)])
    }
}

/// Clients write `null` where they have nothing.
fn or_empty<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(source: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(source).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_null_or_left_out_is_empty() {
        let request: Request = serde_json::from_value(json!({ "features": null, "name": "web-1" })).unwrap();
        assert_eq!(request, Request { name: "web-1".into(), ..Request::default() });
        assert!(serde_json::from_value::<Request>(json!({ "name": 5 })).is_err());
    }

    #[test]
    fn kuma_dp_finds_the_admin_pages_where_its_version_looks() {
        let socket = |version: &str, workdir: &str| {
            let version = json!({ "kumaDp": { "version": version } });
            Request { version, workdir: workdir.into(), ..Request::default() }.admin_socket()
        };
        let there = Some("/tmp/dp/kuma-envoy-admin.sock".to_owned());
        for (version, workdir, expected) in [
            ("2.14.3", "/tmp/dp", &there),
            ("3.0.0", "/tmp/dp/", &there),
            ("0.0.0-preview.v1", "/tmp/dp", &there),
            ("dev", "/tmp/dp", &there),
            ("2.10.0", "/tmp/dp", &None),
            ("2.13.9", "/tmp/dp", &None),
            ("2.14.3", "", &None),
        ] {
            assert_eq!(&socket(version, workdir), expected, "{version} {workdir}");
        }
        let long = socket("2.14.3", &"ü".repeat(60)).unwrap();
        assert!(long.len() <= SOCKET_BYTES + 5 && long.ends_with(".sock"), "{long}");
    }
}
