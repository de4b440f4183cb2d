//! TLS contexts of a configuration, made outside the event loops: reading a key costs more than a handshake.

use std::collections::BTreeMap;
use std::sync::Arc;

use l4::config::{DialTls, Listener, OutsideTerms, ServerTls, TlsTerms};
use tls::{ContextError, Purpose, TlsContext};

use crate::host_authorities::HostAuthorities;

/// Terms of the connections that share a context.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wanted {
    /// Connections of the mesh.
    Mesh(Purpose, TlsTerms),
    /// Connections to a service outside the mesh.
    Outside(OutsideTerms),
}

/// TLS contexts, one for all connections with equal terms.
#[derive(Debug, Default)]
pub(crate) struct Contexts {
    made: BTreeMap<Wanted, Result<TlsContext, ContextError>>,
    /// Authorities that this host trusts; `None`: no connection needs them.
    host: Option<Arc<str>>,
}

impl Contexts {
    /// Makes the contexts that some listeners need, reusing those of `before`.
    pub(crate) fn of(listeners: &[Arc<Listener>], host: &HostAuthorities, before: &Self) -> Self {
        let wanted: Vec<_> = listeners.iter().flat_map(|listener| wanted(listener)).collect();
        let asks_host =
            |(wanted, _): &(Wanted, String)| matches!(wanted, Wanted::Outside(terms) if terms.asks_host());
        let host = wanted.iter().any(asks_host).then(|| host.read()).flatten();
        let mut made = BTreeMap::new();
        for (wanted, whose) in wanted {
            let wanted = wanted.on_host(host.as_ref());
            if made.contains_key(&wanted) {
                continue;
            }
            let context = match before.made.get(&wanted) {
                Some(context) => context.clone(),
                None => wanted.make(&whose),
            };
            made.insert(wanted, context);
        }
        Self { made, host }
    }

    /// Returns `true` if the host trusts the same authorities as before, as far as it matters.
    pub(crate) fn believes_as(&self, before: &Self) -> bool {
        self.host == before.host
    }

    /// Returns the context with which a listener terminates TLS.
    pub(crate) fn server(&self, tls: &ServerTls) -> Result<TlsContext, ContextError> {
        self.get(Wanted::Mesh(Purpose::Accept, tls.terms.clone()))
    }

    /// Returns the context with which a cluster is dialled.
    pub(crate) fn client(&self, tls: &DialTls) -> Result<TlsContext, ContextError> {
        self.get(Wanted::by(tls))
    }

    fn get(&self, wanted: Wanted) -> Result<TlsContext, ContextError> {
        // an earlier version of the cluster, which no listener refers to any more
        self.made.get(&wanted.on_host(self.host.as_ref())).cloned().unwrap_or(Err(ContextError::NoIdentity))
    }

    /// Returns the expiry of the proxy's own certificates, in seconds since 1970; sorted, each once.
    pub(crate) fn ends(&self) -> Vec<i64> {
        let ends = self.made.values().filter_map(|context| context.as_ref().ok()?.not_after());
        let mut ends: Vec<i64> = ends.collect();
        ends.sort_unstable();
        ends.dedup();
        ends
    }
}

impl Wanted {
    fn by(tls: &DialTls) -> Self {
        match tls {
            DialTls::Mesh(tls) => Self::Mesh(Purpose::Connect(tls.protocols.clone()), tls.terms.clone()),
            DialTls::Outside(tls) => Self::Outside(tls.terms.clone()),
        }
    }

    /// Returns the terms with the authorities that this host trusts.
    fn on_host(self, believes: Option<&Arc<str>>) -> Self {
        match self {
            Self::Outside(terms) => Self::Outside(terms.on_host(believes)),
            Self::Mesh(..) => self,
        }
    }

    fn make(&self, whose: &str) -> Result<TlsContext, ContextError> {
        let context = match self {
            Self::Mesh(purpose, terms) => TlsContext::new(purpose, terms),
            Self::Outside(terms) => TlsContext::to_outside(terms),
        };
        let is_awaited = match (self, &context) {
            (_, Ok(_) | Err(ContextError::NoIdentity)) => true,
            // the host's authorities are not sent to it
            (Self::Outside(terms), Err(ContextError::NoTrust)) => !terms.asks_host(),
            (Self::Mesh(..), Err(ContextError::NoTrust)) => true,
            (_, Err(_)) => false,
        };
        if let (Err(why), false) = (&context, is_awaited) {
            tracing::error!(%why, "TLS of {whose} cannot be spoken: its connections are refused");
        }
        context
    }
}

/// Returns the terms that a listener and its clusters need, each with its owner in words.
fn wanted(listener: &Listener) -> Vec<(Wanted, String)> {
    let by_name = listener.routes.iter().filter_map(|(matched, _)| matched.end().map(|end| &end.tls));
    let servers = listener.tls.iter().chain(by_name).map(|tls| {
        let whose = format!("listener {} of proxy {}", listener.name, listener.proxy);
        (Wanted::Mesh(Purpose::Accept, tls.terms.clone()), whose)
    });
    let clients = listener.clusters().filter_map(|cluster| {
        let whose = format!("cluster {} of proxy {}", cluster.name, listener.proxy);
        Some((Wanted::by(cluster.tls.as_ref()?), whose))
    });
    servers.chain(clients).collect()
}
