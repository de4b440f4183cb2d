//! What a proxy proves itself with: a certificate in each mesh that its plan names; and what it needs to dial the outside.

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

use crate::identity::{Answer, Held, Issuer, Outside, holder};

/// What a proxy proves itself with, by who holds it.
pub(super) struct Holdings {
    issuer: Issuer,
    proxy: ProxyId,
    held: BTreeMap<ProxyKey, Watched<Option<Arc<Held>>>>,
    /// What is known of services outside the mesh.
    outside: Watched<Arc<Outside>>,
    /// Whether it needs some of that.
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

    /// Whether it has changed since the last poll.
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

    /// Asks for what a plan names, and no longer for what it does not.
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

    /// Whether something has changed since the last poll.
    pub(super) fn poll_changed(&mut self, context: &mut Context<'_>) -> bool {
        let mut changed = self.outside.poll_changed(context) && self.needs_outside;
        for held in self.held.values_mut() {
            changed |= held.poll_changed(context);
        }
        changed
    }

    /// What it can be told beside its configuration. In a mesh whose certificate it lacks it serves nobody; it lacks all
    /// that it needs only when it has none at all.
    pub(super) fn answer(
        &self,
        identities: &[Arc<Mtls>],
        needed: &BTreeSet<ExternalSecret>,
        family: Family,
    ) -> Answer {
        let answers = identities.iter().map(|mtls| {
            let held = self.held.get(&holder(&self.proxy, mtls));
            Answer::of(mtls, held.and_then(|it| it.now.borrow().clone()).as_deref(), family)
        });
        match Answer::together(answers) {
            Answer::Secrets(secrets) => {
                Answer::Secrets(secrets.beside(&self.outside.now.borrow().said(needed, family)))
            }
            other @ (Answer::Pending | Answer::Lacking(_)) => other,
        }
    }

    /// Who holds what it has, for who takes note that it left.
    pub(super) fn holders(&self) -> impl Iterator<Item = &ProxyKey> {
        self.held.keys()
    }
}
