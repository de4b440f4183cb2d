//! JSON Web Tokens in their compact form (RFC 7515), and nothing of the rest of that family.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::error::TokenError;
use super::key::SigningKey;

/// Limit on the length of a token, in bytes; usual ones have a few hundred.
const MAX_LENGTH: usize = 16 * 1024;

/// Parsed token. Nothing in it may be trusted before [`Unverified::verify`].
pub(super) struct Unverified<'t> {
    algorithm: String,
    /// Serial number of the key that claims to have signed it.
    pub(super) key: String,
    /// Claims, unverified.
    pub(super) claims: Value,
    signed: &'t str,
    signature: Vec<u8>,
}

/// Signs claims with the key of a serial number. `None`: the key cannot sign now.
pub(super) fn signed(claims: &Value, serial: u64, key: &SigningKey) -> Option<String> {
    let header = json!({ "alg": key.algorithm(), "kid": serial.to_string(), "typ": "JWT" });
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let message = format!("{}.{}", encode(&header), encode(claims));
    let signature = key.sign(message.as_bytes())?;
    Some(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

impl<'t> Unverified<'t> {
    /// Parses a token.
    pub(super) fn read(token: &'t str) -> Result<Self, TokenError> {
        let malformed = TokenError::Malformed("it is no JSON Web Token");
        if token.len() > MAX_LENGTH {
            return Err(malformed);
        }
        let (signed, signature) =
            token.rsplit_once('.').ok_or(TokenError::Malformed("it is no JSON Web Token"))?;
        let (header, claims) =
            signed.split_once('.').ok_or(TokenError::Malformed("it is no JSON Web Token"))?;
        let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
        let tree = |part: &str| -> Option<Value> { serde_json::from_slice(&bytes(part)?).ok() };
        let (Some(header), Some(claims), Some(signature)) = (tree(header), tree(claims), bytes(signature))
        else {
            return Err(malformed);
        };
        let text = |key: &str| header[key].as_str().map(str::to_owned);
        let algorithm = text("alg").ok_or(TokenError::Malformed("it does not say how it is signed"))?;
        let key = text("kid").ok_or(TokenError::Malformed("it does not say which key signed it"))?;
        if header.get("crit").is_some() {
            return Err(TokenError::Malformed("it asks for what is not known here"));
        }
        Ok(Self { algorithm, key, claims, signed, signature })
    }

    /// Returns the claims, if this key signed them with its algorithm.
    pub(super) fn verify(self, key: &SigningKey) -> Result<Value, TokenError> {
        let Self { algorithm, key: _, claims, signed, signature } = self;
        if algorithm != key.algorithm() || !key.verifies(signed.as_bytes(), &signature) {
            return Err(TokenError::BadSignature);
        }
        Ok(claims)
    }
}
