//! Secrets about services outside the mesh (spec 07 §15).

use std::sync::Arc;

use plan::ExternalSecret;
use xds::order::ENVOY_SECRET;
use xds::proto::l4;
use xds::{Family, ResourceSet, TypeUrl};

use super::{PrivateKey, envoy};

/// Secret for dialling a service outside the mesh. All in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutsideSecret {
    /// Authorities that must have signed the certificate of the service.
    Authority(Arc<str>),
    /// Client certificate of the proxy.
    Client {
        /// Certificate, and the authorities between it and one that the service trusts.
        chain: Arc<str>,
        /// Key of the certificate.
        key: PrivateKey,
    },
}

impl OutsideSecret {
    /// Adds it to the resources of a proxy, by the name that its clusters use.
    pub fn said(&self, named: &ExternalSecret, family: Family, set: &mut ResourceSet) {
        let name = named.to_string();
        match family {
            Family::Envoy => {
                let body = match self {
                    Self::Authority(pem) => envoy::authority(&name, pem),
                    Self::Client { chain, key } => envoy::certificate(&name, chain, key.pem()),
                };
                set.insert(TypeUrl::new(ENVOY_SECRET), name, body);
            }
            Family::L4 => {
                let (certificate, trust) = match self {
                    Self::Authority(pem) => {
                        (None, Some(l4::Trust { anchors_pem: pem.as_ref().to_owned(), domains: Vec::new() }))
                    }
                    Self::Client { chain, key } => {
                        let (chain_pem, key_pem) = (chain.as_ref().to_owned(), key.pem().to_owned());
                        (Some(l4::Certificate { chain_pem, key_pem }), None)
                    }
                };
                set.insert_message(name.clone(), &l4::Secret { name, certificate, trust });
            }
        }
    }
}
