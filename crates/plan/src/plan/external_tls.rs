//! TLS that a proxy originates to a service outside the mesh (spec 07 §15).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use model::policy::TlsVersion;
use serde::{Serialize, Serializer};

use super::Plan;

/// TLS that a proxy originates to a service outside the mesh. It names secrets; their contents are never part of a
/// plan.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalTls {
    /// SNI; absent: none is sent.
    pub server_name: Option<String>,
    /// Verification of the service's certificate.
    pub verify: ExternalPeer,
    /// Client certificate of the proxy; absent: none.
    pub client_certificate: Option<ExternalSecret>,
}

/// TLS to the endpoints of a destination outside the mesh. Several services may share one name, each with TLS of
/// its own, or none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct OutsideTls {
    first: Option<ExternalTls>,
    /// TLS of the services that differ from the first, by the resource that offers an endpoint.
    others: BTreeMap<String, Option<ExternalTls>>,
}

impl From<Option<ExternalTls>> for OutsideTls {
    /// The same TLS to all endpoints.
    fn from(first: Option<ExternalTls>) -> Self {
        Self { first, others: BTreeMap::new() }
    }
}

impl OutsideTls {
    /// Adds the TLS to the endpoints of one more service.
    pub(crate) fn add(&mut self, offered_by: String, tls: Option<ExternalTls>) {
        if tls != self.first {
            self.others.insert(offered_by, tls);
        }
    }

    /// Returns the TLS to the endpoints that a resource offers, as `Kind mesh/name`; `None`: plaintext.
    pub fn to(&self, offered_by: &str) -> Option<&ExternalTls> {
        self.others.get(offered_by).unwrap_or(&self.first).as_ref()
    }

    /// Returns the TLS to all endpoints; `None`: plaintext.
    ///
    /// # Errors
    ///
    /// [`Mixed`], if their TLS differs.
    pub fn to_all(&self) -> Result<Option<&ExternalTls>, Mixed> {
        if self.others.is_empty() { Ok(self.first.as_ref()) } else { Err(Mixed) }
    }

    /// Returns each distinct TLS to endpoints.
    pub fn each(&self) -> impl Iterator<Item = &ExternalTls> {
        [&self.first].into_iter().chain(self.others.values()).flatten()
    }

    /// Returns the TLS of the first service, and that of the services that differ, by the resource that offers an
    /// endpoint.
    pub(crate) fn parts(&self) -> (Option<&ExternalTls>, &BTreeMap<String, Option<ExternalTls>>) {
        (self.first.as_ref(), &self.others)
    }
}

/// Error: the endpoints of one destination need different TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mixed;

/// Peer that a proxy accepts as a service outside the mesh.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ExternalPeer {
    /// Any peer.
    Anybody,
    /// A peer with a valid certificate.
    Certified {
        /// Authority that must have signed it.
        by: Authority,
        /// Names one of which the certificate must have; empty: any name.
        names: Vec<ExternalName>,
        /// Minimum TLS version; absent: the data plane's default.
        #[serde(serialize_with = "version")]
        min: Option<TlsVersion>,
        /// Maximum TLS version; absent: the data plane's default.
        #[serde(serialize_with = "version")]
        max: Option<TlsVersion>,
    },
}

/// Authority that must have signed the certificate of a service outside the mesh.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Authority {
    /// Authorities that the proxy's host trusts.
    Host,
    /// Authorities with these certificates, in PEM.
    Inline(Arc<str>),
    /// Authorities in a secret.
    Secret(ExternalSecret),
}

/// Name in a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalName {
    /// `true`: an IP address; `false`: a DNS name.
    pub is_address: bool,
    /// `true`: `name` is a prefix.
    pub is_prefix: bool,
    /// Name, or its prefix.
    pub name: String,
}

/// Secret made from the fields of a MeshExternalService or ExternalService, by the process that issues
/// certificates.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExternalSecret {
    /// Content of the secret.
    pub part: ExternalPart,
    /// Mesh of the service.
    pub mesh: String,
    /// Stored name of the MeshExternalService; for an ExternalService `externalservice/` and its name.
    pub service: String,
}

/// Content of a secret about a service outside the mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExternalPart {
    /// `caCert`: the authorities that must have signed the service's certificate.
    Authority,
    /// `clientCert` and `clientKey`: the certificate that the proxy presents.
    Client,
}

impl ExternalTls {
    /// Returns the secrets that it names.
    pub fn secrets(&self) -> impl Iterator<Item = &ExternalSecret> {
        let authority = match &self.verify {
            ExternalPeer::Certified { by: Authority::Secret(secret), .. } => Some(secret),
            ExternalPeer::Certified { .. } | ExternalPeer::Anybody => None,
        };
        authority.into_iter().chain(&self.client_certificate)
    }
}

impl Plan {
    /// Returns the secrets about services outside the mesh that its clusters name, sorted.
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
    /// Writes the name by which proxies ask for it: `external_ca:secret:MESH:SERVICE`, or
    /// `external_cert:secret:MESH:SERVICE`.
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
    /// Serializes as `host`, `inline`, or the name of the secret.
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
