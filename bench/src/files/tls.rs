//! Configuration files for TLS: each contestant dials itself, so that it is both ends of two TLS connections.
//!
//! ```text
//!  load ──▶ clients ══ TLS, both prove themselves ══▶ old or new ──▶ backend
//! ```

use std::fmt::Write as _;
use std::net::SocketAddr;

use super::both;
use crate::certificates::Certificates;

/// Offsets of the TLS ports of each contestant from the port at which it is reached.
const ABOVE: [u16; 2] = [50, 60];
/// Server name that clients of a mesh ask for.
const SERVER_NAME: &str = "shop{mesh=default}";

fn inbounds(port: u16) -> [u16; 2] {
    ABOVE.map(|above| port + above)
}

/// Resources of meshtcp: a mesh with a provided CA, a client and both versions of its service.
pub(crate) fn resources(port: u16, certificates: &Certificates) -> Result<String, String> {
    let indented = |name: &str| -> Result<String, String> {
        let lines = certificates.text(name)?;
        Ok(lines.lines().fold(String::new(), |text, line| text + "            " + line + "\n"))
    };
    let mut text = format!(
        "type: Mesh\nname: default\nmtls:\n  enabledBackend: ca\n  backends:\n    - name: ca\n      type: provided\n      conf:\n        \
         cert:\n          inlineString: |\n{}        key:\n          inlineString: |\n{}---\n",
        indented("ca.pem")?,
        indented("ca.key")?,
    );
    text.push_str(
        "type: MeshTrafficPermission\nmesh: default\nname: all\nspec:\n  targetRef: { kind: Mesh }\n  from:\n    \
         - { targetRef: { kind: Mesh }, default: { action: Allow } }\n---\n",
    );
    let _ = write!(
        text,
        "type: Dataplane\nmesh: default\nname: client\nnetworking:\n  address: 127.0.0.1\n  inbound:\n    \
         - {{ address: 127.0.0.2, port: {port}, tags: {{ kuma.io/service: client }} }}\n  outbound:\n    \
         - {{ port: {port}, tags: {{ kuma.io/service: shop }} }}\n"
    );
    for ((inbound, backend), version) in inbounds(port).into_iter().zip(both()).zip(["old", "new"]) {
        let _ = write!(
            text,
            "---\ntype: Dataplane\nmesh: default\nname: shop-{version}\nnetworking:\n  address: 127.0.0.1\n  inbound:\n    \
             - {{ port: {inbound}, serviceAddress: {}, servicePort: {}, tags: {{ kuma.io/service: shop, version: {version} }} }}\n",
            backend.ip(),
            backend.port(),
        );
    }
    text.push_str("---\n");
    text.push_str(super::ROUTE);
    Ok(text)
}

/// Configuration of HAProxy. Its client verifies nothing: it cannot check URIs, and any verification would require the
/// server name in the certificate.
pub(crate) fn haproxy(port: u16, threads: usize, resumes: bool, certificates: &Certificates) -> String {
    let (global, listening, dialling) = match resumes {
        true => ("", "", ""),
        false => ("    tune.ssl.cachesize 0\n", " no-tls-tickets", " no-ssl-reuse"),
    };
    let (authority, client, shop) =
        (certificates.path("ca.pem"), certificates.path("client.both"), certificates.path("shop.both"));
    let mut text = format!(
        "global\n    nbthread {threads}\n    maxconn 9500\n{global}defaults\n    mode tcp\n    timeout connect 5s\n    \
         timeout client 10m\n    timeout server 10m\nfrontend clients\n    bind 127.0.0.1:{port} backlog 4096\n    \
         default_backend shop\nbackend shop\n    balance roundrobin\n"
    );
    for ((inbound, version), weight) in inbounds(port).into_iter().zip(["old", "new"]).zip([90, 10]) {
        let _ = writeln!(
            text,
            "    server {version} 127.0.0.1:{inbound} weight {weight} ssl crt {client} verify none \
             sni str({SERVER_NAME}) alpn kuma{dialling}"
        );
    }
    for ((inbound, version), backend) in inbounds(port).into_iter().zip(["old", "new"]).zip(both()) {
        let _ = writeln!(
            text,
            "listen {version}\n    bind 127.0.0.1:{inbound} backlog 4096 ssl crt {shop} ca-file {authority} verify required{listening}\n    \
             server application {backend}"
        );
    }
    text
}

/// Configuration of Envoy as from a control plane of a mesh, with certificates from files.
pub(crate) fn envoy(port: u16, resumes: bool, certificates: &Certificates) -> String {
    let common = |who: &str, matcher: &str| {
        format!(
            "common_tls_context: {{ tls_certificates: [{{ certificate_chain: {{ filename: {} }}, private_key: {{ filename: {} }} \
             }}], validation_context: {{ trusted_ca: {{ filename: {} }}, match_typed_subject_alt_names: [{{ san_type: URI, matcher: \
             {{ {matcher} }} }}] }}, ALPN }}",
            certificates.path(&format!("{who}.pem")),
            certificates.path(&format!("{who}.key")),
            certificates.path("ca.pem"),
        )
    };
    let kind = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";
    let upstream = format!(
        "{{ name: envoy.transport_sockets.tls, typed_config: {{ \"@type\": {kind}.UpstreamTlsContext, sni: \"{SERVER_NAME}\"{}, {} }} }}",
        if resumes { "" } else { ", max_session_keys: 0" },
        common("client", "exact: spiffe://default/shop").replace("ALPN", "alpn_protocols: [kuma]"),
    );
    let downstream = format!(
        "{{ name: envoy.transport_sockets.tls, typed_config: {{ \"@type\": {kind}.DownstreamTlsContext, require_client_certificate: \
         true{}, {} }} }}",
        if resumes {
            ""
        } else {
            ", disable_stateless_session_resumption: true, disable_stateful_session_resumption: true"
        },
        common("shop", "prefix: spiffe://default/").replace(", ALPN", ""),
    );
    let cluster = |name: &str, address: SocketAddr, socket: Option<&str>| {
        let socket = socket.map(|socket| format!("    transport_socket: {socket}\n")).unwrap_or_default();
        super::envoy_cluster(name, address) + &socket
    };
    let proxied = |name: &str, target: &str| {
        format!(
            "name: envoy.filters.network.tcp_proxy, typed_config: {{ \"@type\": \
             type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: {name}, {target} }}"
        )
    };
    let listener = |name: &str, port: u16, target: &str, socket: &str| {
        format!(
            "  - name: {name}\n    address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}\n    \
             tcp_backlog_size: 4096\n    filter_chains: [{{ filters: [{{ {} }}]{socket} }}]\n",
            proxied(name, target)
        )
    };
    let (mut listeners, mut clusters) = (String::new(), String::new());
    let split = "weighted_clusters: { clusters: [{ name: old, weight: 90 }, { name: new, weight: 10 }] }";
    listeners += &listener("clients", port, split, "");
    for ((inbound, version), backend) in inbounds(port).into_iter().zip(["old", "new"]).zip(both()) {
        let application = format!("application-{version}");
        listeners += &listener(
            &format!("inbound-{version}"),
            inbound,
            &format!("cluster: {application}"),
            &format!(", transport_socket: {downstream}"),
        );
        clusters += &cluster(version, ([127, 0, 0, 1], inbound).into(), Some(&upstream));
        clusters += &cluster(&application, backend, None);
    }
    format!("static_resources:\n  listeners:\n{listeners}  clusters:\n{clusters}")
}
