//! Permission of one proxy to connect to another, and the deciding rule: the proxy's own decision, computed beforehand.

use std::collections::BTreeMap;
use std::fmt;

use dialect::l4 as words;
use l4::config::Origin;
use l4::permit::{Peer, Permissions};
use plan::{Destination, Direction, Listener, ListenerTls, Plan, ProxyId, ProxyTls, Terminated};
use serde::Serialize;

use crate::compile::Compiled;
use crate::handshake::{Ends, Handshake};

/// Answer for one inbound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Permitted {
    /// Client, as `mesh/name`.
    pub from: String,
    /// Server, as `mesh/name`.
    pub to: String,
    /// Inbound listener.
    pub inbound: String,
    /// `true`: the connection is permitted.
    pub may: bool,
    /// Policy that decides, and the place in it; absent: no policy does.
    pub by: Option<String>,
    /// Reason, if no policy decides.
    pub why: Option<String>,
    /// `true`: the connection counts as denied by shadow rules.
    pub shadow_denied: bool,
    /// Certificates of both ends; absent: no mesh TLS is spoken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handshake: Option<Handshake>,
}

/// Returns the answers about connections of `from` to `to`: a Dataplane, by `NAME` or `MESH/NAME`, or the endpoints of
/// a service. One answer for each inbound, sorted by proxy and listener; empty: no such name.
pub fn permitted(compiled: &Compiled, from: &ProxyId, to: &str) -> Vec<Permitted> {
    let Some(own) = compiled.proxies.get(from) else { return Vec::new() };
    let targets = targets(compiled, from, &own.plan, to);
    let answers = targets.into_iter().map(|((key, listener), target)| {
        let Target { accepts, dials } = target;
        let server_name = dials.map(|tls| tls.sni.as_str());
        let Answer { may, by, why, shadow_denied } = of_proxy(&own.plan, accepts, server_name);
        let handshake = handshake(&own.plan, accepts, dials);
        let (from, to, inbound) = (from.to_string(), key.to_string(), listener.to_owned());
        Permitted { from, to, inbound, may, by, why, shadow_denied, handshake }
    });
    answers.collect()
}

/// Inbound in question.
struct Target<'a> {
    accepts: &'a ListenerTls,
    /// TLS of the client to it; absent: the client does not dial the inbound, or dials it in plaintext.
    dials: Option<&'a ProxyTls>,
}

fn targets<'a>(
    compiled: &'a Compiled,
    from: &ProxyId,
    own: &'a Plan,
    to: &str,
) -> BTreeMap<(&'a ProxyId, &'a str), Target<'a>> {
    let inbounds = |plan: &'a Plan| {
        plan.listeners.iter().map(AsRef::as_ref).filter(|it| it.direction == Direction::Inbound)
    };
    let dialled = dialled(own);
    let target = |key: &ProxyId, listener: &'a Listener| Target {
        accepts: &listener.accepts,
        dials: dialled
            .iter()
            .find(|it| it.proxy == format!("Dataplane {key}") && it.port == u32::from(listener.bind.port))
            .and_then(|it| it.tls),
    };
    let named = match to.parse::<ProxyId>() {
        Ok(key) if to.contains('/') => Some(key),
        Ok(key) => Some(ProxyId::dataplane(from.mesh(), key.name().clone())),
        Err(_) => None,
    };
    let one = named.and_then(|key| compiled.proxies.get_key_value(&key));
    let service = to.rsplit_once(':').map_or(to, |(service, _)| service);
    let everybody = compiled.proxies.iter().filter(|(key, _)| key.mesh() == from.mesh());
    let mut targets = BTreeMap::new();
    for (key, proxy) in one.into_iter().chain(everybody.filter(|_| one.is_none())) {
        for listener in inbounds(&proxy.plan) {
            let is_dialled = dialled.iter().any(|it| {
                it.services.iter().any(|name| name == service)
                    && it.proxy == format!("Dataplane {key}")
                    && it.port == u32::from(listener.bind.port)
            });
            if one.is_some() || listener.service == service || is_dialled {
                targets.insert((key, listener.name.as_str()), target(key, listener));
            }
        }
    }
    targets
}

/// Endpoint that a proxy dials.
struct Dialled<'a> {
    /// Names of its outbounds.
    services: Vec<String>,
    /// Proxy that offers it.
    proxy: &'a str,
    port: u32,
    tls: Option<&'a ProxyTls>,
}

fn dialled(plan: &Plan) -> Vec<Dialled<'_>> {
    let mut dialled = Vec::new();
    for listener in &plan.listeners {
        let services = match listener.destination() {
            None => continue,
            Some(Destination::Tags(tags)) => tags.service().map(str::to_owned).into_iter().collect(),
            Some(Destination::Resource { id, name }) => vec![id.name.clone(), name.clone(), id.to_string()],
        };
        let backends = listener.routes().flat_map(|route| &route.split);
        for cluster in backends.filter_map(|it| it.cluster()).filter_map(|name| plan.clusters.get(name)) {
            let tls = cluster.tls.as_ref();
            dialled.extend(cluster.endpoints.iter().map(|endpoint| Dialled {
                services: services.clone(),
                proxy: &endpoint.offered_by,
                port: endpoint.port,
                tls,
            }));
        }
    }
    dialled
}

/// Client, as an inbound sees it.
pub(crate) enum Client<'a> {
    /// Client without a certificate.
    Plaintext,
    /// Client with a trusted certificate.
    Tls {
        /// URI names in it, in their order.
        uris: &'a [String],
        /// Server name that it asks for; `None`: unknown.
        server_name: Option<&'a str>,
    },
}

/// Answer about a connection to an inbound.
pub(crate) struct Answer {
    pub(crate) may: bool,
    /// Policy that decides, and the place in it.
    pub(crate) by: Option<String>,
    /// Reason, if no policy decides.
    pub(crate) why: Option<String>,
    pub(crate) shadow_denied: bool,
}

impl Answer {
    fn because(may: bool, why: impl Into<String>) -> Self {
        Self { may, by: None, why: Some(why.into()), shadow_denied: false }
    }
}

/// Decides about a proxy's connection to an inbound.
fn of_proxy(client: &Plan, accepts: &ListenerTls, server_name: Option<&str>) -> Answer {
    match (&client.mtls, accepts) {
        (Some(client), ListenerTls::Mtls(_)) => match client.uris.as_deref() {
            Ok(uris) => answer(accepts, &Client::Tls { uris, server_name }),
            Err(why) => Answer::because(false, format!("no certificate can be issued for the client: {why}")),
        },
        (Some(_), ListenerTls::Plaintext | ListenerTls::ServerName) | (None, _) => {
            answer(accepts, &Client::Plaintext)
        }
    }
}

/// Handshake of both ends; `None`: one of them speaks no mesh TLS.
fn handshake(client: &Plan, accepts: &ListenerTls, dials: Option<&ProxyTls>) -> Option<Handshake> {
    let (Some(client), ListenerTls::Mtls(terminated)) = (&client.mtls, accepts) else { return None };
    Some(Handshake::between(&Ends {
        client,
        dials,
        server: &terminated.mtls,
        takes: &terminated.params,
        takes_names: &terminated.peer_prefixes,
    }))
}

/// Decides about a client's connection to an inbound, by the function that proxies use.
pub(crate) fn answer(accepts: &ListenerTls, client: &Client<'_>) -> Answer {
    let ListenerTls::Mtls(terminated) = accepts else {
        return Answer::because(true, "it takes plaintext from anybody: no mTLS is on for it");
    };
    let Terminated { mtls: _, permissive, mode_by: _, params: _, peer_prefixes, permissions, counted_as: _ } =
        &**terminated;
    let (uris, server_name) = match client {
        Client::Plaintext if *permissive => {
            return Answer::because(true, "it takes plaintext from anybody in mode PERMISSIVE");
        }
        Client::Plaintext => {
            return Answer::because(false, "it takes mesh TLS only, and the client has no identity");
        }
        Client::Tls { uris, server_name } => (*uris, *server_name),
    };
    let is_accepted = |uri: &String| peer_prefixes.iter().any(|prefix| uri.starts_with(prefix));
    if !peer_prefixes.is_empty() && !uris.iter().any(is_accepted) {
        let prefixes = peer_prefixes.join(", ");
        return Answer::because(false, format!("no name in the client's certificate begins with {prefixes}"));
    }
    let Ok(law) = Permissions::parse(words::permissions(permissions)) else {
        return Answer::because(false, "its permissions cannot be told to it");
    };
    let verdict = law.decide(&Peer { uris, server_name });
    let by = verdict.rule.and_then(|rule| rule.origin.as_ref()).map(in_words);
    let why = by.is_none().then(|| match permissions.allow_nobody() {
        true => "no permission allows anybody".to_owned(),
        false => "no permission speaks about it".to_owned(),
    });
    Answer { may: verdict.allowed, by, why, shadow_denied: verdict.shadow_denied }
}

fn in_words(Origin { kind, mesh: _, name, rule }: &Origin) -> String {
    if rule.is_empty() { format!("{kind} {name}") } else { format!("{kind} {name}, {rule}") }
}

impl fmt::Display for Permitted {
    /// `default/web-1 may connect to default/redis-1 (inbound:10.0.0.2:6379): MeshTrafficPermission redis, from[0]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, inbound, may, by, why, shadow_denied, handshake: _ } = self;
        let may = if *may { "may" } else { "may not" };
        let by = by.as_ref().or(why.as_ref()).map(String::as_str).unwrap_or_default();
        let shadow = if *shadow_denied { "; it is counted as shadow-denied" } else { "" };
        write!(f, "{from} {may} connect to {to} ({inbound}): {by}{shadow}")
    }
}
