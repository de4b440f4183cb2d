//! Configuration files of the contestants: each splits 90 % / 10 % over two backends.

pub(crate) mod tls;

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

/// Address of the backends. It differs from that of the proxies, so that no proxy of ours takes a backend for its own.
const BACKENDS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
const FIRST_BACKEND: u16 = 21_000;
/// First port of the other listeners of the large configuration.
const FIRST_OTHER: u16 = 23_000;
/// Number of listeners, and number of endpoints, of the large configuration.
const LARGE: u16 = 1_000;

/// Addresses of the backends: the first and the last are those of the small configuration.
pub(crate) fn backends() -> impl Iterator<Item = SocketAddr> {
    (0..LARGE).map(backend)
}

/// The two backends of the split.
pub(crate) fn both() -> [SocketAddr; 2] {
    [backend(0), backend(LARGE - 1)]
}

fn backend(index: u16) -> SocketAddr {
    SocketAddrV4::new(BACKENDS, FIRST_BACKEND + index).into()
}

/// Split, as a resource of meshtcp.
const ROUTE: &str = "type: MeshTCPRoute\nmesh: default\nname: split\nspec:\n  targetRef: { kind: Mesh }\n  to:\n    \
     - targetRef: { kind: MeshService, name: shop }\n      rules:\n        - default:\n            \
     backendRefs:\n              \
     - { kind: MeshServiceSubset, name: shop, tags: { version: old }, weight: 90 }\n              \
     - { kind: MeshServiceSubset, name: shop, tags: { version: new }, weight: 10 }\n";

/// Mirror, as a resource of meshtcp: one of the backends gets a copy of all data, and its answers are discarded.
const MIRROR: &str = "---\ntype: MeshTCPMirror\nmesh: default\nname: copies\nspec:\n  targetRef: { kind: Mesh }\n  to:\n    \
     - targetRef: { kind: MeshService, name: shop }\n      default:\n        \
     backendRef: { kind: MeshServiceSubset, name: shop, tags: { version: new } }\n";
/// Mirror to a backend that accepts connections and reads nothing.
const HANGING_MIRROR: &str = "---\ntype: MeshTCPMirror\nmesh: default\nname: copies\nspec:\n  targetRef: { kind: Mesh }\n  \
     to:\n    - targetRef: { kind: MeshService, name: shop }\n      default:\n        \
     backendRef: { kind: MeshService, name: deaf }\n";

/// Size of a configuration of meshtcp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Small,
    /// Small configuration with a mirror.
    Mirrored,
    /// Small configuration with a mirror that hangs.
    MirrorHangs,
    /// 1,000 listeners, and 1,000 endpoints behind the measured one.
    Large,
}

/// Resources of meshtcp: a proxy with an outbound on `port`, and a route that splits it.
pub(crate) fn resources(port: u16, size: Size) -> String {
    let mut text = String::from("type: Mesh\nname: default\n---\n");
    // nothing connects to the client itself: its inbound only names its service
    let _ = write!(
        text,
        "type: Dataplane\nmesh: default\nname: client\nnetworking:\n  address: 127.0.0.1\n  inbound:\n    \
         - {{ address: 127.0.0.2, port: {port}, tags: {{ kuma.io/service: client }} }}\n  outbound:\n    \
         - {{ port: {port}, tags: {{ kuma.io/service: shop }} }}\n"
    );
    if size == Size::Large {
        for index in 1..LARGE {
            let _ = writeln!(
                text,
                "    - {{ port: {}, tags: {{ kuma.io/service: other-{index} }} }}",
                FIRST_OTHER + index
            );
        }
    }
    shops(&mut text, size);
    text.push_str("---\n");
    text.push_str(ROUTE);
    if size == Size::Mirrored {
        text.push_str(MIRROR);
    }
    if size == Size::MirrorHangs {
        let _ = write!(
            text,
            "---\ntype: Dataplane\nmesh: default\nname: deaf\nnetworking:\n  address: 192.0.2.1\n  inbound:\n    \
             - {{ address: {}, port: {}, tags: {{ kuma.io/service: deaf }} }}\n",
            deaf().ip(),
            deaf().port(),
        );
        text.push_str(HANGING_MIRROR);
    }
    text
}

/// Address of a listener that accepts connections and reads nothing.
pub(crate) fn deaf() -> SocketAddr {
    SocketAddrV4::new(BACKENDS, FIRST_BACKEND - 1).into()
}

/// Resources of meshtcp as the ingress of a zone on `port`, in front of the same backends.
pub(crate) fn ingress(port: u16) -> String {
    let mut text = format!(
        "type: Mesh\nname: default\n---\ntype: ZoneIngress\nname: gate\nnetworking: {{ address: 127.0.0.1, port: {port} }}\n\
         availableServices:\n  - {{ mesh: default, instances: 2, tags: {{ kuma.io/service: shop }} }}\n"
    );
    shops(&mut text, Size::Small);
    text
}

/// Adds the Dataplanes of the backends.
fn shops(text: &mut String, size: Size) {
    for index in 0..LARGE {
        if size != Size::Large && index != 0 && index != LARGE - 1 {
            continue;
        }
        let version = if index < LARGE / 10 * 9 { "old" } else { "new" };
        let SocketAddr::V4(address) = backend(index) else { continue };
        // 192.0.2.1 is not an address of this host, so our proxy takes no backend for one on its own host
        let _ = write!(
            text,
            "---\ntype: Dataplane\nmesh: default\nname: shop-{index}\nnetworking:\n  address: 192.0.2.1\n  \
             inbound:\n    - {{ address: {}, port: {}, tags: {{ kuma.io/service: shop, version: {version} }} }}\n",
            address.ip(),
            address.port(),
        );
    }
}

/// Configuration of HAProxy with its defaults, or with `splice`.
pub(crate) fn haproxy(port: u16, threads: usize, splice: bool) -> String {
    let [old, new] = both();
    let (tuning, options) = match splice {
        true => ("    tune.pipesize 1048576\n", "    option splice-request\n    option splice-response\n"),
        false => ("", ""),
    };
    format!(
        "global\n    nbthread {threads}\n    maxconn 9500\n    maxpipes 200\n{tuning}\
         defaults\n    mode tcp\n    timeout connect 5s\n    timeout client 10m\n    timeout server 10m\n{options}\
         frontend clients\n    bind 127.0.0.1:{port} backlog 4096\n    default_backend shop\n\
         backend shop\n    balance roundrobin\n    server old {old} weight 90\n    server new {new} weight 10\n"
    )
}

/// Configuration of nginx; without `proxy_half_close` it loses data after a half-close.
pub(crate) fn nginx(port: u16, threads: usize, folder: &str) -> String {
    let [old, new] = both();
    format!(
        "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\ndaemon off;\nuser root;\n\
         worker_processes {threads};\nworker_rlimit_nofile 20000;\npid {folder}/nginx.pid;\n\
         error_log {folder}/nginx.log crit;\nevents {{ worker_connections 19900; }}\nstream {{\n    \
         upstream shop {{ server {old} weight=9 max_fails=0; server {new} weight=1 max_fails=0; }}\n    \
         server {{\n        listen 127.0.0.1:{port} reuseport backlog=4096;\n        proxy_pass shop;\n        \
         proxy_timeout 10m;\n        proxy_half_close on;\n    }}\n}}\n"
    )
}

/// Configuration of Envoy, with limits that 9,000 connections do not reach.
pub(crate) fn envoy(port: u16) -> String {
    let [old, new] = both();
    format!(
        "static_resources:\n  listeners:\n  - name: clients\n    \
         address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}\n    \
         tcp_backlog_size: 4096\n    filter_chains:\n    - filters:\n      \
         - name: envoy.filters.network.tcp_proxy\n        typed_config:\n          \
         \"@type\": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy\n          \
         stat_prefix: clients\n          \
         weighted_clusters: {{ clusters: [{{ name: old, weight: 90 }}, {{ name: new, weight: 10 }}] }}\n  \
         clusters:\n{}{}",
        envoy_cluster("old", old),
        envoy_cluster("new", new),
    )
}

fn envoy_cluster(name: &str, address: SocketAddr) -> String {
    format!(
        "  - name: {name}\n    type: STATIC\n    circuit_breakers: {{ thresholds: [{{ max_connections: 100000, \
         max_pending_requests: 100000 }}] }}\n    load_assignment: {{ cluster_name: {name}, endpoints: [{{ \
         lb_endpoints: [{{ endpoint: {{ address: {{ socket_address: {{ address: {}, port_value: {} }} }} }} \
         }}] }}] }}\n",
        address.ip(),
        address.port(),
    )
}
