//! Messages of `envoy.service.discovery.v3`, with the fields that our control plane and proxy use.
//!
//! Field numbers are those of the xDS protocol; fields that are not declared here are ignored on arrival, as usual in
//! protobuf.

use std::collections::BTreeMap;

use prost::bytes::Bytes;

/// State-of-the-world request: a subscription, or the ACK or NACK of a response.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DiscoveryRequest {
    /// Version that the client accepted last; empty before the first.
    #[prost(string, tag = "1")]
    pub version_info: String,
    /// Node that sends the request; at least in the first request of a stream.
    #[prost(message, optional, tag = "2")]
    pub node: Option<Node>,
    /// Names of the resources; empty in the first request: all, for types that support a wildcard.
    #[prost(string, repeated, tag = "3")]
    pub resource_names: Vec<String>,
    /// Type of the resources.
    #[prost(string, tag = "4")]
    pub type_url: String,
    /// Nonce of the response that this request answers; empty: none.
    #[prost(string, tag = "5")]
    pub response_nonce: String,
    /// Reason for refusing that response (NACK); absent: it was accepted (ACK).
    #[prost(message, optional, tag = "6")]
    pub error_detail: Option<Status>,
}

/// State-of-the-world response: every subscribed resource of one type.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DiscoveryResponse {
    /// Version of the resources together.
    #[prost(string, tag = "1")]
    pub version_info: String,
    /// Resources of the type that are subscribed to.
    #[prost(message, repeated, tag = "2")]
    pub resources: Vec<Any>,
    /// Type of the resources.
    #[prost(string, tag = "4")]
    pub type_url: String,
    /// Nonce that the client's answer repeats.
    #[prost(string, tag = "5")]
    pub nonce: String,
    /// Control plane that sends the response.
    #[prost(message, optional, tag = "6")]
    pub control_plane: Option<ControlPlane>,
}

/// Delta request: a change of the subscription, the ACK or NACK of a response, or both.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DeltaDiscoveryRequest {
    /// Node that sends the request; at least in the first request of a stream.
    #[prost(message, optional, tag = "1")]
    pub node: Option<Node>,
    /// Type of the resources.
    #[prost(string, tag = "2")]
    pub type_url: String,
    /// Names to add; `*`: all.
    #[prost(string, repeated, tag = "3")]
    pub resource_names_subscribe: Vec<String>,
    /// Names to drop; `*`: all that were not added by name.
    #[prost(string, repeated, tag = "4")]
    pub resource_names_unsubscribe: Vec<String>,
    /// Versions, by name, of the resources that the client holds from an earlier stream. In the first request of a type
    /// only.
    #[prost(btree_map = "string, string", tag = "5")]
    pub initial_resource_versions: BTreeMap<String, String>,
    /// Nonce of the response that this request answers; empty: none.
    #[prost(string, tag = "6")]
    pub response_nonce: String,
    /// Reason for refusing that response (NACK); absent: it was accepted (ACK).
    #[prost(message, optional, tag = "7")]
    pub error_detail: Option<Status>,
}

/// Delta response: the changes of one type.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DeltaDiscoveryResponse {
    /// Version of all resources of the type; informational only.
    #[prost(string, tag = "1")]
    pub system_version_info: String,
    /// Resources that are new or changed.
    #[prost(message, repeated, tag = "2")]
    pub resources: Vec<Resource>,
    /// Type of the resources.
    #[prost(string, tag = "4")]
    pub type_url: String,
    /// Nonce that the client's answer repeats.
    #[prost(string, tag = "5")]
    pub nonce: String,
    /// Names of resources that were removed or never existed.
    #[prost(string, repeated, tag = "6")]
    pub removed_resources: Vec<String>,
    /// Control plane that sends the response.
    #[prost(message, optional, tag = "7")]
    pub control_plane: Option<ControlPlane>,
}

/// One resource in a delta response.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Resource {
    /// Version of this resource.
    #[prost(string, tag = "1")]
    pub version: String,
    /// Resource message in its `Any` envelope.
    #[prost(message, optional, tag = "2")]
    pub resource: Option<Any>,
    /// Name of the resource, unique in its type.
    #[prost(string, tag = "3")]
    pub name: String,
}

/// `google.protobuf.Any`, without a copy of the message's bytes.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Any {
    /// Type URL of the message.
    #[prost(string, tag = "1")]
    pub type_url: String,
    /// Encoded message.
    #[prost(bytes = "bytes", tag = "2")]
    pub value: Bytes,
}

/// Key of the proxy type in the metadata of a node.
pub const PROXY_SORT: &str = "dataplane.proxyType";

/// Identity and metadata of a proxy. Most of the metadata is not used here, and it may be large.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Node {
    /// Node id: `<mesh>.<dataplane name>`; `.<name>` for a zone proxy.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Service that the proxy belongs to, for statistics.
    #[prost(string, tag = "2")]
    pub cluster: String,
    /// Metadata that the proxy's operator or its kuma-dp configured.
    #[prost(message, optional, tag = "3")]
    pub metadata: Option<Metadata>,
    /// Name of the program, e.g. `envoy`.
    #[prost(string, tag = "6")]
    pub user_agent_name: String,
    /// Version of the program, if sent as text.
    #[prost(string, tag = "7")]
    pub user_agent_version: String,
    /// Version of the program, if sent as numbers.
    #[prost(message, optional, tag = "8")]
    pub user_agent_build_version: Option<BuildVersion>,
}

impl Node {
    /// Proxy type that the node reports: `dataplane`, `ingress` or `egress`; `None`: it reports none.
    pub fn sort(&self) -> Option<&str> {
        self.text(PROXY_SORT)
    }

    /// Returns the node with one metadata member added.
    #[must_use]
    pub fn telling(mut self, key: &str, value: impl Into<MetadataValue>) -> Self {
        let value = Some(value.into());
        self.metadata.get_or_insert_default().fields.push(Member { key: key.to_owned(), value });
        self
    }

    /// Value of the metadata member `key`; `None`: there is none.
    pub fn told(&self, key: &str) -> Option<&MetadataValue> {
        self.metadata.as_ref()?.member(key)
    }

    /// Text value of the metadata member `key`; `None`: it is absent or no text.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.told(key)?.text.as_deref()
    }
}

/// A `google.protobuf.Struct`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Metadata {
    /// Members of the object.
    #[prost(message, repeated, tag = "1")]
    pub fields: Vec<Member>,
}

impl Metadata {
    /// Returns the value of a member; `None` if there is no member of that name.
    pub fn member(&self, key: &str) -> Option<&MetadataValue> {
        self.fields.iter().find(|field| field.key == key)?.value.as_ref()
    }
}

/// A member of a `google.protobuf.Struct`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Member {
    /// Name of the member.
    #[prost(string, tag = "1")]
    pub key: String,
    /// Value of the member.
    #[prost(message, optional, tag = "2")]
    pub value: Option<MetadataValue>,
}

/// A `google.protobuf.Value`: one of the following.
#[derive(Clone, PartialEq, prost::Message)]
pub struct MetadataValue {
    /// Number value.
    #[prost(double, optional, tag = "2")]
    pub number: Option<f64>,
    /// String value.
    #[prost(string, optional, tag = "3")]
    pub text: Option<String>,
    /// Boolean value.
    #[prost(bool, optional, tag = "4")]
    pub flag: Option<bool>,
    /// Object value.
    #[prost(message, optional, tag = "5")]
    pub object: Option<Metadata>,
    /// List value.
    #[prost(message, optional, tag = "6")]
    pub list: Option<List>,
}

impl From<&str> for MetadataValue {
    fn from(text: &str) -> Self {
        Self { text: Some(text.to_owned()), ..Self::default() }
    }
}

impl From<u16> for MetadataValue {
    fn from(number: u16) -> Self {
        Self { number: Some(number.into()), ..Self::default() }
    }
}

impl From<bool> for MetadataValue {
    fn from(flag: bool) -> Self {
        Self { flag: Some(flag), ..Self::default() }
    }
}

impl From<&[&str]> for MetadataValue {
    fn from(texts: &[&str]) -> Self {
        let values = texts.iter().map(|text| (*text).into()).collect();
        Self { list: Some(List { values }), ..Self::default() }
    }
}

/// Object of the given members.
impl<const N: usize> From<[(&str, MetadataValue); N]> for MetadataValue {
    fn from(members: [(&str, MetadataValue); N]) -> Self {
        let member = |(key, value): (&str, _)| Member { key: key.to_owned(), value: Some(value) };
        let fields = members.into_iter().map(member).collect();
        Self { object: Some(Metadata { fields }), ..Self::default() }
    }
}

/// A `google.protobuf.ListValue`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct List {
    /// Elements of the list.
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<MetadataValue>,
}

/// Version of a proxy program as numbers.
#[derive(Clone, PartialEq, prost::Message)]
pub struct BuildVersion {
    /// Major, minor and patch.
    #[prost(message, optional, tag = "1")]
    pub version: Option<SemanticVersion>,
}

/// Semantic version: major, minor and patch.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct SemanticVersion {
    /// Major number: breaking changes.
    #[prost(uint32, tag = "1")]
    pub major_number: u32,
    /// Minor number: additions.
    #[prost(uint32, tag = "2")]
    pub minor_number: u32,
    /// Patch number: fixes.
    #[prost(uint32, tag = "3")]
    pub patch: u32,
}

/// `google.rpc.Status`: the reason why a response was refused.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Status {
    /// gRPC status code.
    #[prost(int32, tag = "1")]
    pub code: i32,
    /// Reason in the proxy's own words.
    #[prost(string, tag = "2")]
    pub message: String,
}

/// Identity of a control plane.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ControlPlane {
    /// Instance of the control plane.
    #[prost(string, tag = "1")]
    pub identifier: String,
}
