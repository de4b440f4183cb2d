//! The messages of `envoy.service.discovery.v3`, with the fields that a control plane or a proxy of ours uses.
//!
//! Field numbers are those of the xDS protocol; fields that are not declared here are ignored on arrival, as protobuf
//! has it.

use std::collections::BTreeMap;

use prost::bytes::Bytes;

/// A state-of-the-world request: a subscription, or the answer to a response.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DiscoveryRequest {
    /// The version that the client accepted last; empty before the first.
    #[prost(string, tag = "1")]
    pub version_info: String,
    /// Who asks; at least in the first request of a stream.
    #[prost(message, optional, tag = "2")]
    pub node: Option<Node>,
    /// Which resources; none at first: all, for the types that can be asked for so.
    #[prost(string, repeated, tag = "3")]
    pub resource_names: Vec<String>,
    /// The type of the resources.
    #[prost(string, tag = "4")]
    pub type_url: String,
    /// The response that this answers; empty: none.
    #[prost(string, tag = "5")]
    pub response_nonce: String,
    /// Why that response was refused; absent: it was accepted.
    #[prost(message, optional, tag = "6")]
    pub error_detail: Option<Status>,
}

/// A state-of-the-world response: every subscribed resource of one type.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DiscoveryResponse {
    /// The version of the resources together.
    #[prost(string, tag = "1")]
    pub version_info: String,
    /// The resources.
    #[prost(message, repeated, tag = "2")]
    pub resources: Vec<Any>,
    /// Their type.
    #[prost(string, tag = "4")]
    pub type_url: String,
    /// What the client's answer refers to.
    #[prost(string, tag = "5")]
    pub nonce: String,
    /// Who answers.
    #[prost(message, optional, tag = "6")]
    pub control_plane: Option<ControlPlane>,
}

/// A delta request: a change of subscription, the answer to a response, or both.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DeltaDiscoveryRequest {
    /// Who asks; at least in the first request of a stream.
    #[prost(message, optional, tag = "1")]
    pub node: Option<Node>,
    /// The type of the resources.
    #[prost(string, tag = "2")]
    pub type_url: String,
    /// Names to add; `*`: all.
    #[prost(string, repeated, tag = "3")]
    pub resource_names_subscribe: Vec<String>,
    /// Names to drop; `*`: all that were not added by name.
    #[prost(string, repeated, tag = "4")]
    pub resource_names_unsubscribe: Vec<String>,
    /// What the client still holds from an earlier stream: versions by name. In the first request of a type only.
    #[prost(btree_map = "string, string", tag = "5")]
    pub initial_resource_versions: BTreeMap<String, String>,
    /// The response that this answers; empty: none.
    #[prost(string, tag = "6")]
    pub response_nonce: String,
    /// Why that response was refused; absent: it was accepted.
    #[prost(message, optional, tag = "7")]
    pub error_detail: Option<Status>,
}

/// A delta response: what changed, of one type.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DeltaDiscoveryResponse {
    /// The version of all resources of the type; for people who look.
    #[prost(string, tag = "1")]
    pub system_version_info: String,
    /// Resources that are new or changed.
    #[prost(message, repeated, tag = "2")]
    pub resources: Vec<Resource>,
    /// Their type.
    #[prost(string, tag = "4")]
    pub type_url: String,
    /// What the client's answer refers to.
    #[prost(string, tag = "5")]
    pub nonce: String,
    /// Names of resources that are gone, or never were.
    #[prost(string, repeated, tag = "6")]
    pub removed_resources: Vec<String>,
    /// Who answers.
    #[prost(message, optional, tag = "7")]
    pub control_plane: Option<ControlPlane>,
}

/// One resource in a delta response.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Resource {
    /// The version of this resource.
    #[prost(string, tag = "1")]
    pub version: String,
    /// The message.
    #[prost(message, optional, tag = "2")]
    pub resource: Option<Any>,
    /// The name, unique in its type.
    #[prost(string, tag = "3")]
    pub name: String,
}

/// `google.protobuf.Any`, without a copy of the message's bytes.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Any {
    /// The type of the message.
    #[prost(string, tag = "1")]
    pub type_url: String,
    /// The encoded message.
    #[prost(bytes = "bytes", tag = "2")]
    pub value: Bytes,
}

/// Where a node says what sort of proxy it is.
pub const PROXY_SORT: &str = "dataplane.proxyType";

/// Who a proxy says it is, and what else it tells: most of that is nobody's business here, and may be large.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Node {
    /// `<mesh>.<dataplane name>`, `.<name>` of the proxy of a zone.
    #[prost(string, tag = "1")]
    pub id: String,
    /// The service that the proxy belongs to, for statistics.
    #[prost(string, tag = "2")]
    pub cluster: String,
    /// What its operator or its kuma-dp has it say.
    #[prost(message, optional, tag = "3")]
    pub metadata: Option<Metadata>,
    /// The program, e.g. `envoy`.
    #[prost(string, tag = "6")]
    pub user_agent_name: String,
    /// The version of the program, where it says it as text.
    #[prost(string, tag = "7")]
    pub user_agent_version: String,
    /// The version of the program, where it says it in numbers.
    #[prost(message, optional, tag = "8")]
    pub user_agent_build_version: Option<BuildVersion>,
}

impl Node {
    /// What sort of proxy it says that it is: `dataplane`, `ingress` or `egress`; `None`: it does not say.
    pub fn sort(&self) -> Option<&str> {
        self.text(PROXY_SORT)
    }

    /// The same node, which tells something beside its name.
    #[must_use]
    pub fn telling(mut self, key: &str, value: impl Into<MetadataValue>) -> Self {
        let value = Some(value.into());
        self.metadata.get_or_insert_default().fields.push(Member { key: key.to_owned(), value });
        self
    }

    /// What the proxy tells beside its name under this key; `None`: nothing.
    pub fn told(&self, key: &str) -> Option<&MetadataValue> {
        self.metadata.as_ref()?.member(key)
    }

    /// A text among what the proxy tells beside its name; `None`: it says no such thing.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.told(key)?.text.as_deref()
    }
}

/// A `google.protobuf.Struct`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Metadata {
    /// Its members.
    #[prost(message, repeated, tag = "1")]
    pub fields: Vec<Member>,
}

impl Metadata {
    /// The value of a member; `None`: it has none of that name.
    pub fn member(&self, key: &str) -> Option<&MetadataValue> {
        self.fields.iter().find(|field| field.key == key)?.value.as_ref()
    }
}

/// A member of a `google.protobuf.Struct`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Member {
    /// Its name.
    #[prost(string, tag = "1")]
    pub key: String,
    /// What it is.
    #[prost(message, optional, tag = "2")]
    pub value: Option<MetadataValue>,
}

/// A `google.protobuf.Value`: one of these.
#[derive(Clone, PartialEq, prost::Message)]
pub struct MetadataValue {
    /// A number.
    #[prost(double, optional, tag = "2")]
    pub number: Option<f64>,
    /// A text.
    #[prost(string, optional, tag = "3")]
    pub text: Option<String>,
    /// Yes or no.
    #[prost(bool, optional, tag = "4")]
    pub flag: Option<bool>,
    /// An object.
    #[prost(message, optional, tag = "5")]
    pub object: Option<Metadata>,
    /// A list.
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

/// An object by its members.
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
    /// What is in it.
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<MetadataValue>,
}

/// The version of a proxy program in numbers.
#[derive(Clone, PartialEq, prost::Message)]
pub struct BuildVersion {
    /// Major, minor and patch.
    #[prost(message, optional, tag = "1")]
    pub version: Option<SemanticVersion>,
}

/// Major, minor and patch.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct SemanticVersion {
    /// Breaking changes.
    #[prost(uint32, tag = "1")]
    pub major_number: u32,
    /// Additions.
    #[prost(uint32, tag = "2")]
    pub minor_number: u32,
    /// Repairs.
    #[prost(uint32, tag = "3")]
    pub patch: u32,
}

/// `google.rpc.Status`: why a response was refused.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Status {
    /// A gRPC status code.
    #[prost(int32, tag = "1")]
    pub code: i32,
    /// The reason, in the proxy's own words.
    #[prost(string, tag = "2")]
    pub message: String,
}

/// Who a control plane says it is.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ControlPlane {
    /// The instance.
    #[prost(string, tag = "1")]
    pub identifier: String,
}
