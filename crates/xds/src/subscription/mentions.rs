//! Which names a message has in it, without decoding it.

/// Whether a message has a text in it: protobuf writes texts as they are.
pub(super) fn mentions(body: &[u8], name: &str) -> bool {
    !name.is_empty() && body.windows(name.len()).any(|window| window == name.as_bytes())
}
