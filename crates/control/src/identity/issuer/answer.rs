//! What a proxy can be told beside what is published.

use plan::Mtls;
use xds::{Family, ResourceSet};

use crate::identity::issue::{Held, Request};

/// What a proxy can be told beside what is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// These secrets.
    Secrets(ResourceSet),
    /// Nothing yet: it will be known at once.
    Pending,
    /// Nothing: what is published must not be told either, or the proxy would be less careful than its mesh asks. In words.
    Lacking(String),
}

impl Answer {
    /// What a proxy with such a plan can be told, by what it has; `None`: it has not asked yet.
    pub(crate) fn of(mtls: &Mtls, held: Option<&Held>, family: Family) -> Self {
        let Some(request) = Request::of(mtls) else { return Self::Secrets(ResourceSet::default()) };
        let Some(held) = held.filter(|held| held.request == request) else { return Self::Pending };
        match (&held.credentials, &held.why) {
            (Some(credentials), _) => Self::Secrets(credentials.said(mtls, family)),
            (None, Some(why)) => Self::Lacking(why.clone()),
            (None, None) => Self::Pending,
        }
    }
}

impl super::Issuer {
    /// What a proxy with such a plan can be told now; it [asks](Self::want) for it.
    pub fn answer(&self, proxy: &model::ProxyKey, mtls: &Mtls, family: Family) -> Answer {
        self.want(proxy, mtls);
        let held = self.shared.held().get(proxy).and_then(|sender| sender.borrow().clone());
        Answer::of(mtls, held.as_deref(), family)
    }
}
