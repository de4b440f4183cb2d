//! Identity of callers and proxies, proven by tokens that this control plane issued, and certificates.
//!
//! Tokens are JSON Web Tokens with Kuma's claims. The keys that sign them are resources: `Secret`s of a mesh for its
//! proxies, `GlobalSecret`s for zones and users. A new token is signed by the key with the highest serial number; older
//! keys still verify, until they are deleted. A token whose id is in the list of revocations is refused.
//!
//! Keys that are made here are RSA (`RS256`), as those that were made for Kuma. Ed25519 keys (`EdDSA`), which were made
//! here before, work too; Kuma's oldest keys, which sign and verify with the same secret (`HS256`), do not.

mod authority;
mod certified;
mod claims;
mod error;
mod issue;
mod issuer;
mod jwt;
mod keeper;
mod key;
mod memory;
pub(crate) mod mesh_secrets;
mod outside;
mod rsa;
pub(crate) mod secret;
mod sources;
mod tokens;

pub use certified::Certified;
pub use claims::{Bearer, Claims};
pub use error::TokenError;
pub use issue::LeafKeys;
pub(crate) use issue::{HeldCertificate, flaws as flaws_of};
pub(crate) use issuer::ToldToOthers;
pub use issuer::{Issuer, IssuerAnswer, IssuerMetrics, IssuerOptions, holder};
pub use keeper::keep;
pub use outside::OutsideSecrets;
pub(crate) use sources::{Data, provided};
pub use tokens::{Tokens, User};

/// Returns an identifier that is unique and cannot be guessed: a random UUID.
pub(crate) fn fresh_id() -> String {
    uuid::Uuid::new_v4().to_string()
}
