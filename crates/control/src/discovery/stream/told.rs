//! Delivery of a published configuration to a proxy: with the secrets that it needs, or not at all.

use std::sync::Arc;

use xds::{ResourceSet, Version};

use super::{Attached, Stream, refused};
use crate::discovery::publisher::{Package, Published};
use crate::discovery::speaks::StreamProtocol;
use crate::identity::IssuerAnswer;

/// Published configuration of a proxy, and its delivery.
pub(super) struct Told {
    package: Package,
    version: Version,
    /// `true`: it is being sent; `false` while secrets that it needs are missing.
    is_told: bool,
    /// `true`: the proxy runs it.
    is_run: bool,
}

impl<P: StreamProtocol> Stream<P> {
    pub(super) fn on_publish(&mut self, published: Published) {
        // a proxy that is not known any more keeps what it runs
        let Some(package) = published else { return };
        if let Some(Attached { holdings: Some(holdings), .. }) = &mut self.attached {
            holdings.want(&package.identities, &package.outside);
        }
        let version = package.set.version();
        self.published = Some(Told { package, version, is_told: false, is_run: false });
        self.tell();
        let in_sync = self.is_in_sync();
        if let (Some(Attached { proxy, .. }), Some(told)) = (&self.attached, &mut self.published) {
            told.is_run = in_sync;
            self.shared.statuses.published(proxy, version, in_sync);
            self.shared.statuses.retained(proxy, &refused(&self.subscription));
        }
        self.note_settled();
    }

    /// Sends the published configuration with the secrets that it needs; withholds it while they are missing.
    pub(super) fn tell(&mut self) {
        let (Some(Attached { proxy, family, holdings, .. }), Some(told)) =
            (&self.attached, &mut self.published)
        else {
            return;
        };
        let answer = match holdings {
            Some(holdings) => {
                let Package { set: _, identities, outside } = &told.package;
                holdings.answer(identities, outside, *family)
            }
            None => IssuerAnswer::Secrets(ResourceSet::default()),
        };
        let set = &told.package.set;
        let (set, why) = match answer {
            IssuerAnswer::Secrets(secrets) if secrets.is_empty() => (Some(Arc::clone(set)), None),
            IssuerAnswer::Secrets(secrets) => (Some(Arc::new(set.beside(&secrets))), None),
            IssuerAnswer::Pending => (None, None),
            IssuerAnswer::Lacking(why) => (None, Some(why)),
        };
        if let Some(why) = why.as_ref().filter(|_| !told.is_told) {
            tracing::warn!(%proxy, why, "configuration is withheld: the proxy has no certificate");
        }
        self.shared.statuses.withheld(proxy, why.filter(|_| !told.is_told));
        if let Some(set) = set {
            told.is_told = true;
            self.subscription.on_publish(set);
        }
    }

    /// Returns `true` if the proxy runs the published configuration with its secrets.
    fn is_in_sync(&self) -> bool {
        self.published.as_ref().is_some_and(|told| told.is_told) && self.subscription.is_in_sync()
    }

    /// Notes settled resources: a set of which something was refused before may need no answer.
    fn note_settled(&self) {
        if let (Some(Attached { proxy, .. }), Some(told)) = (&self.attached, &self.published)
            && told.is_told
            && self.subscription.is_settled()
        {
            self.shared.statuses.settled(proxy, told.version);
        }
    }

    pub(super) fn note_sync(&mut self) {
        let in_sync = self.is_in_sync();
        let (Some(Attached { proxy, .. }), Some(told)) = (&self.attached, &mut self.published) else {
            return;
        };
        // new secrets alone are no new configuration
        if in_sync && !told.is_run {
            told.is_run = true;
            self.shared.statuses.accepted(proxy, told.version);
        }
        self.note_settled();
    }
}
