//! TLS that a proxy originates to a service outside the mesh (spec 07 §15).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use model::policy::TlsVersion;
use serde::{Serialize, Serializer};

use super::Plan;

/// TLS that a proxy originates to a service outside the mesh. It names secrets; what is in them stands in no plan.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalTls {
    /// The SNI; absent: none is sent.
    pub server_name: Option<String>,
    /// Whom the proxy takes for the service.
    pub verify: ExternalPeer,
    /// The certificate that the proxy shows; absent: none.
    pub client_certificate: Option<ExternalSecret>,
}

/// How the endpoints of a destination outside the mesh are spoken to. Several services may stand behind one name, each with TLS
/// of its own, or none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct OutsideTls {
    first: Option<ExternalTls>,
    /// Of the services that want another than the first, by who offers an endpoint.
    others: BTreeMap<String, Option<ExternalTls>>,
}

impl From<Option<ExternalTls>> for OutsideTls {
    /// The same to all.
    fn from(first: Option<ExternalTls>) -> Self {
        Self { first, others: BTreeMap::new() }
    }
}

impl OutsideTls {
    /// Adds how the endpoints of one more service are spoken to.
    pub(crate) fn add(&mut self, offered_by: String, tls: Option<ExternalTls>) {
        if tls != self.first {
            self.others.insert(offered_by, tls);
        }
    }

    /// TLS to the endpoints of who offers them, as `Kind mesh/name`; `None`: plaintext.
    pub fn to(&self, offered_by: &str) -> Option<&ExternalTls> {
        self.others.get(offered_by).unwrap_or(&self.first).as_ref()
    }

    /// TLS to all endpoints; `None`: plaintext.
    ///
    /// # Errors
    ///
    /// They are not all spoken to in the same way.
    pub fn to_all(&self) -> Result<Option<&ExternalTls>, Mixed> {
        if self.others.is_empty() { Ok(self.first.as_ref()) } else { Err(Mixed) }
    }

    /// Each way in which endpoints are spoken to by TLS.
    pub fn each(&self) -> impl Iterator<Item = &ExternalTls> {
        [&self.first].into_iter().chain(self.others.values()).flatten()
    }

    /// The TLS of the first service, and of those that want another, by who offers an endpoint.
    pub(crate) fn parts(&self) -> (Option<&ExternalTls>, &BTreeMap<String, Option<ExternalTls>>) {
        (self.first.as_ref(), &self.others)
    }
}

/// Endpoints of one destination are spoken to in different ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mixed;

/// Whom a proxy takes for a service outside the mesh.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ExternalPeer {
    /// Whoever answers.
    Anybody,
    /// Who has a certificate that is in order.
    Certified {
        /// Who must have signed it.
        by: Authority,
        /// The names one of which it must have; empty: any will do.
        names: Vec<ExternalName>,
        /// The least version of TLS; absent: as the data plane has it.
        #[serde(serialize_with = "version")]
        min: Option<TlsVersion>,
        /// The greatest version of TLS; absent: as the data plane has it.
        #[serde(serialize_with = "version")]
        max: Option<TlsVersion>,
    },
}

/// Who must have signed the certificate of a service outside the mesh.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Authority {
    /// Whoever the proxy's host believes.
    Host,
    /// Those whose certificates stand here, in PEM.
    Inline(Arc<str>),
    /// Those in a secret.
    Secret(ExternalSecret),
}

/// A name of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalName {
    /// Whether it is an IP address instead of a DNS name.
    pub is_address: bool,
    /// Whether it may go on.
    pub is_prefix: bool,
    /// The name, or its beginning.
    pub name: String,
}

/// A secret that is made of what a MeshExternalService says, where certificates are issued.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExternalSecret {
    /// What is in it.
    pub part: ExternalPart,
    /// The mesh.
    pub mesh: String,
    /// The stored name of the MeshExternalService; of an ExternalService `externalservice/` and its name.
    pub service: String,
}

/// What is in a secret about an external service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExternalPart {
    /// `caCert`: who must have signed its certificate.
    Authority,
    /// `clientCert` and `clientKey`: what the proxy shows.
    Client,
}

impl ExternalTls {
    /// The secrets that it names.
    pub fn secrets(&self) -> impl Iterator<Item = &ExternalSecret> {
        let authority = match &self.verify {
            ExternalPeer::Certified { by: Authority::Secret(secret), .. } => Some(secret),
            ExternalPeer::Certified { .. } | ExternalPeer::Anybody => None,
        };
        authority.into_iter().chain(&self.client_certificate)
    }
}

impl Plan {
    /// The secrets about services outside the mesh that its clusters name, sorted.
    pub fn external_secrets(&self) -> BTreeSet<ExternalSecret> {
        self.clusters
            .values()
            .filter_map(|it| it.to_outside())
            .flat_map(OutsideTls::each)
            .flat_map(ExternalTls::secrets)
            .cloned()
            .collect()
    }
}

impl fmt::Display for ExternalSecret {
    /// The name by which proxies ask for it: `external_ca:secret:MESH:SERVICE`, or `external_cert:secret:MESH:SERVICE`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = match self.part {
            ExternalPart::Authority => "external_ca",
            ExternalPart::Client => "external_cert",
        };
        write!(f, "{part}:secret:{}:{}", self.mesh, self.service)
    }
}

impl Serialize for ExternalSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Authority {
    /// `host`, `inline`, or the name of the secret.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Authority::Host => serializer.serialize_str("host"),
            Authority::Inline(_) => serializer.serialize_str("inline"),
            Authority::Secret(secret) => secret.serialize(serializer),
        }
    }
}

fn version<S: Serializer>(version: &Option<TlsVersion>, serializer: S) -> Result<S::Ok, S::Error> {
    version.map(TlsVersion::as_str).serialize(serializer)
}
