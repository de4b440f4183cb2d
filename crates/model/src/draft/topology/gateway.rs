//! Reader of MeshGateway: the listeners of builtin gateways (spec 01 §8).

mod hostname;
mod tls;

use std::collections::{BTreeMap, BTreeSet};

use crate::draft::topology::tags::TagRules;
use crate::draft::topology::{CANNOT_BE_EMPTY, port, tags};
use crate::draft::{Body, Context, Fields};
use crate::profile::Profile;
use crate::resource::Spec;
use crate::topology::{GatewayListener, GatewayProtocol, MeshGateway};

/// Reads and checks a MeshGateway.
pub(crate) fn mesh_gateway(body: &mut Body<'_>, context: &Context<'_>) -> Spec {
    let selectors = tags::selectors(&mut body.spec, "selectors", TagRules::SELECTOR);
    let tags = tags::checked(&mut body.spec, "tags", TagRules::BESIDE_SERVICE);
    let mut conf = body.spec.object("conf");
    let items = conf.items("listeners");
    if !conf.is_present() {
        body.spec.violate("conf", CANNOT_BE_EMPTY);
    } else if items.is_empty() {
        conf.violate("listeners", CANNOT_BE_EMPTY);
    }
    let mut ports = BTreeMap::<u16, SharedPort>::new();
    let mut listeners = Vec::new();
    for (at, mut fields) in items.into_iter().enumerate() {
        let protocol = protocol(&mut fields);
        let listener = read_listener(&mut fields, protocol, context.profile);
        ports.entry(listener.port).or_default().add(at, protocol, &listener);
        listeners.push(listener);
    }
    for shared in ports.values() {
        shared.check(&conf);
    }
    Spec::MeshGateway(MeshGateway { selectors, tags, listeners })
}

fn read_listener(
    fields: &mut Fields<'_>,
    protocol: Option<GatewayProtocol>,
    profile: Profile,
) -> GatewayListener {
    let port = port::required(fields, "port");
    if protocol.is_none() && !fields.has("protocol") {
        fields.violate("protocol", CANNOT_BE_EMPTY);
    }
    let hostname = fields.text("hostname");
    if let Some(hostname) = &hostname {
        hostname::check(fields, "hostname", hostname, profile);
    }
    let cross_mesh = fields.flag("crossMesh").unwrap_or_default();
    if cross_mesh && protocol.is_some_and(|protocol| protocol != GatewayProtocol::Http) {
        fields.violate("protocol", "protocol is not supported with crossMesh");
    }
    let tls = tls::read(fields, protocol, cross_mesh);
    GatewayListener {
        port,
        protocol: protocol.unwrap_or(GatewayProtocol::Tcp),
        hostname: hostname.unwrap_or_else(|| "*".into()),
        tags: tags::checked(fields, "tags", TagRules::BESIDE_SERVICE),
        cross_mesh,
        connection_limit: fields.object("resources").number("connectionLimit"),
        tls,
    }
}

fn protocol(fields: &mut Fields<'_>) -> Option<GatewayProtocol> {
    let words = [
        ("TCP", GatewayProtocol::Tcp),
        ("TLS", GatewayProtocol::Tls),
        ("HTTP", GatewayProtocol::Http),
        ("HTTPS", GatewayProtocol::Https),
    ];
    fields.choice("protocol", &words)
}

/// Listeners that share a port: they are one listener of the proxy, and must agree.
#[derive(Default)]
struct SharedPort {
    by_protocol: BTreeMap<Option<GatewayProtocol>, Vec<usize>>,
    by_hostname: BTreeMap<String, Vec<usize>>,
    limits: BTreeSet<u32>,
    limited: Vec<usize>,
}

impl SharedPort {
    fn add(&mut self, at: usize, protocol: Option<GatewayProtocol>, listener: &GatewayListener) {
        self.by_protocol.entry(protocol).or_default().push(at);
        self.by_hostname.entry(listener.hostname.clone()).or_default().push(at);
        if let Some(limit) = listener.connection_limit {
            self.limits.insert(limit);
            self.limited.push(at);
        }
    }

    fn check(&self, conf: &Fields<'_>) {
        let Self { by_protocol, by_hostname, limits, limited } = self;
        let listener = |at: &usize| conf.at("listeners").index(*at);
        if by_protocol.len() > 1 {
            for at in by_protocol.values().flatten() {
                conf.violate_at(listener(at), "protocol conflicts with other listeners on this port");
            }
        }
        for at in by_hostname.values().filter(|sharing| sharing.len() > 1).flatten() {
            conf.violate_at(listener(at), "multiple listeners for hostname on this port");
        }
        if limits.len() > 1 {
            for at in limited {
                let path = listener(at).field("resources").field("connectionLimit");
                conf.violate_at(path, "conflicting values for this port");
            }
        }
    }
}
