//! What a proxy proves itself with: a certificate in each mesh that its plan names.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use model::ProxyKey;
use plan::{Mtls, ProxyId};
use tokio::sync::watch;
use tokio_stream::Stream as _;
use tokio_stream::wrappers::WatchStream;
use xds::Family;

use crate::identity::{Answer, Held, Issuer, holder};

/// What a proxy proves itself with, by who holds it.
pub(super) struct Holdings {
    issuer: Issuer,
    proxy: ProxyId,
    held: BTreeMap<ProxyKey, Watched>,
}

struct Watched {
    now: watch::Receiver<Option<Arc<Held>>>,
    changes: WatchStream<Option<Arc<Held>>>,
}

impl Holdings {
    pub(super) fn new(issuer: Issuer, proxy: ProxyId) -> Self {
        Self { issuer, proxy, held: BTreeMap::new() }
    }

    /// Asks for what a plan names, and no longer for what it does not.
    pub(super) fn want(&mut self, identities: &[Arc<Mtls>]) {
        let Self { issuer, proxy, held } = self;
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
            held.entry(holder.clone()).or_insert_with(|| {
                let now = issuer.watch(&holder);
                Watched { changes: WatchStream::from_changes(now.clone()), now }
            });
        }
    }

    /// Whether something has changed since the last poll.
    pub(super) fn poll_changed(&mut self, context: &mut Context<'_>) -> bool {
        let mut changed = false;
        for Watched { changes, now: _ } in self.held.values_mut() {
            while let Poll::Ready(Some(_)) = Pin::new(&mut *changes).poll_next(context) {
                changed = true;
            }
        }
        changed
    }

    /// What it can be told beside its configuration. In a mesh whose certificate it lacks it serves nobody; it lacks all
    /// that it needs only when it has none at all.
    pub(super) fn answer(&self, identities: &[Arc<Mtls>], family: Family) -> Answer {
        let answers = identities.iter().map(|mtls| {
            let held = self.held.get(&holder(&self.proxy, mtls));
            Answer::of(mtls, held.and_then(|it| it.now.borrow().clone()).as_deref(), family)
        });
        Answer::together(answers)
    }

    /// Who holds what it has, for who takes note that it left.
    pub(super) fn holders(&self) -> impl Iterator<Item = &ProxyKey> {
        self.held.keys()
    }
}
