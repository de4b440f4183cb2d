//! `meshtcp envoy-bootstrap`: the file that an Envoy starts from to attach to a control plane.

pub(crate) mod fixed;
mod tls;

use std::path::PathBuf;

use model::ProxyKey;
use serde_json::{Value, json};

use crate::address::ControlPlane;
use crate::exit::Exit;
use crate::output::{self, Format, complain, print};

/// The cluster that leads to the control plane.
const ADS: &str = "ads";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The proxy, which is the Dataplane that this Envoy stands for: NAME (of mesh `default`) or MESH/NAME
    #[arg(long, value_name = "NAME")]
    proxy: ProxyKey,
    /// Where the control plane takes proxies, https://HOST:PORT for one that speaks TLS; several control planes that share a
    /// store are separated by commas, or the flag is given again: Envoy follows one of them, and another when it is lost
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', default_value = "127.0.0.1:5678")]
    control_plane: Vec<ControlPlane>,
    /// Put the certificates in this file, which the control plane's is signed by, into what is printed; default: Envoy
    /// reads those that this system trusts
    #[arg(long, value_name = "FILE", env = "MESHTCP_CA_FILE")]
    ca_file: Option<PathBuf>,
    /// Put the dataplane token in this file into what is printed, which is a secret then
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// How configuration travels
    #[arg(long, value_enum, default_value_t, value_name = "PROTOCOL")]
    protocol: Protocol,
    /// Where Envoy's own admin pages are, on 127.0.0.1 (0: any port)
    #[arg(long, value_name = "PORT", default_value_t = 9901)]
    admin_port: u16,
}

/// How configuration travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Protocol {
    /// Only what changed
    #[default]
    Delta,
    /// Always all of a type
    Sotw,
}

/// What stands above the bootstrap.
const HEADER: &str = "# Start Envoy with: envoy -c FILE --disable-hot-restart\n";
const PLAINTEXT: &str = "\
# The way to the control plane is not encrypted: keep it on a host or a network that you trust, or write https://.
";

pub(crate) fn run(
    Args { proxy, control_plane: control_planes, ca_file, token_file, protocol, admin_port }: Args,
) -> Exit {
    let refuse = |message: &str| {
        complain(&format!("error: {message}\n"));
        Exit::Environment
    };
    let mut tree = bootstrap(&proxy, &control_planes, protocol, admin_port);
    let over_tls = control_planes.iter().filter(|it| it.tls).count();
    if over_tls > 0 {
        if over_tls < control_planes.len() {
            complain(
                "error: either all control planes are https://, or none: Envoy reaches all in one way\n",
            );
            return Exit::Usage;
        }
        let hosts: Vec<&str> = control_planes.iter().map(|it| it.host.as_str()).collect();
        match tls::socket(&hosts, ca_file.as_deref()) {
            Ok(socket) => tree["static_resources"]["clusters"][0]["transport_socket"] = socket,
            Err(message) => return refuse(&message),
        }
    }
    if token_file.is_some()
        && let Some(message) = control_planes.iter().find_map(|it| it.keeps_tokens_secret().err())
    {
        return refuse(&message);
    }
    if let Some(file) = token_file {
        let token = match std::fs::read_to_string(&file) {
            Ok(token) => token,
            Err(error) => {
                return refuse(&format!("--token-file {}: {error}", file.display()));
            }
        };
        tree["dynamic_resources"]["ads_config"]["grpc_services"][0]["initial_metadata"] =
            json!([{ "key": "authorization", "value": token.trim() }]);
    }
    print(HEADER);
    if over_tls == 0 {
        print(PLAINTEXT);
    }
    print(&output::structured(Format::Yaml, &tree).unwrap_or_default());
    Exit::Ok
}

/// The node that an Envoy introduces itself as, and its admin pages.
pub(crate) fn identity(proxy: &ProxyKey, admin_port: u16) -> Value {
    json!({
        "node": { "id": proxy.node_id(), "cluster": proxy.name.as_str() },
        "admin": { "address": socket_address("127.0.0.1", admin_port) },
    })
}

fn bootstrap(
    proxy: &ProxyKey,
    control_planes: &[ControlPlane],
    protocol: Protocol,
    admin_port: u16,
) -> Value {
    // 0 s: Envoy waits for its first configuration for as long as it takes, and never starts with an empty one
    let source = json!({ "ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s" });
    let mut tree = identity(proxy, admin_port);
    tree["dynamic_resources"] = json!({
        "ads_config": {
            "api_type": match protocol { Protocol::Delta => "DELTA_GRPC", Protocol::Sotw => "GRPC" },
            "transport_api_version": "V3",
            "set_node_on_first_message_only": true,
            "grpc_services": [{ "envoy_grpc": { "cluster_name": ADS } }],
        },
        "cds_config": source,
        "lds_config": source,
    });
    let by_address = control_planes.iter().all(|it| it.host.parse::<std::net::IpAddr>().is_ok());
    let endpoints: Vec<Value> = control_planes
        .iter()
        .map(|ControlPlane { host, port, tls: _ }| json!({ "endpoint": { "address": socket_address(host, *port) } }))
        .collect();
    tree["static_resources"] = json!({ "clusters": [{
        "name": ADS,
        "type": if by_address { "STATIC" } else { "STRICT_DNS" },
        "connect_timeout": "1s",
        "upstream_connection_options": {
            "tcp_keepalive": { "keepalive_probes": 3, "keepalive_time": 10, "keepalive_interval": 10 },
        },
        "typed_extension_protocol_options": { "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": { "http2_protocol_options": {
                "connection_keepalive": { "interval": "30s", "timeout": "5s" },
            } },
        } },
        "load_assignment": { "cluster_name": ADS, "endpoints": [{ "lb_endpoints": endpoints }] },
    }] });
    if !by_address {
        // a name may have an IPv6 address that nobody listens on: without this Envoy tries no other
        tree["static_resources"]["clusters"][0]["dns_lookup_family"] = "ALL".into();
    }
    if control_planes.len() > 1 {
        let cluster = &mut tree["static_resources"]["clusters"][0];
        // one that is away is not tried again and again in its turn
        cluster["health_checks"] = json!([{
            "tcp_health_check": {},
            "timeout": "1s",
            "interval": "5s",
            "no_traffic_interval": "5s",
            "unhealthy_threshold": 2,
            "healthy_threshold": 1,
        }]);
        cluster["close_connections_on_host_health_failure"] = true.into();
    }
    tree
}

fn socket_address(address: &str, port: u16) -> Value {
    json!({ "socket_address": { "address": address, "port_value": port } })
}
