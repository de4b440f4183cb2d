//! Conditions in the status of a MeshIdentity (spec 07 §12.4).

use model::topology::{IdentityProvider, IdentityReadiness, MeshIdentity};
use model::{Resource, ResourceKey};
use serde_json::{Value, json};

use super::Look;
use super::trust::Trusted;
use crate::identity::issue::SELF_SIGNED;
use crate::identity::issuer::AuthorityState;
use crate::store::{Expected, StoreError};

/// Message about the missing setting of a mesh.
const NEEDS_SERVICES: &str = "MeshIdentity requires MeshServices to be enabled on the mesh. To enable, set \
    `spec.meshServices.mode: Exclusive` on the mesh.";
const FAILURE: &str = "One of initialization steps failed";

impl Look<'_> {
    pub(super) async fn write_status(
        &self,
        resource: &Resource,
        conditions: Value,
    ) -> Result<(), StoreError> {
        let key: ResourceKey = resource.key();
        let Some(stored) = self.store.get(&key).await? else { return Ok(()) };
        if stored.document["status"]["conditions"] == conditions {
            return Ok(());
        }
        let mut document = stored.document;
        if let Some(members) = document.as_object_mut() {
            let status = members.entry("status").or_insert_with(|| json!({}));
            if !status.is_object() {
                *status = json!({});
            }
            status["conditions"] = conditions;
        }
        match self.store.put(&key, document, Expected::Version(stored.version)).await {
            Ok(_) | Err(StoreError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Returns the conditions of a MeshIdentity in a mesh without MeshServices.
pub(super) fn needs_services() -> Value {
    json!([
        condition("DependenciesReady", false, "MeshServicesDisabled", NEEDS_SERVICES),
        condition("Ready", false, "Failure", FAILURE),
    ])
}

/// Returns the conditions of a MeshIdentity; `None`: it was just made, and the state of its authority is unknown.
pub(super) fn of(
    identity: &MeshIdentity,
    known: Option<&AuthorityState>,
    trusted: &Trusted,
) -> Option<Value> {
    if known.is_none() && matches!(identity.provider, Some(IdentityProvider::Bundled { .. })) {
        return None;
    }
    let was_ready = identity.readiness == Some(IdentityReadiness::Ready);
    Some(conditions(identity, known, trusted, was_ready))
}

fn condition(about: &str, holds: bool, reason: &str, message: &str) -> Value {
    let status = if holds { "True" } else { "False" };
    json!({ "type": about, "status": status, "reason": reason, "message": message })
}

fn conditions(
    identity: &MeshIdentity,
    known: Option<&AuthorityState>,
    trusted: &Trusted,
    was_ready: bool,
) -> Value {
    let mut all = Vec::new();
    let mut add = |about: &str, holds: bool, reason: &str, message: &str| {
        all.push(condition(about, holds, reason, message));
        holds
    };
    add("SpiffeIDProvider", true, "SpiffeIDProvided", "SPIFFE IDs are made of the templates");
    let provided = match (identity.provider, known.map(|known| &known.chain)) {
        (None, _) => {
            let message = "there is no provider: names are published, and no certificate is issued";
            add("Ready", false, "PartiallyReady", message);
            return all.into();
        }
        (Some(IdentityProvider::Spire { .. }), _) => add(
            "Provider",
            true,
            "ProviderInitialized",
            "certificates come from the SPIRE agent beside each proxy",
        ),
        (Some(IdentityProvider::Bundled { .. }), Some(Ok(_))) => {
            add("Provider", true, "ProviderInitialized", "the authority can be read")
        }
        (Some(IdentityProvider::Bundled { .. }), Some(Err(why))) if why == SELF_SIGNED => {
            add("Provider", false, "ProviderValidationError", why)
        }
        (Some(IdentityProvider::Bundled { .. }), Some(Err(why))) => {
            add("Provider", false, "ProviderInitializationError", why)
        }
        (Some(IdentityProvider::Bundled { .. } | IdentityProvider::Extension), _) => {
            add("Provider", false, "ProviderNotFoundError", "providers of this type are not known here")
        }
    };
    let trusts = match trusted {
        Trusted::Unasked => true,
        Trusted::Written => {
            add("MeshTrustCreated", true, "MeshTrustCreated", "the MeshTrust has the authority")
        }
        Trusted::Unwritten(why) => add("MeshTrustCreated", false, "MeshTrustCreationError", why),
    };
    match (provided && trusts, was_ready) {
        (true, _) => add("Ready", true, "Ready", "certificates are issued"),
        // falling back to plaintext because a secret cannot be read helps nobody: issued certificates stay valid
        (false, true) => add(
            "Ready",
            true,
            "Ready",
            "certificates that were issued before are kept, and none is issued now: see the other conditions",
        ),
        (false, false) => add("Ready", false, "Failure", FAILURE),
    };
    all.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::issue::Former;

    fn known(chain: Result<(), &str>) -> AuthorityState {
        let chain = chain.map(|()| vec!["pem".into()]).map_err(str::to_owned);
        AuthorityState { chain, written: Former::new() }
    }

    fn reasons(conditions: &Value) -> Vec<String> {
        let one = |it: &Value| format!("{}={} {}", it["type"], it["status"], it["reason"]).replace('"', "");
        conditions.as_array().unwrap().iter().map(one).collect()
    }

    #[test]
    fn what_was_ready_stays_so_and_says_what_is_wrong() {
        let identity = MeshIdentity {
            provider: Some(IdentityProvider::Bundled { creates_trust: true }),
            ..MeshIdentity::default()
        };
        let of = |known: &AuthorityState, trusted: &Trusted, was_ready| {
            reasons(&conditions(&identity, Some(known), trusted, was_ready))
        };
        let ready = of(&known(Ok(())), &Trusted::Written, false);
        assert_eq!(
            ready,
            [
                "SpiffeIDProvider=True SpiffeIDProvided",
                "Provider=True ProviderInitialized",
                "MeshTrustCreated=True MeshTrustCreated",
                "Ready=True Ready",
            ]
        );
        let lost = known(Err("there is no Secret `ca`"));
        let trusted = Trusted::Unwritten("…".into());
        assert_eq!(
            of(&lost, &trusted, true)[1..],
            [
                "Provider=False ProviderInitializationError",
                "MeshTrustCreated=False MeshTrustCreationError",
                "Ready=True Ready",
            ]
        );
        assert_eq!(of(&lost, &trusted, false)[3], "Ready=False Failure");
        assert_eq!(
            of(&known(Err(SELF_SIGNED)), &trusted, false)[1],
            "Provider=False ProviderValidationError"
        );
        let nobody = MeshIdentity::default();
        let partly = reasons(&conditions(&nobody, None, &Trusted::Unasked, false));
        assert_eq!(partly[1], "Ready=False PartiallyReady");
        let alone = reasons(&needs_services());
        assert_eq!(alone, ["DependenciesReady=False MeshServicesDisabled", "Ready=False Failure"]);
    }
}
