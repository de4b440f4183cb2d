//! Open connections that would not be permitted any more: a change of permissions or of the mode ends none of them, but
//! their clients are refused when they connect again.

use std::collections::BTreeMap;
use std::fmt;

use plan::{Direction, Listener, ProxyId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::live::{LiveConnection, OpenConnections};
use crate::compile::Compiled;
use crate::permitted::{Answer, Client, answer};

/// Open connections of one client at one inbound that would not be permitted any more.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotLetIn {
    /// Proxy, as `mesh/name`.
    #[schemars(with = "String")]
    pub proxy: ProxyId,
    /// Inbound listener.
    pub listener: String,
    /// URI names in the client's certificate, in their order; empty: plaintext.
    pub client: Vec<String>,
    /// Number of open connections.
    pub open: u64,
    /// Policy that decides, and the place in it; absent: no policy does.
    pub by: Option<String>,
    /// Reason, if no policy decides.
    pub why: Option<String>,
}

/// Open connections of inbounds that `before` permits and `after` would not.
pub(super) fn not_let_in(before: &Compiled, after: &Compiled, live: &OpenConnections) -> Vec<NotLetIn> {
    let mut found: BTreeMap<NotLetIn, u64> = BTreeMap::new();
    for ((proxy, listener), connections) in live {
        let inbounds = [before, after].map(|compiled| inbound(compiled, proxy, listener));
        let [Some(before), Some(after)] = inbounds else { continue };
        if before.accepts == after.accepts {
            continue;
        }
        for connection in &connections.open {
            let client = client(connection);
            let Answer { may, by, why, shadow_denied: _ } = answer(&after.accepts, &client);
            if may || !answer(&before.accepts, &client).may {
                continue;
            }
            let client = connection.peer.clone().unwrap_or_default();
            let (proxy, listener) = (proxy.clone(), listener.clone());
            *found.entry(NotLetIn { proxy, listener, client, open: 0, by, why }).or_default() += 1;
        }
    }
    found.into_iter().map(|(it, open)| NotLetIn { open, ..it }).collect()
}

fn inbound<'a>(compiled: &'a Compiled, proxy: &ProxyId, listener: &str) -> Option<&'a Listener> {
    let listeners = compiled.proxies.get(proxy)?.plan.listeners.iter();
    let mut inbounds = listeners.filter(|it| it.direction == Direction::Inbound);
    inbounds.find(|it| it.name == listener).map(AsRef::as_ref)
}

fn client(connection: &LiveConnection) -> Client<'_> {
    match &connection.peer {
        Some(uris) => Client::Tls { uris, server_name: connection.server_name.as_deref() },
        None => Client::Plaintext,
    }
}

impl fmt::Display for NotLetIn {
    /// `3 open connections of spiffe://default/web at default/redis-1 (inbound:10.0.0.2:6379) would not be let in
    /// again: MeshTrafficPermission redis, from[0]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { proxy, listener, client, open, by, why } = self;
        let plural = if *open == 1 { "" } else { "s" };
        let client = if client.is_empty() { "clients in plaintext".to_owned() } else { client.join(", ") };
        let because = by.as_ref().or(why.as_ref()).map(String::as_str).unwrap_or_default();
        write!(
            f,
            "{open} open connection{plural} of {client} at {proxy} ({listener}) would not be let in again: {because}"
        )
    }
}
