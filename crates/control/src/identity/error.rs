//! Errors of tokens: reasons why one cannot be issued, or is refused.

use crate::store::StoreError;

/// Reason why a token cannot be issued, or is refused.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TokenError {
    /// It cannot be parsed.
    #[error("the token cannot be read: {0}")]
    Malformed(&'static str),
    /// No key has the serial number that it names.
    #[error("there is no signing key `{serial}`")]
    NoKey {
        /// Serial number of the key, or its whole name.
        serial: String,
    },
    /// The signature is not by the key.
    #[error("the signature of the token is wrong")]
    BadSignature,
    /// It has expired.
    #[error("the token has expired")]
    Expired,
    /// It is not valid yet.
    #[error("the token is not valid yet")]
    NotYet,
    /// Its id is in the list of revocations.
    #[error("the token was revoked")]
    Revoked,
    /// The list of revocations exists and cannot be read: any token may be in it.
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
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
