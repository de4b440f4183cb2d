//! Names contained in a message, found without decoding it.

/// Returns `true` if a message contains a text: protobuf writes texts as they are.
pub(super) fn mentions(body: &[u8], name: &str) -> bool {
    !name.is_empty() && body.windows(name.len()).any(|window| window == name.as_bytes())
}
