//! Bootstrap configuration of an Envoy that attaches to a control plane.

use std::net::IpAddr;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Name of the cluster that leads to the control plane.
const ADS: &str = "ads_cluster";
/// Name of the secret with the authorities trusted there.
const TRUSTED: &str = "cp_validation_ctx";
/// Name of the cluster that leads to the access log of a kuma-dp. No configuration from here uses it, but one with
/// additions (a MeshProxyPatch) may name it, and Envoy refuses a reference to an unknown cluster.
const ACCESS_LOG_SINK: &str = "access_log_sink";

/// Bootstrap configuration of an Envoy that attaches to one of several control planes with shared resources.
#[derive(Clone, Debug, PartialEq)]
pub struct Bootstrap {
    /// Node identity of the Envoy.
    pub node: Node,
    /// Address of its own admin pages.
    pub admin: Admin,
    /// Hosts and ports of the control planes; Envoy follows one of them, and fails over to another.
    pub control_planes: Vec<(String, u16)>,
    /// xDS protocol variant.
    pub protocol: Protocol,
    /// Trusted certificates of the control plane; `None`: the connection is plaintext and unverified.
    pub trusted: Option<Certificates>,
    /// Token that it presents; `None`: none.
    pub token: Option<String>,
    /// Unix socket of the cluster `access_log_sink`, where a kuma-dp accepts access logs; `None`: it has no such
    /// cluster.
    pub access_log: Option<String>,
    /// `true`: it serves clients outside of the mesh, so the number of its connections is limited.
    pub is_gateway: bool,
}

/// Node identity of an Envoy.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// `<mesh>.<name>`.
    pub id: String,
    /// Service that it belongs to, for statistics.
    pub cluster: String,
    /// Further metadata: an object; null: none.
    pub metadata: Value,
}

/// Address of Envoy's own admin pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admin {
    /// Port of 127.0.0.1; 0: any.
    Port(u16),
    /// Unix socket that only its own user may use.
    Socket(String),
}

/// xDS protocol variant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Delta: only changes.
    #[default]
    Delta,
    /// State of the world: always all resources of a type.
    StateOfTheWorld,
}

/// Certificates in PEM, one of which is the control plane's, or has signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certificates {
    /// Certificates themselves.
    Inline(Vec<u8>),
    /// Certificates in a file on Envoy's host.
    File(PathBuf),
}

impl Bootstrap {
    /// Returns the tree that Envoy reads, in the names of protobuf's JSON.
    pub fn tree(&self) -> Value {
        let Self { node, admin, control_planes, protocol, trusted, token, access_log, is_gateway } = self;
        // 0 s: Envoy waits for its first configuration without a limit, and never starts with an empty one
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
        // limit on the cost of the expressions of a mesh; Envoy's own is a hundredth of it
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

/// Returns the node identity of an Envoy, and its admin pages.
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

/// Returns the cluster that leads to the control planes.
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
        // a name may have an IPv6 address without a listener: without this Envoy tries no other
        cluster["dnsLookupFamily"] = "ALL".into();
    }
    let mut http2 = json!({});
    if control_planes.len() > 1 {
        // a silent control plane is left for another, and an unreachable one is not tried again in its turn
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
        // with several it is not known which one is dialled
        if let [(host, _)] = control_planes {
            context["sni"] = host.as_str().into();
        }
        cluster["transportSocket"] = json!({ "name": "envoy.transport_sockets.tls", "typedConfig": context });
    }
    cluster
}

/// Returns the cluster that leads to the access log of a kuma-dp.
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

/// Returns the secret with the trusted certificates, valid for the hosts of the control planes only.
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
