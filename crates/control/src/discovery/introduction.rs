//! Identity and metadata that a proxy gives in its first request.

use std::sync::Arc;

use plan::ProxyId;
use prost::Message;
use serde_json::{Value, json};
use tonic::Status;
use tonic::codegen::http::HeaderMap;
use xds::Foreign;
use xds::proto::discovery::{Member, Metadata, MetadataValue, Node, PROXY_SORT};

use crate::arrivals::NotTaken;

/// Limit on the length of a node id, in bytes: the longest mesh and name fit.
const NODE_ID_BYTES: usize = 512;
/// Limit on the name and version of a program, in characters; the rest is cut off.
const AGENT_CHARACTERS: usize = 200;
/// Limit on the node metadata that is kept, in bytes: that of a kuma-dp with a Dataplane of 50 inbounds fits.
const METADATA_BYTES: usize = 16 * 1024;
/// Member of the node metadata with the versions of an Envoy and the kuma-dp that started it.
const VERSION: &str = "version";

/// Metadata key with the node id of a proxy of ours, beside the token that proves it.
const SAID_NAME: &str = "meshtcp-node";
/// Metadata key with the sort of a proxy of ours.
const SAID_SORT: &str = "meshtcp-proxy-type";

/// Parses the proxy id that a proxy of ours claims in the head of a request, not yet verified; `None`: it gives none.
pub(super) fn said_proxy(headers: &HeaderMap) -> Option<ProxyId> {
    let said = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    said(SAID_NAME).and_then(|id| ProxyId::of_node(id, said(SAID_SORT)))
}

pub(super) fn proxy_of(node: &Node) -> Result<ProxyId, Status> {
    let sane = (node.id.len() <= NODE_ID_BYTES).then_some(node.id.as_str());
    sane.and_then(|id| ProxyId::of_node(id, node.sort())).ok_or_else(|| {
        let id = Foreign::name(&node.id);
        Status::invalid_argument(format!(
            "`{id}` is no node id: write `<mesh>.<dataplane name>`, or of a zone proxy `.<name>`, with `{PROXY_SORT}` in the \
             metadata: `ingress` or `egress`"
        ))
    })
}

/// Renders the reason why a resource that a proxy brought is rejected.
pub(super) fn not_taken(why: &NotTaken) -> Status {
    let said = why.to_string();
    match why {
        NotTaken::Store(_) => Status::unavailable("the control plane cannot store it now: try again"),
        NotTaken::Invalid(_) => Status::invalid_argument(said),
        NotTaken::NoMesh(_) | NotTaken::ReadOnly(_) | NotTaken::NotIts(_) => {
            Status::failed_precondition(said)
        }
    }
}

pub(super) fn agent(node: &Node) -> String {
    let numbers = node.user_agent_build_version.as_ref().and_then(|build| build.version);
    let version = numbers.map(|v| format!("{}.{}.{}", v.major_number, v.minor_number, v.patch));
    let version = version.unwrap_or_else(|| node.user_agent_version.clone());
    let name = node.user_agent_name.as_str();
    let version = match version.is_empty() {
        true => version_of(node, name).unwrap_or_default(),
        false => version,
    };
    shortened(format!("{} {}", shortened(name), shortened(&version)).trim())
}

/// Returns the version of the kuma-dp that started a node; `None`: it was not started by one, or does not give it.
pub(super) fn kuma_dp(node: &Node) -> Option<String> {
    version_of(node, "kumaDp").map(|version| shortened(&version))
}

/// Returns the version of a program in the metadata of a node.
fn version_of(node: &Node, program: &str) -> Option<String> {
    let told = node.told(VERSION)?.object.as_ref()?.member(program)?;
    told.object.as_ref()?.member("version")?.text.clone()
}

/// Shortens a text to what is shown: it is kept as long as the proxy is.
fn shortened(text: &str) -> String {
    text.chars().take(AGENT_CHARACTERS).collect()
}

/// Returns the metadata of a node as JSON; `None`: there is none, or it exceeds the limit.
pub(super) fn metadata(node: &Node) -> Option<Arc<Value>> {
    let told = node.metadata.as_ref().filter(|told| told.encoded_len() <= METADATA_BYTES)?;
    Some(Arc::new(object(told)))
}

fn object(Metadata { fields }: &Metadata) -> Value {
    let member = |field: &Member| (field.key.clone(), field.value.as_ref().map_or(Value::Null, value));
    Value::Object(fields.iter().map(member).collect())
}

fn value(MetadataValue { number, text, flag, object: members, list }: &MetadataValue) -> Value {
    // in bounds, and whole: such numbers are written as integers
    let whole = number
        .filter(|number| number.fract() == 0.0 && number.abs() < 1e15)
        .map(|number| json!(number as i64));
    let of_list = || list.as_ref().map(|list| list.values.iter().map(value).collect());
    let found = whole.or_else(|| number.map(|number| json!(number)));
    let found =
        found.or_else(|| text.as_ref().map(|text| json!(text))).or_else(|| flag.map(|flag| json!(flag)));
    found.or_else(|| members.as_ref().map(object)).or_else(of_list).unwrap_or_default()
}
