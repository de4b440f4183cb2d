//! Descriptors of Envoy's messages: the committed descriptor set, loaded on first use.

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, MessageDescriptor};

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let bytes: &[u8] = include_bytes!("../descriptors/envoy.binpb");
    #[expect(clippy::expect_used, reason = "the file is part of this program, and a test loads it")]
    DescriptorPool::decode(bytes).expect("descriptors/envoy.binpb is a descriptor set")
});

/// Returns the message that a type URL ends with, if the descriptor set has it.
pub(crate) fn message_of(type_url: &str) -> Option<MessageDescriptor> {
    POOL.get_message_by_name(type_url.rsplit('/').next()?)
}

/// Returns `true` if protobuf JSON writes a message in a form of its own instead of as an object of its fields.
pub(crate) fn has_own_json(full_name: &str) -> bool {
    let Some(name) = full_name.strip_prefix("google.protobuf.") else { return false };
    matches!(
        name,
        "Any" | "Duration" | "Timestamp" | "FieldMask" | "Struct" | "Value" | "ListValue" | "Empty"
    ) || name.ends_with("Value")
}
