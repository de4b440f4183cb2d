//! Listeners and their routes.

use std::net::IpAddr;
use std::time::Duration;

use model::topology::TlsMode;
use plan::{
    ConnectionSettings, Destination, GatewayHost, GatewayListener, GatewayTls, Inbound, LogBackend,
    LogFormat, Mtls, Outbound, Plan, Sourced, SplitSettings,
};
use xds::proto::l4::{
    AccessLog, Backend, Cluster, Direction, Endpoint, Endpoints, JsonField, Listener, Route, ServerName,
};

use super::{L4Resources, mesh_tls, origin, route};
use crate::access_log_format::Placeholders;

/// An inbound: a listener that hands connections to the application. In a mesh that requires TLS it refuses them: whoever
/// reached the application in plaintext would have proven nothing.
pub(super) fn inbound(inbound: &Inbound, mtls: Option<&Mtls>, resources: &mut L4Resources) {
    let Inbound {
        name,
        address,
        port,
        service_address,
        service_port,
        service,
        protocol: _,
        accept_proxy_protocol,
    } = inbound;
    if !is_bindable(name, address, resources) {
        return;
    }
    let listener = Listener {
        destination: service.clone(),
        accept_proxy_protocol: accept_proxy_protocol.as_ref().is_some_and(|accept| accept.value),
        ..bare(name, Direction::Inbound, address, *port)
    };
    resources.listeners.insert(name.clone(), listener);
    if let Some(refusal) = mtls.and_then(mesh_tls::refuses_inbounds) {
        resources.refused(name, &refusal);
        resources.routes.insert(name.clone(), Route { name: name.clone(), refusal, ..Route::default() });
        return;
    }
    let cluster = format!("localhost:{service_address}:{service_port}");
    let backend = Backend {
        reference: format!("the application at {service_address}:{service_port}"),
        weight: 1,
        cluster: cluster.clone(),
        ..Backend::default()
    };
    let route = Route { name: name.clone(), backends: vec![backend], ..Route::default() };
    let endpoint = Endpoint {
        address: service_address.clone(),
        port: u32::from(*service_port),
        weight: 1,
        ..Endpoint::default()
    };
    resources.routes.insert(name.clone(), route);
    resources
        .endpoints
        .insert(cluster.clone(), Endpoints { cluster: cluster.clone(), endpoints: vec![endpoint] });
    resources.clusters.insert(cluster.clone(), Cluster { name: cluster, ..Cluster::default() });
}

/// An outbound. One that the kernel redirects to the proxy cannot be opened by this proxy: it binds what it serves.
pub(super) fn outbound(plan: &Plan, outbound: &Outbound, resources: &mut L4Resources) {
    let Outbound {
        name,
        address,
        port,
        bind,
        destination,
        stat_name,
        unified: _,
        marks: _,
        counts_kafka: _,
        protocol: _,
        owner,
        split,
        split_settings,
        refusal,
        reference_omits: _,
        connections,
        considered: _,
    } = outbound;
    if !bind {
        resources.notes.push(format!(
            "{name} is not served: its address is virtual and needs transparent proxying, which this proxy does not do"
        ));
        return;
    }
    let dialled = match destination {
        Destination::Tags(tags) => tags.service().unwrap_or_default().to_owned(),
        Destination::Resource { id, name: _ } => id.to_string(),
    };
    let placeholders = Placeholders { plan, destination: stat_name, direction: "OUTBOUND" };
    let listener = Listener { destination: dialled, ..bare(name, Direction::Outbound, address, *port) };
    resources.listeners.insert(name.clone(), with_settings(listener, connections, &placeholders));
    let from = owner.decided_by().map(origin);
    resources.routes.insert(name.clone(), route(name, from, split, split_settings, refusal.as_deref()));
}

/// One port of a builtin gateway.
pub(super) fn gateway(plan: &Plan, gateway: &GatewayListener, resources: &mut L4Resources) {
    let GatewayListener { name, address, port, tls, stat_name, hosts, connections } = gateway;
    if !is_bindable(name, address, resources) {
        return;
    }
    let placeholders = Placeholders { plan, destination: stat_name, direction: "INBOUND" };
    let mut listener = bare(name, Direction::Gateway, address, *port);
    listener.destination = hosts.iter().map(|host| host.hostname.as_str()).collect::<Vec<_>>().join(", ");
    listener = with_settings(listener, connections, &placeholders);
    if !tls {
        let refusal = (!hosts.iter().any(|host| host.routed)).then(|| plan::NO_GATEWAY_ROUTE.to_owned());
        let split: Vec<_> = hosts.iter().flat_map(|host| host.split.iter().cloned()).collect();
        let from = hosts.iter().find_map(|host| host.origins.last()).map(origin);
        let nobody_declares = SplitSettings::default();
        let declared = hosts.first().map_or(&nobody_declares, |host| &host.split_settings);
        resources.routes.insert(name.clone(), route(name, from, &split, declared, refusal.as_deref()));
        resources.listeners.insert(name.clone(), listener);
        return;
    }
    // What no server name claims has no route: it is refused.
    listener.route = String::new();
    for GatewayHost { hostname, tls, split, split_settings, routed, origins } in hosts {
        if !routed {
            continue;
        }
        let refusal = tls.as_ref().and_then(refuses_session);
        let route_name = format!("{name}#{hostname}");
        if let Some(why) = refusal {
            resources.refused(&route_name, why);
            resources.notes.push(format!("{name} refuses every connection to {hostname}: {why}"));
        }
        let split = if refusal.is_some() { &[] } else { split.as_slice() };
        let route = route(&route_name, origins.last().map(origin), split, split_settings, refusal);
        listener
            .server_names
            .push(ServerName { pattern: hostname.to_lowercase(), route: route_name.clone() });
        resources.routes.insert(route_name, route);
    }
    resources.listeners.insert(name.clone(), listener);
}

/// Why a TLS session is refused; absent: it is passed on as it is.
fn refuses_session(tls: &GatewayTls) -> Option<&'static str> {
    // Certificates are for who ends sessions.
    let GatewayTls { mode, certificates: _, cross_mesh } = tls;
    match mode {
        Some(TlsMode::Passthrough) => None,
        Some(TlsMode::Terminate) => {
            Some("this proxy does not end TLS sessions: the listener wants mode TERMINATE")
        }
        None if *cross_mesh => Some("this proxy does not speak mesh TLS, which a cross-mesh listener needs"),
        None => Some(
            "the listener says TLS, but not whether to end the session: spec.conf.listeners[].tls.mode is missing",
        ),
    }
}

/// Whether this proxy can listen on an address as it is; if not, the note says so, and all else is served.
fn is_bindable(name: &str, address: &str, resources: &mut L4Resources) -> bool {
    let is_ip = address.parse::<IpAddr>().is_ok();
    if !is_ip {
        resources.notes.push(format!(
            "{name} is not served: `{address}` is a host name, and this proxy listens on IP addresses: write one as `address` \
             of the inbound, or of the Dataplane with the name as its `advertisedAddress`"
        ));
    }
    is_ip
}

fn bare(name: &str, direction: Direction, address: &str, port: u16) -> Listener {
    Listener {
        name: name.to_owned(),
        direction: direction.into(),
        address: address.to_owned(),
        port: u32::from(port),
        route: name.to_owned(),
        ..Listener::default()
    }
}

fn with_settings(mut listener: Listener, settings: &ConnectionSettings, fill: &Placeholders<'_>) -> Listener {
    let ConnectionSettings {
        idle_timeout,
        max_connect_attempts,
        max_connections,
        max_age,
        accept_proxy_protocol,
        access_logs,
    } = settings;
    listener.idle_timeout_ms = idle_timeout.as_ref().map(|timeout| millis(timeout.value)).unwrap_or_default();
    listener.max_connect_attempts = max_connect_attempts.as_ref().map(|n| n.value).unwrap_or_default();
    listener.max_connections = max_connections.as_ref().map(|n| n.value).unwrap_or_default();
    listener.max_age_ms = max_age.as_ref().map(|age| millis(age.value)).unwrap_or_default();
    listener.accept_proxy_protocol = accept_proxy_protocol.as_ref().is_some_and(|accept| accept.value);
    listener.access_logs = access_logs.iter().map(|log| access_log(log, fill)).collect();
    listener
}

fn access_log(log: &Sourced<plan::AccessLog>, fill: &Placeholders<'_>) -> AccessLog {
    let Sourced { value: plan::AccessLog { backend, format }, origin: from } = log;
    let mut message = AccessLog { origin: Some(origin(from)), ..AccessLog::default() };
    match backend {
        LogBackend::File(path) => message.file = path.clone(),
        LogBackend::Tcp(address) => message.tcp_address = address.clone(),
    }
    match format {
        None => {}
        Some(LogFormat::Plain(line)) => message.plain_format = fill.fill(line),
        Some(LogFormat::Json(members)) => {
            message.json_format = members
                .iter()
                .map(|(key, format)| JsonField { key: key.clone(), value: fill.fill(format) })
                .collect();
        }
    }
    message
}

/// Whole milliseconds; what is shorter than one is one, because 0 means "not set".
pub(super) fn millis(duration: Duration) -> u64 {
    match u64::try_from(duration.as_millis()) {
        Ok(0) if !duration.is_zero() => 1,
        Ok(millis) => millis,
        Err(_) => u64::MAX,
    }
}
