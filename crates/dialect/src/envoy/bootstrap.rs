//! What an Envoy starts from, to attach to a control plane.

use std::net::IpAddr;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// The cluster that leads to the control plane.
const ADS: &str = "ads_cluster";
/// The secret that says whom to believe there.
const TRUSTED: &str = "cp_validation_ctx";
/// The cluster that leads to the access log of a kuma-dp. Nothing that is planned here uses it, but a configuration that somebody
/// adds to (a MeshProxyPatch) may name it, and Envoy refuses what names a cluster that is not there.
const ACCESS_LOG_SINK: &str = "access_log_sink";

/// What an Envoy starts from, to attach to one of several control planes that share their resources.
#[derive(Clone, Debug, PartialEq)]
pub struct Bootstrap {
    /// Who it introduces itself as.
    pub node: Node,
    /// Where its own admin pages are.
    pub admin: Admin,
    /// Hosts and ports of the control planes; Envoy follows one of them, and another when it is lost.
    pub control_planes: Vec<(String, u16)>,
    /// How configuration travels.
    pub protocol: Protocol,
    /// Whom it believes; `None`: the way is plaintext, and anybody is believed.
    pub trusted: Option<Certificates>,
    /// The token that it brings; `None`: none.
    pub token: Option<String>,
    /// The Unix socket of the cluster `access_log_sink`, where a kuma-dp takes access logs; `None`: it has no such cluster.
    pub access_log: Option<String>,
    /// Whether it serves clients outside of the mesh: how many connections it takes is limited.
    pub is_gateway: bool,
}

/// Who an Envoy introduces itself as.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// `<mesh>.<name>`.
    pub id: String,
    /// The service that it belongs to, for statistics.
    pub cluster: String,
    /// What else it says of itself: an object; null: nothing.
    pub metadata: Value,
}

/// Where Envoy's own admin pages are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admin {
    /// On this port of 127.0.0.1; 0: any.
    Port(u16),
    /// At a Unix socket that only its own user may use.
    Socket(String),
}

/// How configuration travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Only what changed.
    #[default]
    Delta,
    /// Always all of a type.
    StateOfTheWorld,
}

/// Certificates in PEM, one of which the control plane's is, or is signed by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certificates {
    /// These.
    Inline(Vec<u8>),
    /// Those in a file on Envoy's host.
    File(PathBuf),
}

impl Bootstrap {
    /// The tree that Envoy reads, in the names of protobuf's JSON.
    pub fn tree(&self) -> Value {
        let Self { node, admin, control_planes, protocol, trusted, token, access_log, is_gateway } = self;
        // 0 s: Envoy waits for its first configuration for as long as it takes, and never starts with an empty one
        let source = json!({ "ads": {}, "resourceApiVersion": "V3", "initialFetchTimeout": "0s" });
        let mut service = json!({ "envoyGrpc": { "clusterName": ADS } });
        if let Some(token) = token {
            service["initialMetadata"] = json!([{ "key": "authorization", "value": token }]);
        }
        let mut tree = identity(node, admin);
        tree["dynamicResources"] = json!({
            "adsConfig": {
                "apiType": match protocol { Protocol::Delta => "DELTA_GRPC", Protocol::StateOfTheWorld => "GRPC" },
                "transportApiVersion": "V3",
                "setNodeOnFirstMessageOnly": true,
                "grpcServices": [service],
            },
            "cdsConfig": source,
            "ldsConfig": source,
        });
        let clusters =
            [way(control_planes, trusted.is_some())].into_iter().chain(access_log.as_deref().map(sink));
        tree["staticResources"] = json!({ "clusters": clusters.collect::<Vec<_>>() });
        if let Some(certificates) = trusted {
            tree["staticResources"]["secrets"] = json!([secret(control_planes, certificates)]);
        }
        // what the expressions of a mesh may cost, which Envoy limits to a hundredth of it
        tree["layeredRuntime"] = json!({ "layers": [{ "name": "kuma", "staticLayer": {
            "re2.max_program_size.error_level": 4_294_967_295_u32,
            "re2.max_program_size.warn_level": 1000,
        } }] });
        tree["defaultRegexEngine"] = json!({
            "name": "envoy.regex_engines.google_re2",
            "typedConfig": { "@type": "type.googleapis.com/envoy.extensions.regex_engines.v3.GoogleRE2" },
        });
        if *is_gateway {
            tree["overloadManager"] = json!({ "refreshInterval": "0.250s", "resourceMonitors": [{
                "name": "envoy.resource_monitors.global_downstream_max_connections",
                "typedConfig": {
                    "@type": "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.\
                        DownstreamConnectionsConfig",
                    "maxActiveDownstreamConnections": "50000",
                },
            }] });
        }
        tree
    }
}

/// The node that an Envoy introduces itself as, and its admin pages.
pub fn identity(Node { id, cluster, metadata }: &Node, admin: &Admin) -> Value {
    let mut node = json!({ "id": id, "cluster": cluster });
    if !metadata.is_null() {
        node["metadata"] = metadata.clone();
    }
    let address = match admin {
        Admin::Port(port) => socket_address("127.0.0.1", *port),
        // 0600
        Admin::Socket(path) => json!({ "pipe": { "path": path, "mode": 384 } }),
    };
    json!({ "node": node, "admin": { "address": address, "accessLog": [{
        "name": "envoy.access_loggers.file",
        "typedConfig": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": "/dev/null",
        },
    }] } })
}

/// The cluster that leads to the control planes.
fn way(control_planes: &[(String, u16)], over_tls: bool) -> Value {
    let by_address = control_planes.iter().all(|(host, _)| host.parse::<IpAddr>().is_ok());
    let endpoints = control_planes
        .iter()
        .map(|(host, port)| json!({ "endpoint": { "address": socket_address(host, *port) } }));
    let mut cluster = json!({
        "name": ADS,
        "type": if by_address { "STATIC" } else { "STRICT_DNS" },
        "connectTimeout": "1s",
        "upstreamConnectionOptions": kept_alive(),
        "loadAssignment": {
            "clusterName": ADS,
            "endpoints": [{ "lbEndpoints": endpoints.collect::<Vec<_>>() }],
        },
    });
    if !by_address {
        // a name may have an IPv6 address that nobody listens on: without this Envoy tries no other
        cluster["dnsLookupFamily"] = "ALL".into();
    }
    let mut http2 = json!({});
    if control_planes.len() > 1 {
        // one that does not answer any more is left for another, and one that is away is not tried again and again in its turn
        http2["connectionKeepalive"] = json!({ "interval": "30s", "timeout": "5s" });
        cluster["healthChecks"] = json!([{
            "tcpHealthCheck": {},
            "timeout": "1s",
            "interval": "5s",
            "noTrafficInterval": "5s",
            "unhealthyThreshold": 2,
            "healthyThreshold": 1,
        }]);
        cluster["closeConnectionsOnHostHealthFailure"] = true.into();
    }
    cluster["typedExtensionProtocolOptions"] = over_http2(&http2);
    if over_tls {
        let mut context = json!({
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "commonTlsContext": {
                "tlsParams": { "tlsMinimumProtocolVersion": "TLSv1_2" },
                "validationContextSdsSecretConfig": { "name": TRUSTED },
            },
        });
        // of several nobody knows which one is dialled
        if let [(host, _)] = control_planes {
            context["sni"] = host.as_str().into();
        }
        cluster["transportSocket"] = json!({ "name": "envoy.transport_sockets.tls", "typedConfig": context });
    }
    cluster
}

/// The cluster that leads to the access log of a kuma-dp.
fn sink(path: &str) -> Value {
    json!({
        "name": ACCESS_LOG_SINK,
        "type": "STATIC",
        "connectTimeout": "1s",
        "upstreamConnectionOptions": kept_alive(),
        "loadAssignment": {
            "clusterName": ACCESS_LOG_SINK,
            "endpoints": [{ "lbEndpoints": [{ "endpoint": { "address": { "pipe": { "path": path } } } }] }],
        },
        "typedExtensionProtocolOptions": over_http2(&json!({})),
    })
}

fn kept_alive() -> Value {
    json!({ "tcpKeepalive": { "keepaliveProbes": 3, "keepaliveTime": 10, "keepaliveInterval": 10 } })
}

fn over_http2(options: &Value) -> Value {
    json!({ "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicitHttpConfig": { "http2ProtocolOptions": options },
    } })
}

/// Whom to believe: certificates for one of the hosts, and none else of theirs.
fn secret(control_planes: &[(String, u16)], certificates: &Certificates) -> Value {
    let names = control_planes.iter().flat_map(|(host, _)| {
        ["DNS", "IP_ADDRESS"].map(|kind| json!({ "sanType": kind, "matcher": { "exact": host } }))
    });
    let trusted = match certificates {
        Certificates::Inline(pem) => json!({ "inlineBytes": STANDARD.encode(pem) }),
        Certificates::File(path) => json!({ "filename": path }),
    };
    json!({ "name": TRUSTED, "validationContext": {
        "trustedCa": trusted,
        "matchTypedSubjectAltNames": names.collect::<Vec<_>>(),
    } })
}

fn socket_address(address: &str, port: u16) -> Value {
    json!({ "socketAddress": { "address": address, "portValue": port } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bootstrap(hosts: &[&str], trusted: bool) -> Value {
        Bootstrap {
            node: Node { id: "default.web-1".into(), cluster: "web".into(), metadata: Value::Null },
            admin: Admin::Port(0),
            control_planes: hosts.iter().map(|host| (host.to_string(), 5678)).collect(),
            protocol: Protocol::Delta,
            trusted: trusted.then(|| Certificates::Inline(b"PEM".to_vec())),
            token: None,
            access_log: None,
            is_gateway: false,
        }
        .tree()
    }

    #[test]
    fn a_name_is_looked_up_in_every_family_and_an_address_is_not() {
        for (hosts, kind, family) in [
            (vec!["localhost"], "STRICT_DNS", "ALL"),
            (vec!["127.0.0.1", "cp.example"], "STRICT_DNS", "ALL"),
            (vec!["127.0.0.1", "::1"], "STATIC", ""),
        ] {
            let cluster = &bootstrap(&hosts, false)["staticResources"]["clusters"][0];
            assert_eq!(cluster["type"], kind, "{hosts:?}");
            assert_eq!(cluster["dnsLookupFamily"].as_str().unwrap_or_default(), family, "{hosts:?}");
        }
    }

    #[test]
    fn who_is_dialled_over_tls_has_to_have_the_name() {
        let tree = bootstrap(&["cp.example"], true);
        let secret = &tree["staticResources"]["secrets"][0]["validationContext"];
        assert_eq!(secret["matchTypedSubjectAltNames"][0]["matcher"]["exact"], "cp.example");
        assert_eq!(
            tree["staticResources"]["clusters"][0]["transportSocket"]["typedConfig"]["sni"],
            "cp.example"
        );
        assert!(bootstrap(&["cp.example"], false)["staticResources"]["secrets"].is_null());
    }
}
