//! Listeners.

use std::net::IpAddr;
use std::time::Duration;

use plan::{
    Bind, ConnectionSettings, DataPath, Destination, Direction, ListenerTls, LogBackend, LogFormat, Match,
    Owner, Proxy, Sourced, TlsTermination,
};
use xds::proto::l4::{
    AccessLog, Arrival, DataPath as Path, Direction as Says, JsonField, Listener, Mirror, Network,
    RouteMatch, ServerName,
};

use super::permissions::permissions;
use super::refusals::route_name;
use super::{L4Resources, destination, origin, route, tls};
use crate::access_log_format::Placeholders;

/// Converts a listener and its routes. An inbound that cannot terminate the TLS of its mesh refuses every
/// connection, also in plaintext.
pub(super) fn listener(listener: &plan::Listener, proxy: &Proxy, resources: &mut L4Resources) {
    let plan::Listener {
        name,
        bind: Bind { address, port, captured },
        direction,
        service,
        protocol: _,
        accepts,
        settings,
        routes,
        naming: _,
    } = listener;
    if !is_bindable(name, address, resources) {
        return;
    }
    let says = match direction {
        Direction::Inbound => Says::Inbound,
        Direction::Outbound(_) => Says::Outbound,
        Direction::Gateway | Direction::Zone => Says::Gateway,
    };
    let mut message = Listener {
        name: name.to_owned(),
        direction: says.into(),
        address: address.to_owned(),
        port: u32::from(*port),
        arrival: if *captured { Arrival::Captured } else { Arrival::Opened }.into(),
        destination: match direction {
            Direction::Inbound => service.clone(),
            Direction::Outbound(Destination::Tags(tags)) => tags.service().unwrap_or_default().to_owned(),
            Direction::Outbound(Destination::Resource { id, name: _ }) => id.to_string(),
            Direction::Zone => proxy.id.to_string(),
            Direction::Gateway => {
                let mut hosts: Vec<&str> = routes.iter().map(|(claimed, _)| claimed.hostname()).collect();
                hosts.dedup();
                hosts.join(", ")
            }
        },
        ..Listener::default()
    };
    let refuses_all = match accepts {
        ListenerTls::Mtls(terminated) => {
            message.permissions = Some(permissions(&terminated.permissions));
            let ended = tls::ended(terminated);
            let why = ended.as_ref().err().cloned();
            message.tls = ended.ok();
            if let Some(why) = &why {
                resources.notes.push(format!("{name} refuses every connection: {why}"));
            }
            why
        }
        ListenerTls::Plaintext | ListenerTls::ServerName => None,
    };
    // if rules have matches their order matters, and with it that of server names
    let in_order = routes.iter().any(|(_, route)| route.rule.is_some_and(|rule| rule.matched.is_some()));
    for (claimed, of_claimed) in routes {
        // A connection with an unclaimed server name has no route: it is refused.
        let takes_all = claimed.shown().is_everything();
        if !takes_all && of_claimed.owner == Owner::Nobody {
            continue;
        }
        let of_name = route_name(name, claimed);
        let mut ends = ServerName::default();
        let refusal = match &of_claimed.session {
            Some(session) => end(session, &mut ends).err(),
            None => refuses_all.clone(),
        };
        if let Some(why) = &refusal {
            resources.refused(&of_name, why);
            if of_claimed.session.is_some() {
                resources.notes.push(format!("{name} refuses every connection to {claimed}: {why}"));
            }
        }
        resources.routes.insert(of_name.clone(), route(&of_name, of_claimed, refusal.as_deref()));
        if takes_all {
            message.route = of_name;
        } else if in_order {
            message.matches.push(route_match(of_name, claimed));
        } else {
            message.server_names.push(ServerName {
                pattern: claimed.hostname().to_lowercase(),
                route: of_name,
                ..ends
            });
        }
    }
    let placeholders = Placeholders::of(listener, proxy);
    resources.listeners.insert(name.clone(), with_settings(message, settings, &placeholders));
}

/// Converts the match of a rule. All connections of a listener have the same dialled port and client identity.
fn route_match(route: String, claimed: &Match) -> RouteMatch {
    let Match { server_name, destination_port: _, source, identity: _ } = claimed;
    RouteMatch {
        route,
        server_name: server_name.as_ref().map(|name| name.as_str().to_lowercase()).unwrap_or_default(),
        source: source.map(|source| Network {
            address: source.address().to_string(),
            prefix_length: source.prefix().into(),
        }),
    }
}

/// Returns `true` if this proxy can listen on an address as it is; otherwise adds a note, and all else is served.
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

/// Sets the termination of TLS with a server name, if it ends here; returns the reason why it cannot, so that
/// connections are refused.
fn end(session: &TlsTermination, claim: &mut ServerName) -> Result<(), String> {
    let why = match session {
        TlsTermination::Passthrough => return Ok(()),
        TlsTermination::Mtls(terminated) => {
            claim.tls = Some(tls::ended(terminated)?);
            claim.permissions = Some(permissions(&terminated.permissions));
            return Ok(());
        }
        // Certificates are for parties that terminate sessions.
        TlsTermination::Terminated { .. } => {
            "this proxy does not end TLS sessions: the listener wants mode TERMINATE"
        }
        TlsTermination::CrossMesh => {
            "this proxy does not end the TLS of other meshes, which a cross-mesh listener needs"
        }
        TlsTermination::Unsaid => {
            "the listener says TLS, but not whether to end the session: spec.conf.listeners[].tls.mode is missing"
        }
    };
    Err(why.to_owned())
}

/// Applies settings to a listener.
pub(super) fn with_settings(
    mut listener: Listener,
    settings: &ConnectionSettings,
    fill: &Placeholders<'_>,
) -> Listener {
    let ConnectionSettings {
        idle_timeout,
        max_connect_attempts,
        max_connections,
        max_age,
        accept_proxy_protocol,
        access_logs,
        mirror,
        data_path,
    } = settings;
    listener.idle_timeout_ms = idle_timeout.as_ref().map(|timeout| millis(timeout.value)).unwrap_or_default();
    listener.max_connect_attempts = max_connect_attempts.as_ref().map(|n| n.value).unwrap_or_default();
    listener.max_connections = max_connections.as_ref().map(|n| n.value).unwrap_or_default();
    listener.max_age_ms = max_age.as_ref().map(|age| millis(age.value)).unwrap_or_default();
    listener.accept_proxy_protocol = accept_proxy_protocol.as_ref().is_some_and(|accept| accept.value);
    listener.access_logs = access_logs.iter().map(|log| access_log(log, fill)).collect();
    listener.mirror = mirror.as_ref().map(self::mirror);
    let data_path = match data_path.as_ref().map(|said| said.value).unwrap_or_default() {
        DataPath::Auto => Path::Auto,
        DataPath::Relay => Path::Relay,
        DataPath::Kernel => Path::Kernel,
    };
    listener.data_path = data_path.into();
    listener
}

fn mirror(said: &Sourced<plan::Mirror>) -> Mirror {
    let Sourced { value: plan::Mirror { reference, to, percent, buffer }, origin: from } = said;
    let (cluster, unavailable) = match to {
        Ok((cluster, subset)) => (destination(cluster, subset), String::new()),
        Err(why) => (String::new(), format!("{reference}: {why}")),
    };
    Mirror {
        reference: reference.clone(),
        cluster,
        unavailable,
        of_10_000: (percent.as_f64() * 100.0).round() as u32,
        buffer: *buffer,
        origin: Some(origin(from, from.place(".default"))),
    }
}

fn access_log(log: &Sourced<plan::AccessLog>, fill: &Placeholders<'_>) -> AccessLog {
    let Sourced { value: plan::AccessLog { backend, format }, origin: from } = log;
    let mut message =
        AccessLog { origin: Some(origin(from, from.place(".default"))), ..AccessLog::default() };
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

/// Converts to whole milliseconds; a shorter duration becomes one, because 0 means "not set".
pub(super) fn millis(duration: Duration) -> u64 {
    match u64::try_from(duration.as_millis()) {
        Ok(0) if !duration.is_zero() => 1,
        Ok(millis) => millis,
        Err(_) => u64::MAX,
    }
}
