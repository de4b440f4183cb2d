//! Secrets of an attached proxy: its certificate in each mesh that its plan names, and those for services outside the
//! mesh.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use model::ProxyKey;
use plan::{ExternalSecret, Mtls, ProxyId};
use tokio::sync::watch;
use tokio_stream::Stream as _;
use tokio_stream::wrappers::WatchStream;
use xds::Family;

use crate::identity::{HeldCertificate, Issuer, IssuerAnswer, OutsideSecrets, holder};

/// Secrets of a proxy: its certificates, by holder, and those for services outside the mesh.
pub(super) struct Holdings {
    issuer: Issuer,
    proxy: ProxyId,
    held: BTreeMap<ProxyKey, Watched<Option<Arc<HeldCertificate>>>>,
    /// Secrets for services outside the mesh.
    outside: Watched<Arc<OutsideSecrets>>,
    /// `true`: the proxy needs some of `outside`.
    needs_outside: bool,
}

struct Watched<T> {
    now: watch::Receiver<T>,
    changes: WatchStream<T>,
}

impl<T: Clone + Send + Sync + 'static> Watched<T> {
    fn new(now: watch::Receiver<T>) -> Self {
        Self { changes: WatchStream::from_changes(now.clone()), now }
    }

    /// Returns `true` if it has changed since the last poll.
    fn poll_changed(&mut self, context: &mut Context<'_>) -> bool {
        let mut changed = false;
        while let Poll::Ready(Some(_)) = Pin::new(&mut self.changes).poll_next(context) {
            changed = true;
        }
        changed
    }
}

impl Holdings {
    pub(super) fn new(issuer: Issuer, proxy: ProxyId) -> Self {
        let outside = Watched::new(issuer.outside());
        Self { issuer, proxy, held: BTreeMap::new(), outside, needs_outside: false }
    }

    /// Requests the certificates that a plan names, and releases the others.
    pub(super) fn want(&mut self, identities: &[Arc<Mtls>], needed: &BTreeSet<ExternalSecret>) {
        self.needs_outside = !needed.is_empty();
        let Self { issuer, proxy, held, .. } = self;
        let wanted: BTreeMap<ProxyKey, &Arc<Mtls>> =
            identities.iter().map(|mtls| (holder(proxy, mtls), mtls)).collect();
        held.retain(|holder, _| {
            let stays = wanted.contains_key(holder);
            if !stays {
                issuer.left(holder);
            }
            stays
        });
        for (holder, mtls) in wanted {
            issuer.want(&holder, mtls);
            held.entry(holder.clone()).or_insert_with(|| Watched::new(issuer.watch(&holder)));
        }
    }

    /// Returns `true` if something has changed since the last poll.
    pub(super) fn poll_changed(&mut self, context: &mut Context<'_>) -> bool {
        let mut changed = self.outside.poll_changed(context) && self.needs_outside;
        for held in self.held.values_mut() {
            changed |= held.poll_changed(context);
        }
        changed
    }

    /// Returns the secrets to send beside the configuration. A missing certificate means that the proxy serves nobody
    /// in that mesh; the answer is `Lacking` only if it has none at all.
    pub(super) fn answer(
        &self,
        identities: &[Arc<Mtls>],
        needed: &BTreeSet<ExternalSecret>,
        family: Family,
    ) -> IssuerAnswer {
        let answers = identities.iter().map(|mtls| {
            let held = self.held.get(&holder(&self.proxy, mtls));
            IssuerAnswer::of(mtls, held.and_then(|it| it.now.borrow().clone()).as_deref(), family)
        });
        match IssuerAnswer::together(answers) {
            IssuerAnswer::Secrets(secrets) => {
                IssuerAnswer::Secrets(secrets.beside(&self.outside.now.borrow().said(needed, family)))
            }
            other @ (IssuerAnswer::Pending | IssuerAnswer::Lacking(_)) => other,
        }
    }

    /// Holders of its certificates, to be notified that it left.
    pub(super) fn holders(&self) -> impl Iterator<Item = &ProxyKey> {
        self.held.keys()
    }
}
