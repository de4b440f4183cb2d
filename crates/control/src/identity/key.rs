//! Signing keys of tokens.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::RsaKeySize;
use ring::rand::SystemRandom;
use ring::signature::{
    ED25519, Ed25519KeyPair, KeyPair, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair,
    UnparsedPublicKey,
};

use super::rsa::{pkcs1, rsa};

/// Key that signs and verifies tokens.
pub(super) enum SigningKey {
    Ed25519(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>),
}

impl fmt::Debug for SigningKey {
    /// Never writes the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.algorithm())
    }
}

impl SigningKey {
    /// Generates a key, in PEM: RSA, which the zones of a Global verify too. `None`: the system has no randomness.
    pub(super) async fn generate() -> Option<String> {
        tokio::task::spawn_blocking(|| pkcs1(&rsa(RsaKeySize::_2048)?)).await.ok()?
    }

    /// Parses a private key in PEM: PKCS #8 of Ed25519 or RSA, or PKCS #1 of RSA.
    pub(super) fn read(pem: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(pem).ok()?;
        let (_, rest) = text.split_once("-----BEGIN ")?;
        let (label, rest) = rest.split_once("-----")?;
        let (body, _) = rest.split_once("-----END ")?;
        let body: String = body.chars().filter(|c| !c.is_whitespace()).collect();
        let der = STANDARD.decode(body).ok()?;
        let rsa = |pair: Result<RsaKeyPair, _>| pair.ok().map(|pair| Self::Rsa(Box::new(pair)));
        match label {
            "RSA PRIVATE KEY" => rsa(RsaKeyPair::from_der(&der)),
            "PRIVATE KEY" => match Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der) {
                Ok(pair) => Some(Self::Ed25519(pair)),
                Err(_) => rsa(RsaKeyPair::from_pkcs8(&der)),
            },
            _ => None,
        }
    }

    /// Algorithm name in the header of a token.
    pub(super) fn algorithm(&self) -> &'static str {
        match self {
            SigningKey::Ed25519(_) => "EdDSA",
            SigningKey::Rsa(_) => "RS256",
        }
    }

    /// Signs a message. `None`: the system has no randomness.
    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        match self {
            SigningKey::Ed25519(pair) => Some(pair.sign(message).as_ref().to_vec()),
            SigningKey::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).ok()?;
                Some(signature)
            }
        }
    }

    /// Returns `true` if it signed this message.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            SigningKey::Ed25519(pair) => UnparsedPublicKey::new(&ED25519, pair.public_key().as_ref())
                .verify(message, signature)
                .is_ok(),
            SigningKey::Rsa(pair) => {
                let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref());
                public.verify(message, signature).is_ok()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_verifies_what_it_signed_and_nothing_else() {
        let pem = SigningKey::generate().await.unwrap();
        assert!(pem.starts_with("-----BEGIN RSA PRIVATE KEY-----\n"), "{pem}");
        let rsa = SigningKey::read(pem.as_bytes()).unwrap();
        // as keys were made before
        let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let ed25519 = SigningKey::read(trust::pem("PRIVATE KEY", der.as_ref()).as_bytes()).unwrap();
        for (key, other) in [(&rsa, &ed25519), (&ed25519, &rsa)] {
            let signature = key.sign(b"message").unwrap();
            assert!(key.verifies(b"message", &signature));
            assert!(!key.verifies(b"massage", &signature));
            assert!(!other.verifies(b"message", &signature));
        }
        assert_eq!(format!("{rsa:?} {ed25519:?}"), "SigningKey(RS256) SigningKey(EdDSA)");
        assert!(SigningKey::read(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----").is_none());
        assert!(SigningKey::read(b"secret").is_none());
    }
}
