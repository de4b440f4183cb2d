//! Data paths of outbounds, in the bounds of a report.

use std::sync::Arc;

use xds::proto::l4::{OutboundPath, OutboundPaths, TakenPath};

/// Limit on the outbounds of a report, first by name; the others are only counted.
pub const OUTBOUNDS_AT_ONCE: usize = 500;

/// Limit on the length of a name or of a reason, in bytes; longer ones are cut.
pub const PATH_TEXT_BYTES: usize = 1_024;

/// Builds the report of all outbounds, each with the reason in words why the proxy carries its connections; `None`: they
/// are decided in the kernel.
pub fn outbound_paths(outbounds: impl IntoIterator<Item = (Arc<str>, Option<String>)>) -> OutboundPaths {
    let mut outbounds: Vec<(Arc<str>, Option<String>)> = outbounds.into_iter().collect();
    outbounds.sort();
    let left_out = outbounds.len().saturating_sub(OUTBOUNDS_AT_ONCE);
    let told = outbounds.into_iter().take(OUTBOUNDS_AT_ONCE).map(|(listener, why)| OutboundPath {
        listener: cut(&listener),
        path: if why.is_some() { TakenPath::Relay } else { TakenPath::Kernel } as i32,
        why: why.as_deref().map(cut).unwrap_or_default(),
    });
    OutboundPaths { outbounds: told.collect(), left_out: u32::try_from(left_out).unwrap_or(u32::MAX) }
}

fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(PATH_TEXT_BYTES)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outbounds_are_sorted_and_bounded() {
        let many = (0..OUTBOUNDS_AT_ONCE + 7).rev().map(|port| (format!("outbound:{port:04}").into(), None));
        let told = outbound_paths(many);
        assert_eq!((told.outbounds.len(), told.left_out), (OUTBOUNDS_AT_ONCE, 7));
        assert_eq!(told.outbounds[0].listener, "outbound:0000");
        assert_eq!(told.outbounds[0].path(), TakenPath::Kernel);
    }

    #[test]
    fn a_reason_makes_it_the_relay_and_is_cut_between_characters() {
        let why = "ä".repeat(PATH_TEXT_BYTES);
        let told = outbound_paths([("outbound:1".into(), Some(format!("x{why}")))]);
        let outbound = &told.outbounds[0];
        assert_eq!((outbound.path(), outbound.why.len()), (TakenPath::Relay, PATH_TEXT_BYTES - 1));
    }
}
