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
    use ring::rand::SecureRandom;
    let mut bytes = [0u8; 16];
    if ring::rand::SystemRandom::new().fill(&mut bytes).is_err() {
        // without the system's randomness there are no keys either; an id need only be new
        let now = jiff::Timestamp::now().as_nanosecond().to_be_bytes();
        bytes.copy_from_slice(&now);
    }
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}
