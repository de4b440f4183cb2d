//! Comparison of an endpoint's answer to a health check with the expected one.

use std::sync::Arc;

/// Returns `true` if all blocks are in the received bytes, in their order, with anything before, between and after
/// them.
pub fn is_expected(received: &[u8], blocks: &[Arc<[u8]>]) -> bool {
    let mut rest = received;
    blocks.iter().all(|block| match find(rest, block) {
        Some(at) => {
            rest = &rest[at + block.len()..];
            true
        }
        None => false,
    })
}

fn find(text: &[u8], block: &[u8]) -> Option<usize> {
    if block.is_empty() {
        return Some(0);
    }
    text.windows(block.len()).position(|window| window == block)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn blocks(blocks: &[&str]) -> Vec<Arc<[u8]>> {
        blocks.iter().map(|block| block.as_bytes().into()).collect()
    }

    #[test]
    fn blocks_come_in_order_with_anything_between() {
        assert!(is_expected(b"+PONG\r\n", &blocks(&["+PONG"])));
        assert!(is_expected(b"a-b-c", &blocks(&["a", "", "c"])));
        assert!(!is_expected(b"c-a", &blocks(&["a", "c"])));
        assert!(!is_expected(b"aa", &blocks(&["a", "a", "a"])));
        assert!(is_expected(b"", &[]) && !is_expected(b"", &blocks(&["a"])));
    }

    proptest! {
        #[test]
        fn what_is_put_together_from_blocks_is_expected(parts in prop::collection::vec(("[ab]{0,3}", "[ab]{0,3}"), 0..5)) {
            let received: String = parts.iter().map(|(filler, block)| format!("{filler}{block}")).collect();
            let wanted: Vec<Arc<[u8]>> = parts.iter().map(|(_, block)| block.as_bytes().into()).collect();
            prop_assert!(is_expected(received.as_bytes(), &wanted));
        }
    }
}
