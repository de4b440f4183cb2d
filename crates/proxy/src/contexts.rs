//! The TLS contexts of a configuration, made beside the event loops: reading a key costs more than a handshake.

use std::collections::BTreeMap;
use std::sync::Arc;

use l4::config::{ClientTls, Listener, ServerTls, Target, TlsTerms};
use tls::{Context, Purpose, Unusable};

/// One context for all connections of equal terms.
#[derive(Debug, Default)]
pub(crate) struct Contexts(BTreeMap<(Purpose, TlsTerms), Result<Context, Unusable>>);

impl Contexts {
    /// Those that some listeners need. What was made before is used again.
    pub(crate) fn of(listeners: &[Arc<Listener>], before: &Self) -> Self {
        let mut contexts = BTreeMap::new();
        for (purpose, terms, whose) in listeners.iter().flat_map(|listener| wanted(listener)) {
            let key = (purpose, terms.clone());
            if contexts.contains_key(&key) {
                continue;
            }
            let context = match before.0.get(&key) {
                Some(context) => context.clone(),
                None => made(&key, &whose),
            };
            contexts.insert(key, context);
        }
        Self(contexts)
    }

    /// What a listener ends TLS with.
    pub(crate) fn server(&self, tls: &ServerTls) -> Result<Context, Unusable> {
        self.get(Purpose::Accept, &tls.terms)
    }

    /// What a cluster is dialled with.
    pub(crate) fn client(&self, tls: &ClientTls) -> Result<Context, Unusable> {
        self.get(Purpose::Connect(tls.protocols.clone()), &tls.terms)
    }

    fn get(&self, purpose: Purpose, terms: &TlsTerms) -> Result<Context, Unusable> {
        // a cluster of yesterday, which no listener names any more
        self.0.get(&(purpose, terms.clone())).cloned().unwrap_or(Err(Unusable::NoIdentity))
    }

    /// When the certificates end that the proxy proves itself with, in seconds since 1970; sorted, each once.
    pub(crate) fn ends(&self) -> Vec<i64> {
        let ends = self.0.values().filter_map(|context| context.as_ref().ok()?.not_after());
        let mut ends: Vec<i64> = ends.collect();
        ends.sort_unstable();
        ends.dedup();
        ends
    }
}

/// The terms that a listener and its clusters need, each with its owner in words.
fn wanted(listener: &Listener) -> Vec<(Purpose, &TlsTerms, String)> {
    let server = listener.tls.as_ref().map(|tls| {
        (Purpose::Accept, &tls.terms, format!("listener {} of proxy {}", listener.name, listener.proxy))
    });
    let backends = listener.routes.iter().flat_map(|(_, route)| &route.backends);
    let clients = backends.filter_map(|backend| {
        let Target::Cluster(cluster) = &backend.target else { return None };
        let tls = cluster.tls.as_ref()?;
        let whose = format!("cluster {} of proxy {}", cluster.name, listener.proxy);
        Some((Purpose::Connect(tls.protocols.clone()), &tls.terms, whose))
    });
    server.into_iter().chain(clients).collect()
}

fn made((purpose, terms): &(Purpose, TlsTerms), whose: &str) -> Result<Context, Unusable> {
    let context = Context::new(purpose, terms);
    match &context {
        // what has not arrived is on its way
        Ok(_) | Err(Unusable::NoIdentity | Unusable::NoTrust) => {}
        Err(why) => tracing::error!(%why, "TLS of {whose} cannot be spoken: its connections are refused"),
    }
    context
}
