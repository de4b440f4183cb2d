//! Bootstrap request of a kuma-dp.

use model::Resource;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// Longest part of a socket's path that the system accepts, in bytes.
const SOCKET_BYTES: usize = 98;

/// Bootstrap request of a kuma-dp. Missing and `null` members are empty; unknown ones are ignored.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Request {
    #[serde(deserialize_with = "or_empty")]
    pub(super) mesh: String,
    #[serde(deserialize_with = "or_empty")]
    pub(super) name: String,
    /// `dataplane`, also if empty; `ingress`, `egress`.
    #[serde(deserialize_with = "or_empty")]
    pub(super) proxy_type: String,
    #[serde(deserialize_with = "or_empty")]
    pub(super) dataplane_token: String,
    #[serde(deserialize_with = "or_empty")]
    pub(super) dataplane_token_path: String,
    /// Dataplane in JSON, of a proxy that keeps it in a file of its own.
    #[serde(deserialize_with = "or_empty")]
    pub(super) dataplane_resource: String,
    pub(super) version: Value,
    /// CA certificates that it trusts, in PEM.
    #[serde(deserialize_with = "or_empty")]
    pub(super) ca_cert: String,
    #[serde(deserialize_with = "or_empty")]
    pub(super) dynamic_metadata: Map<String, Value>,
    #[serde(deserialize_with = "or_empty")]
    pub(super) dns_port: u32,
    #[serde(deserialize_with = "or_empty")]
    pub(super) readiness_port: u32,
    /// `true`: the application's probes go through the proxy. The name is negative, the meaning positive.
    #[serde(deserialize_with = "or_empty")]
    pub(super) app_probe_proxy_disabled: bool,
    #[serde(deserialize_with = "or_empty")]
    pub(super) features: Vec<String>,
    /// Folder of its sockets.
    #[serde(deserialize_with = "or_empty")]
    pub(super) workdir: String,
    #[serde(deserialize_with = "or_empty")]
    pub(super) metrics_resources: MetricsResources,
    #[serde(deserialize_with = "or_empty")]
    pub(super) system_ca_path: String,
    #[serde(deserialize_with = "or_empty")]
    pub(super) ipv6_enabled: bool,
    /// Redirection of connections to the proxy; `None`: there is none.
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

/// Role of a proxy.
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
    /// Socket where kuma-dp looks for Envoy's admin pages; `None`: it looks at a port, as all versions before 2.14 do.
    pub(super) fn admin_socket(&self) -> Option<String> {
        let version = self.version["kumaDp"]["version"].as_str().unwrap_or_default();
        let mut numbers = version.split('.').map_while(|part| part.parse::<u32>().ok());
        // a version without a number is a current development build
        let knows_sockets = numbers.next().zip(numbers.next()).is_none_or(|it| it >= (2, 14) || it == (0, 0));
        (knows_sockets && !self.workdir.is_empty()).then(|| self.socket("kuma-envoy-admin"))
    }

    /// Socket for its access logs, derived from the name and mesh of its proxy.
    pub(super) fn access_log_socket(&self, proxy: &Resource) -> String {
        let meta = proxy.meta();
        self.socket(&format!("kuma-al-{}-{}", meta.name, meta.mesh))
    }

    /// Path of a socket in its folder; without one, in the working directory of Envoy.
    fn socket(&self, name: &str) -> String {
        let path = match self.workdir.trim_end_matches('/') {
            "" => name.to_owned(),
            folder => format!("{folder}/{name}"),
        };
        format!("{}.sock", &path[..path.floor_char_boundary(SOCKET_BYTES)])
    }
}

/// Deserializes `null` as the default: clients write it where they have nothing.
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
