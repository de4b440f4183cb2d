//! Who someone is, by a token that this control plane issued.
//!
//! Tokens are JSON Web Tokens with Kuma's claims. The keys that sign them are resources: `Secret`s of a mesh for its
//! proxies, `GlobalSecret`s for zones and users. A new token is signed by the key with the highest serial number; older
//! keys still verify, until they are deleted. A token whose id is in the list of revocations is refused.
//!
//! Keys that are made here are Ed25519 (`EdDSA`). RSA keys that were made for Kuma work too (`RS256`); its oldest keys,
//! which sign and verify with the same secret (`HS256`), do not.

mod claims;
mod error;
mod jwt;
mod key;
mod memory;
pub(crate) mod secret;
mod tokens;

pub use claims::{Bearer, Claims};
pub use error::TokenError;
pub use tokens::{Tokens, User};

/// An identifier that nobody had before and nobody can guess: a random UUID.
pub(crate) fn fresh_id() -> String {
    uuid::Uuid::new_v4().to_string()
}
