//! Why there is no token, or why one is refused.

use crate::store::StoreError;

/// Why there is no token, or why one is refused.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TokenError {
    /// It cannot be read.
    #[error("the token cannot be read: {0}")]
    Malformed(&'static str),
    /// No key has the serial number that it names.
    #[error("there is no signing key `{serial}`")]
    NoKey {
        /// Its serial number, or its whole name.
        serial: String,
    },
    /// The key did not sign it.
    #[error("the signature of the token is wrong")]
    BadSignature,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come.
    #[error("the token is not valid yet")]
    NotYet,
    /// Its id is in the list of revocations.
    #[error("the token was revoked")]
    Revoked,
    /// The list of revocations is there and cannot be read: any token may be in it.
    #[error(
        "the list of revoked tokens `{0}` cannot be read, so no token of its kind is accepted: it must be ids, separated by \
         commas, in base64"
    )]
    BadList(String),
    /// A key in the store cannot be used.
    #[error("the signing key `{0}` cannot be used: it must be a private key in PEM, Ed25519 or RSA")]
    BadKey(String),
    /// The system has no randomness.
    #[error("no key can be made here: the system gives no random numbers")]
    NoRandomness,
    /// The store cannot be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
}
