//! Contexts: settings common to all connections of one side.

use std::sync::Arc;

use l4::config::{ClientCertificate, OutsidePeer, OutsideTerms, TlsTerms, TrustedAuthorities};
use s2n_tls::callbacks::{CertValidationCallbackSync, CertValidationInfo, VerifyHostNameCallback};
use s2n_tls::config::{Builder, Config};
use s2n_tls::connection::Connection;
use s2n_tls::enums::ClientAuthType;
use s2n_tls::error::Error;
use s2n_tls::security::Policy;

use crate::limits::named;
use crate::outside::OutsideRule;
use crate::pem::blocks;
use crate::rule::{Distrust, PeerIdentity, PeerRule, end_of};
use crate::wire::believe_anybody;

/// Side of a connection that a context is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Accepts connections, and requires a certificate of every client. No protocol is chosen (ALPN): a client may
    /// offer any.
    Accept,
    /// Opens connections, and offers these protocols (ALPN), each of 1 to 255 bytes.
    Connect(Vec<Arc<str>>),
}

/// Settings common to all connections of one side.
///
/// Cheap to clone. Connections keep the context that they began with: another certificate or another rule is another
/// context.
#[derive(Clone, Debug)]
pub struct TlsContext {
    pub(crate) config: Config,
    /// Expiry of its own certificate, in seconds since 1970; `None`: unreadable, or no certificate.
    not_after: Option<i64>,
}

/// Reason why a context cannot be created.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContextError {
    /// The certificate and key of this proxy have not arrived.
    #[error("the certificate of this proxy has not arrived yet")]
    NoIdentity,
    /// The trusted authorities have not arrived.
    #[error("the authorities that are to be believed have not arrived yet")]
    NoTrust,
    /// The certificate and the key do not match, or cannot be read.
    #[error("the certificate and its key cannot be used: {0}")]
    Identity(&'static str),
    /// An authority cannot be read.
    #[error("{0}")]
    Trust(String),
    /// No policy of the library has exactly a subset of the allowed versions and cipher suites.
    #[error(
        "TLS 1.2 with only these cipher suites cannot be spoken; allow TLS 1.3, or all of ECDHE-*-AES*-GCM"
    )]
    Limits,
    /// The library rejects the settings.
    #[error("the TLS library refuses the settings: {0}")]
    Other(&'static str),
}

impl TlsContext {
    /// Loads certificates and key, and checks that they can be used.
    ///
    /// # Errors
    /// If something has not arrived, cannot be read, or does not match.
    pub fn new(purpose: &Purpose, terms: &TlsTerms) -> Result<Self, ContextError> {
        let TlsTerms { identity, trust, names, limits } = terms;
        let identity = identity.as_ref().ok_or(ContextError::NoIdentity)?;
        let trust = trust.as_ref().ok_or(ContextError::NoTrust)?;
        let policy = named(limits).ok_or(ContextError::Limits)?;
        let mut builder = Config::builder();
        builder
            .load_pem(identity.chain.as_bytes(), identity.key.as_bytes())
            .map_err(|error| ContextError::Identity(error.message()))?;
        let mut refused = None;
        let rule = PeerRule::new(trust, names, |anchor| {
            if let Err(error) = builder.trust_pem(anchor.as_bytes()) {
                refused.get_or_insert(error.message());
            }
        });
        let rule = rule.map_err(ContextError::Trust)?;
        if let Some(why) = refused {
            return Err(ContextError::Trust(format!("an authority cannot be used: {why}")));
        }
        let other = |error: Error| ContextError::Other(error.message());
        settle(&mut builder, policy, purpose).map_err(other)?;
        builder.set_cert_validation_callback_sync(Judge::Mesh(rule)).map_err(other)?;
        let config = builder.build().map_err(other)?;
        Ok(Self { config, not_after: end_of(&identity.chain) })
    }

    /// Creates a context for connections to a service outside the mesh. Authorities of the host that the library
    /// rejects are left out: no operator has chosen them.
    ///
    /// # Errors
    /// If something has not arrived, cannot be read, or does not match.
    pub fn to_outside(terms: &OutsideTerms) -> Result<Self, ContextError> {
        let OutsideTerms { shows, peer, limits } = terms;
        let policy = named(limits).ok_or(ContextError::Limits)?;
        let other = |error: Error| ContextError::Other(error.message());
        let mut builder = Config::builder();
        let not_after = match shows {
            ClientCertificate::Nothing => None,
            ClientCertificate::Missing => return Err(ContextError::NoIdentity),
            ClientCertificate::Certificate(identity) => {
                builder
                    .load_pem(identity.chain.as_bytes(), identity.key.as_bytes())
                    .map_err(|error| ContextError::Identity(error.message()))?;
                end_of(&identity.chain)
            }
        };
        settle(&mut builder, policy, &Purpose::Connect(Vec::new())).map_err(other)?;
        match peer {
            OutsidePeer::Anybody => believe_anybody(&mut builder).map_err(other)?,
            OutsidePeer::Certified { by, names } => {
                trust_outside(&mut builder, by)?;
                let judge = Judge::Outside(OutsideRule(names.clone()));
                builder.set_cert_validation_callback_sync(judge).map_err(other)?;
            }
        }
        let config = builder.build().map_err(other)?;
        Ok(Self { config, not_after })
    }

    /// Expiry of its own certificate, in seconds since 1970; `None`: unknown.
    pub fn not_after(&self) -> Option<i64> {
        self.not_after
    }
}

/// Configures the authorities for a service outside the mesh.
fn trust_outside(builder: &mut Builder, by: &TrustedAuthorities) -> Result<(), ContextError> {
    let (text, is_chosen) = match by {
        TrustedAuthorities::Missing | TrustedAuthorities::Host(None) => return Err(ContextError::NoTrust),
        TrustedAuthorities::Host(Some(text)) => (text, false),
        TrustedAuthorities::These(text) => (text, true),
    };
    let mut trusted = 0;
    for (index, block) in blocks(text).enumerate() {
        match builder.trust_pem(block.as_bytes()) {
            Ok(_) => trusted += 1,
            Err(error) if is_chosen => {
                let why = format!("authority {} cannot be used: {}", index + 1, error.message());
                return Err(ContextError::Trust(why));
            }
            Err(_) => {}
        }
    }
    if trusted == 0 {
        Err(ContextError::Trust("there is no authority to be believed".into()))
    } else {
        Ok(())
    }
}

fn settle(builder: &mut Builder, policy: &str, purpose: &Purpose) -> Result<(), Error> {
    builder.set_security_policy(&Policy::from_version(policy)?)?;
    builder.with_system_certs(false)?;
    // the library delays the end of a failed connection, against attacks on cipher suites that are not used here
    builder.set_max_blinding_delay(0)?;
    builder.set_verify_host_callback(EveryName)?;
    match purpose {
        Purpose::Accept => {
            builder.set_client_auth_type(ClientAuthType::Required)?;
        }
        Purpose::Connect(protocols) => {
            builder.set_client_auth_type(ClientAuthType::Optional)?;
            builder
                .set_application_protocol_preference(protocols.iter().map(|protocol| protocol.as_bytes()))?;
        }
    }
    Ok(())
}

/// Accepts every host name: names are verified by the rule, which sees them all at once.
struct EveryName;

impl VerifyHostNameCallback for EveryName {
    fn verify_host_name(&self, _name: &str) -> bool {
        true
    }
}

/// Callback that has a rule judge a peer whose chain the library verified.
enum Judge {
    Mesh(PeerRule),
    Outside(OutsideRule),
}

/// Verdict of the rule, kept with the connection.
pub(crate) struct Judged(pub(crate) Result<PeerIdentity, Distrust>);

impl CertValidationCallbackSync for Judge {
    fn handle_validation(&self, connection: &mut Connection, _: &mut CertValidationInfo) -> bool {
        let chain = connection.peer_cert_chain().and_then(|chain| {
            chain
                .iter()
                .map(|certificate| Ok(certificate?.der()?.to_vec()))
                .collect::<Result<Vec<_>, Error>>()
        });
        let judged = match chain {
            Ok(chain) => match self {
                Judge::Mesh(rule) => rule.judge(&chain),
                Judge::Outside(rule) => rule.judge(&chain),
            },
            Err(_) => Err(Distrust::Unreadable),
        };
        let believed = judged.is_ok();
        connection.set_application_context(Judged(judged));
        believed
    }
}
