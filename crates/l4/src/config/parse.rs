//! Parser of L4 messages into a [`Config`].

mod cluster;
mod outside;
mod route;
mod server_name;
mod tls;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use xds::proto::l4;
use xds::{ResourceSet, TypeUrl};

use super::{
    AccessLog, AccessLogFormat, Arrival, Cluster, Config, DataPath, Destinations, Direction, Endpoint, Host,
    HostNames, Listener, LogSink, Match, Problem, Problems, ProxyName, Route,
};
use crate::permit::Permissions;
use crate::proxy_protocol::HeaderVersion;
use tls::Secrets;

pub(super) fn config(proxies: &[(ProxyName, &ResourceSet)]) -> Result<Config, Problems> {
    let mut problems = Vec::new();
    let mut listeners: Vec<Arc<Listener>> = Vec::new();
    let mut names = HostNames::default();
    for (proxy, set) in proxies {
        let mut parser = Parser { proxy, problems: &mut problems };
        listeners.extend(parser.listeners(set).into_iter().map(Arc::new));
        parser.decode(set).into_iter().for_each(|(_, message)| names.add(message));
    }
    listeners.sort_by(|a, b| (&a.proxy, &a.name).cmp(&(&b.proxy, &b.name)));
    refuse_shared_addresses(&listeners, &mut problems);
    if problems.is_empty() { Ok(Config { listeners, names }) } else { Err(Problems(problems)) }
}

fn refuse_shared_addresses(listeners: &[Arc<Listener>], problems: &mut Vec<Problem>) {
    // captured listeners of one proxy may share an address
    let place = |listener: &Listener| match &listener.arrival {
        Arrival::Opened | Arrival::Redirected => (listener.address, None),
        Arrival::Captured(destinations) => {
            let whose = (listener.proxy.clone(), listener.direction as i32, *destinations);
            (listener.address, Some(whose))
        }
    };
    let mut owners = BTreeMap::new();
    for listener in listeners {
        let Some(first) = owners.get(&place(listener)) else {
            owners.insert(place(listener), listener);
            continue;
        };
        problems.push(Problem {
            proxy: listener.proxy.clone(),
            resource: format!("Listener {}", listener.name),
            field: "address".into(),
            message: format!(
                "{} is already taken by listener {} of proxy {}; give one of them another address or port",
                listener.address, first.name, first.proxy
            ),
        });
    }
}

/// Parser of the messages of one proxy.
struct Parser<'a> {
    proxy: &'a ProxyName,
    problems: &'a mut Vec<Problem>,
}

impl Parser<'_> {
    fn problem(&mut self, resource: &str, field: &str, message: impl Into<String>) {
        self.problems.push(Problem {
            proxy: self.proxy.clone(),
            resource: resource.into(),
            field: field.into(),
            message: message.into(),
        });
    }

    fn decode<M: Message + Default + prost::Name>(&mut self, set: &ResourceSet) -> Vec<(String, M)> {
        let mut messages = Vec::new();
        for (name, resource) in set.of_type(&TypeUrl::of::<M>()) {
            let what = format!("{} {name}", M::NAME);
            match M::decode(&resource.body[..]) {
                Ok(message) => messages.push((what, message)),
                Err(error) => self.problem(&what, "", format!("is not a readable message: {error}")),
            }
        }
        messages
    }

    fn listeners(&mut self, set: &ResourceSet) -> Vec<Listener> {
        let secrets = self.secrets(set);
        let endpoints = self.endpoints(set);
        let clusters = self.clusters(set, endpoints, &secrets);
        let routes = self.routes(set, &clusters);
        let mut listeners: Vec<Listener> = Vec::new();
        for (what, mut message) in self.decode::<l4::Listener>(set) {
            let mirror = message.mirror.take().map(|mirror| self.mirror(&what, mirror, &clusters));
            if let Some(listener) = self.listener(&what, message, &routes, &secrets) {
                let listener = Listener { mirror, ..listener };
                if listeners.iter().any(|other| other.name == listener.name) {
                    self.problem(&what, "name", format!("{:?} is used twice", listener.name));
                }
                listeners.push(listener);
            }
        }
        listeners
    }

    fn endpoints(&mut self, set: &ResourceSet) -> BTreeMap<String, Vec<Endpoint>> {
        let mut by_cluster: BTreeMap<String, Vec<Endpoint>> = BTreeMap::new();
        for (what, l4::Endpoints { cluster, endpoints }) in self.decode(set) {
            let parsed: Vec<Endpoint> = endpoints
                .into_iter()
                .enumerate()
                .filter_map(|(index, endpoint)| self.endpoint(&what, index, endpoint))
                .collect();
            by_cluster.entry(cluster).or_default().extend(parsed);
        }
        by_cluster
    }

    fn endpoint(&mut self, what: &str, index: usize, endpoint: l4::Endpoint) -> Option<Endpoint> {
        let l4::Endpoint { address, port, weight, priority, zone } = endpoint;
        let port = self.port(what, &format!("endpoints[{index}].port"), port);
        let host = host(&address);
        if host.is_none() {
            self.problem(
                what,
                &format!("endpoints[{index}].address"),
                format!("{address:?} is neither an IP address nor a host name"),
            );
        }
        let weight = NonZeroU32::new(weight).unwrap_or(NonZeroU32::MIN);
        Some(Endpoint { host: host?, port: port?, weight, priority, zone: zone.into() })
    }

    fn clusters(
        &mut self,
        set: &ResourceSet,
        mut endpoints: BTreeMap<String, Vec<Endpoint>>,
        secrets: &Secrets,
    ) -> BTreeMap<String, Arc<Cluster>> {
        let mut clusters = BTreeMap::new();
        for (what, message) in self.decode::<l4::Cluster>(set) {
            let name = message.name.clone();
            let endpoints = endpoints.remove(&name).unwrap_or_default();
            let cluster = self.cluster(&what, message, endpoints, secrets);
            if clusters.insert(name.clone(), Arc::new(cluster)).is_some() {
                self.problem(&what, "name", format!("{name:?} is used twice"));
            }
        }
        clusters
    }

    fn listener(
        &mut self,
        what: &str,
        message: l4::Listener,
        routes: &BTreeMap<String, Arc<Route>>,
        secrets: &Secrets,
    ) -> Option<Listener> {
        let l4::Listener {
            name,
            direction,
            address,
            port,
            destination,
            route,
            server_names,
            max_connections,
            idle_timeout_ms,
            max_connect_attempts,
            access_logs,
            max_age_ms,
            accept_proxy_protocol,
            tls,
            permissions,
            arrival,
            prefix_length,
            matches,
            // resolved later: it needs more than routes
            mirror: _,
            data_path,
        } = message;
        let ip = address.parse::<IpAddr>();
        if ip.is_err() {
            self.problem(what, "address", format!("{address:?} is not an IP address"));
        }
        let address = self.place(what, ip.ok(), port, arrival, prefix_length);
        let direction = Direction::try_from(direction);
        if direction.is_err() {
            self.problem(what, "direction", "is none of outbound, inbound, gateway");
        }
        let everything = self.route(what, "route", &route, routes).map(|route| (Match::Everything, route));
        let server_names = server_names.into_iter().enumerate();
        let server_names =
            server_names.filter_map(|(index, name)| self.server_name(what, index, name, (routes, secrets)));
        let mut for_the_rest: Vec<(Match, Arc<Route>)> = server_names.chain(everything).collect();
        for_the_rest.sort_by(|(one, _), (other, _)| {
            let order = other.specificity().cmp(&one.specificity());
            order.then_with(|| one.exact().cmp(&other.exact()))
        });
        let matches = matches.into_iter().enumerate();
        let matches = matches.filter_map(|(index, rule)| self.route_match(what, index, rule, routes));
        let mut routes: Vec<(Match, Arc<Route>)> = matches.collect();
        let sorted_from = routes.len();
        routes.append(&mut for_the_rest);
        let access_logs = access_logs
            .into_iter()
            .enumerate()
            .filter_map(|(index, log)| self.access_log(what, index, log))
            .collect();
        let tls = tls.map(|tls| self.server_tls(what, tls, secrets));
        Some(Listener {
            proxy: self.proxy.clone(),
            name: name.into(),
            direction: direction.ok()?,
            address: address.as_ref()?.0,
            arrival: address?.1,
            destination: destination.into(),
            routes,
            sorted_from,
            max_connections: NonZeroU32::new(max_connections),
            idle_timeout: duration(idle_timeout_ms),
            max_age: duration(max_age_ms),
            accept_proxy_protocol,
            permissions: permissions.map(|permissions| self.permissions(what, permissions)),
            max_connect_attempts: NonZeroU32::new(max_connect_attempts).unwrap_or(NonZeroU32::MIN),
            access_logs,
            tls,
            mirror: None,
            // a value of a newer control plane that this version does not know counts as automatic
            data_path: DataPath::try_from(data_path).unwrap_or(DataPath::Auto),
        })
    }

    /// Parses the address of a listener and the arrival of its connections.
    fn place(
        &mut self,
        what: &str,
        ip: Option<IpAddr>,
        port: u32,
        arrival: i32,
        prefix_length: Option<u32>,
    ) -> Option<(SocketAddr, Arrival)> {
        let arrival = match l4::Arrival::try_from(arrival) {
            Ok(l4::Arrival::Opened) => Arrival::Opened,
            Ok(l4::Arrival::Redirected) => Arrival::Redirected,
            Ok(l4::Arrival::Captured) => {
                // 0: any port
                let port = if port == 0 { 0 } else { self.port(what, "port", port)? };
                let ip = ip?;
                let bits = if ip.is_ipv4() { 32 } else { 128 };
                let prefix = u8::try_from(prefix_length.unwrap_or(bits)).ok();
                let port_only = NonZeroU16::new(port);
                let destinations = prefix.and_then(|prefix| Destinations::new(ip, prefix, port_only));
                if destinations.is_none() {
                    self.problem(what, "prefix_length", format!("is more than {bits}"));
                }
                return Some((SocketAddr::new(ip, port), Arrival::Captured(destinations?)));
            }
            Err(_) => {
                self.problem(what, "arrival", "is none of opened, captured, redirected");
                return None;
            }
        };
        let port = self.port(what, "port", port);
        Some((SocketAddr::new(ip?, port?), arrival))
    }

    fn permissions(&mut self, what: &str, permissions: l4::Permissions) -> Permissions {
        Permissions::parse(permissions).unwrap_or_else(|place| {
            self.problem(what, &format!("permissions.{place}"), "is nothing that this proxy knows of peers");
            Permissions::default()
        })
    }

    fn access_log(&mut self, what: &str, index: usize, log: l4::AccessLog) -> Option<AccessLog> {
        let l4::AccessLog { file, tcp_address, plain_format, json_format, origin } = log;
        let sink = match (file.is_empty(), tcp_address.is_empty()) {
            (false, true) => LogSink::File(file.into()),
            (true, false) => LogSink::Tcp(tcp_address.into()),
            (false, false) | (true, true) => {
                self.problem(what, &format!("access_logs[{index}]"), "needs one of file and tcp_address");
                return None;
            }
        };
        let format = if !json_format.is_empty() {
            let fields =
                json_format.into_iter().map(|l4::JsonField { key, value }| (key.into(), value.into()));
            AccessLogFormat::Json(fields.collect())
        } else if !plain_format.is_empty() {
            AccessLogFormat::Plain(plain_format.into())
        } else {
            AccessLogFormat::Default
        };
        Some(AccessLog { sink, format, origin })
    }

    fn proxy_protocol(&mut self, what: &str, number: i32) -> Option<HeaderVersion> {
        match l4::ProxyProtocol::try_from(number) {
            Ok(l4::ProxyProtocol::None) => None,
            Ok(l4::ProxyProtocol::V1) => Some(HeaderVersion::V1),
            Ok(l4::ProxyProtocol::V2) => Some(HeaderVersion::V2),
            Err(_) => {
                self.problem(what, "proxy_protocol", "is none of none, v1, v2");
                None
            }
        }
    }

    fn port(&mut self, what: &str, field: &str, port: u32) -> Option<u16> {
        let parsed = u16::try_from(port).ok().filter(|port| *port > 0);
        if parsed.is_none() {
            self.problem(what, field, format!("{port} is not in 1 to 65535"));
        }
        parsed
    }
}

fn host(address: &str) -> Option<Host> {
    if let Ok(ip) = address.parse() {
        return Some(Host::Ip(ip));
    }
    let lower = address.to_ascii_lowercase();
    is_host_name(&lower).then(|| Host::Name(lower.into()))
}

fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    name.len() <= 253 && name.strip_suffix('.').unwrap_or(name).split('.').all(label)
}

fn duration(milliseconds: u64) -> Option<Duration> {
    (milliseconds > 0).then(|| Duration::from_millis(milliseconds))
}
