//! Secrets that a proxy gets beside its published configuration.

use std::sync::Arc;

use model::ProxyKey;
use plan::{Mtls, ProxyId};
use xds::{Family, ResourceSet};

use crate::identity::issue::{HeldCertificate, Request};

/// Secrets for a proxy beside its published configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IssuerAnswer {
    /// These secrets; may be empty.
    Secrets(ResourceSet),
    /// Not known yet, but soon.
    Pending,
    /// None: the published configuration must not be sent either, or the proxy would be less careful than its mesh
    /// asks. In words.
    Lacking(String),
}

/// Returns the holder of a proxy's certificate in a mesh: a Dataplane itself; a zone proxy has one certificate per
/// mesh, under a name that no Dataplane can have.
pub fn holder(proxy: &ProxyId, mtls: &Mtls) -> ProxyKey {
    match proxy {
        ProxyId::Dataplane(key) => key.clone(),
        ProxyId::ZoneIngress(_) | ProxyId::ZoneEgress(_) => {
            ProxyKey::new(mtls.mesh.as_str(), proxy.to_string().as_str())
        }
    }
}

impl IssuerAnswer {
    /// Combines the answers for several meshes: without a certificate in some of them a proxy goes on, unless it has
    /// none at all.
    pub(crate) fn together(answers: impl IntoIterator<Item = IssuerAnswer>) -> Self {
        let (mut secrets, mut lacking) = (None::<ResourceSet>, None);
        for answer in answers {
            match answer {
                IssuerAnswer::Secrets(set) => secrets = Some(secrets.unwrap_or_default().beside(&set)),
                IssuerAnswer::Pending => return IssuerAnswer::Pending,
                IssuerAnswer::Lacking(why) => drop(lacking.get_or_insert(why)),
            }
        }
        match (secrets, lacking) {
            (None, Some(why)) => IssuerAnswer::Lacking(why),
            (secrets, _) => IssuerAnswer::Secrets(secrets.unwrap_or_default()),
        }
    }

    /// Returns the answer for a proxy with such a plan, given its certificate; `None`: it has not asked yet.
    pub(crate) fn of(mtls: &Mtls, held: Option<&HeldCertificate>, family: Family) -> Self {
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
    /// Returns the current answer for a proxy with such identities; it [asks](Self::want) for them.
    pub fn answer(&self, proxy: &ProxyId, identities: &[Arc<Mtls>], family: Family) -> IssuerAnswer {
        IssuerAnswer::together(identities.iter().map(|mtls| {
            let holder = holder(proxy, mtls);
            self.want(&holder, mtls);
            let held = self.shared.held().get(&holder).and_then(|sender| sender.borrow().clone());
            IssuerAnswer::of(mtls, held.as_deref(), family)
        }))
    }
}
