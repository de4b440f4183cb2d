//! Writer of shared identity state, run by one control plane for all on a store: replaced authorities, the authorities
//! of MeshIdentities, the trust of zones in them, and the statuses of each.

mod conditions;
mod trust;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use change::Ledger;
use jiff::Timestamp;
use model::topology::{MeshIdentity, MeshServicesMode, MtlsMode};
use model::{Kind, ProxyKey, Resource, ResourceKey, Spec};
use plan::{ServiceIdentities, Snapshot, trust_domain};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::authority::{self, CaParameters};
use super::issue::{AuthorityId, Former};
use super::issuer::{AuthorityState, Issuer};
use super::mesh_secrets::former_key;
use super::sources::{generated_keys, wants_authority, written_former};
use crate::run::Current;
use crate::store::{Expected, Put, Store, StoreError};

/// Interval between looks without a change.
const LOOKS: Duration = Duration::from_secs(5);
/// Delay after a change, to collect related changes.
const COLLECTS: Duration = Duration::from_millis(200);

/// Writes the shared identity state, as long as it is polled. Each look writes only what differs.
pub async fn keep(store: Arc<dyn Store>, issuer: Issuer, mut current: watch::Receiver<Arc<Current>>) {
    let mut known = issuer.known();
    loop {
        let looks_again = Instant::now() + LOOKS;
        let state = Arc::clone(&current.borrow_and_update());
        let authorities = known.borrow_and_update().clone();
        if let Some((ledger, compiled)) = &state.adopted {
            let report = Arc::clone(&issuer.report().borrow());
            let certified = report.certified().map(|(proxy, _)| proxy).collect();
            let snapshot = &*compiled.snapshot;
            let look = Look { store: &*store, ledger, snapshot, authorities: &authorities, certified };
            if let Err(error) = look.write().await {
                tracing::debug!(%error, "what is known of identities is not written down");
            }
        }
        let changes = async {
            tokio::select! {
                changed = current.changed() => changed,
                changed = known.changed() => changed,
            }
        };
        match timeout(LOOKS, changes).await {
            // the sender is gone: the process ends
            Ok(Err(_)) => return,
            Ok(Ok(())) => tokio::time::sleep(COLLECTS).await,
            Err(_) => sleep_until(looks_again).await,
        }
    }
}

/// State of one moment.
struct Look<'a> {
    store: &'a dyn Store,
    ledger: &'a Ledger,
    snapshot: &'a Snapshot,
    authorities: &'a BTreeMap<AuthorityId, AuthorityState>,
    /// Proxies that have certificates.
    certified: BTreeSet<ProxyKey>,
}

impl Look<'_> {
    async fn write(&self) -> Result<(), StoreError> {
        for (id, known) in self.authorities {
            if let AuthorityId::Mesh(mesh) = id
                && let Some(backend) = self.snapshot.mesh(mesh).and_then(|mesh| mesh.mtls())
            {
                self.write_former(&former_key(mesh, &backend.name), &known.written).await?;
            }
        }
        for resource in self.snapshot.of_kind(Kind::MeshIdentity) {
            let Spec::MeshIdentity(identity) = resource.spec() else { continue };
            let key = resource.key();
            let Some(entry) = self.ledger.get(&key) else { continue };
            let document = entry.document.value();
            let known = self.authorities.get(&AuthorityId::Identity(resource.id()));
            if !self.is_in_force(resource) {
                // nobody has a certificate by it, and a MeshTrust would already change what clients trust
                self.write_status(resource, conditions::needs_services()).await?;
                continue;
            }
            if self.make_authority(resource, identity, document).await? {
                // it is known by the next look
                continue;
            }
            let trusted = self.write_trust(resource, identity, known).await?;
            if let Some(conditions) = conditions::of(identity, known, &trusted) {
                self.write_status(resource, conditions).await?;
            }
        }
        self.write_readiness().await
    }

    /// Returns `true` if a mesh of this profile has MeshIdentities at all (spec 07 §12.2).
    fn is_in_force(&self, identity: &Resource) -> bool {
        let mesh = self.snapshot.mesh(identity.meta().mesh.as_str());
        self.snapshot.profile().always_exclusive_mesh_services()
            || mesh.is_some_and(|mesh| mesh.mesh_services == MeshServicesMode::Exclusive)
    }

    /// Writes for each MeshService of this zone whether all its instances terminate TLS: clients rely on it where the
    /// mesh accepts plaintext too.
    async fn write_readiness(&self) -> Result<(), StoreError> {
        for resource in self.snapshot.of_kind(Kind::MeshService) {
            let mesh = self.snapshot.mesh(resource.meta().mesh.as_str());
            let is_asked =
                mesh.and_then(|mesh| mesh.mtls()).is_some_and(|it| it.mode == MtlsMode::Permissive);
            let Spec::MeshService(service) = resource.spec() else { continue };
            let certified = |proxy: &ProxyKey| self.certified.contains(proxy);
            let found = ServiceIdentities::of(self.snapshot, resource, certified).filter(|_| is_asked);
            let Some(found) = found.filter(|found| service.tls_ready != Some(found.tls_ready)) else {
                continue;
            };
            let key = resource.key();
            let Some(stored) = self.store.get(&key).await? else { continue };
            let mut document = stored.document;
            let status = if found.tls_ready { "Ready" } else { "NotReady" };
            if !document["status"].is_object() {
                document["status"] = json!({});
            }
            document["status"]["tls"] = json!({ "status": status });
            match self.store.put(&key, document, Expected::Version(stored.version)).await {
                Ok(_) | Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes the certificates in force, and those that they replaced until their trust ends: for processes that start
    /// after a replacement.
    async fn write_former(&self, key: &ResourceKey, former: &Former) -> Result<(), StoreError> {
        let data = STANDARD.encode(written_former(former));
        let stored = self.store.get(key).await?;
        match stored {
            None if former.is_empty() => Ok(()),
            Some(stored) if former.is_empty() => {
                self.store.delete(key, Expected::Version(stored.version)).await.map(|_| ())
            }
            Some(stored) if stored.document["data"] == data => Ok(()),
            stored => {
                let expected = stored.map_or(Expected::Absent, |it| Expected::Version(it.version));
                self.store.put(key, secret(key, &data), expected).await.map(|_| ())
            }
        }
    }

    /// Makes the authority of a MeshIdentity that asks for it and has none. Returns `true` if it did.
    async fn make_authority(
        &self,
        resource: &Resource,
        identity: &MeshIdentity,
        document: &Value,
    ) -> Result<bool, StoreError> {
        let keys = generated_keys(resource);
        if !wants_authority(identity, document) || keys.iter().any(|key| self.ledger.get(key).is_some()) {
            return Ok(false);
        }
        let Some(domain) = self.trust_domain(resource, identity) else { return Ok(false) };
        let made = tokio::task::spawn_blocking(move || {
            authority::make(&domain, CaParameters::default(), Timestamp::now())
        });
        let made = match made.await {
            Ok(Ok(made)) => made,
            Ok(Err(why)) => {
                tracing::error!(identity = %resource.key(), why, "no authority could be made");
                return Ok(false);
            }
            Err(_) => return Ok(false),
        };
        let texts = [made.certificate, made.key];
        let puts = keys.iter().zip(&texts).map(|(key, text)| Put {
            key: key.clone(),
            document: secret(key, &STANDARD.encode(text)),
            expected: Expected::Absent,
        });
        match self.store.put_all(puts.collect()).await {
            // another control plane was faster
            Ok(_) | Err(StoreError::Conflict { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Returns the trust domain of a MeshIdentity; `None`: it differs between its Dataplanes, or is unknown.
    fn trust_domain(&self, resource: &Resource, identity: &MeshIdentity) -> Option<String> {
        trust_domain(resource, identity, self.snapshot.context().zone.as_deref()).ok()
    }
}

fn secret(key: &ResourceKey, data: &str) -> Value {
    json!({ "type": "Secret", "mesh": key.mesh, "name": key.name, "data": data })
}
