//! Data paths of a proxy's outbounds, as the proxy reports them.

use jiff::Timestamp;
use l4::traffic::{OUTBOUNDS_AT_ONCE, PATH_TEXT_BYTES};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xds::proto::l4::{self as wire, OutboundPaths};

/// Data paths of a proxy's outbounds, as it last reported them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReportedPaths {
    /// Time of the report: of the last change, or of the beginning of its reports.
    pub at: Timestamp,
    /// `true`: the proxy no longer reports, so its outbounds may take other paths by now.
    #[serde(default)]
    pub stale: bool,
    /// Outbounds, by name: the first 500.
    pub outbounds: Vec<OutboundPath>,
    /// Number of further outbounds, which are not listed.
    #[serde(default)]
    pub left_out: u32,
}

/// Data path of an outbound's connections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutboundPath {
    /// Name of the listener, e.g. `outbound:127.0.0.1:13306`.
    pub listener: String,
    /// Data path in use.
    pub path: TakenPath,
    /// Reason in words why the proxy carries the connections; absent: they are decided in the kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Data path in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TakenPath {
    /// Directly to the endpoint, decided in the kernel.
    Kernel,
    /// Through the proxy.
    Relay,
}

impl TakenPath {
    /// All values.
    pub const ALL: [TakenPath; 2] = [TakenPath::Kernel, TakenPath::Relay];

    /// Name: `kernel` or `relay`.
    pub const fn as_str(self) -> &'static str {
        match self {
            TakenPath::Kernel => "kernel",
            TakenPath::Relay => "relay",
        }
    }
}

/// Reason why reported paths are rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnfitPaths {
    /// There are more outbounds than are allowed.
    #[error("a report may have the paths of {OUTBOUNDS_AT_ONCE} outbounds, not {0}")]
    TooMany(usize),
    /// A name or a reason is too long.
    #[error("a name or a reason of `paths` has more than {PATH_TEXT_BYTES} bytes")]
    TooLong,
}

impl ReportedPaths {
    /// Parses the paths that a proxy reported at this time. An outbound whose path has no name here, as of a newer proxy,
    /// is left out.
    ///
    /// # Errors
    /// They exceed the limits of a report.
    pub fn read(
        OutboundPaths { outbounds, left_out }: OutboundPaths,
        at: Timestamp,
    ) -> Result<Self, UnfitPaths> {
        if outbounds.len() > OUTBOUNDS_AT_ONCE {
            return Err(UnfitPaths::TooMany(outbounds.len()));
        }
        let is_long = |text: &String| text.len() > PATH_TEXT_BYTES;
        if outbounds.iter().any(|outbound| is_long(&outbound.listener) || is_long(&outbound.why)) {
            return Err(UnfitPaths::TooLong);
        }
        let all = outbounds.len();
        let outbounds: Vec<OutboundPath> = outbounds.into_iter().filter_map(outbound).collect();
        let unknown = u32::try_from(all - outbounds.len()).unwrap_or(u32::MAX);
        Ok(Self { at, stale: false, outbounds, left_out: left_out.saturating_add(unknown) })
    }

    /// Number of listed outbounds that take a path.
    pub fn count(&self, path: TakenPath) -> usize {
        self.outbounds.iter().filter(|outbound| outbound.path == path).count()
    }
}

fn outbound(outbound: wire::OutboundPath) -> Option<OutboundPath> {
    let path = match outbound.path() {
        wire::TakenPath::Unknown => return None,
        wire::TakenPath::Relay => TakenPath::Relay,
        wire::TakenPath::Kernel => TakenPath::Kernel,
    };
    let wire::OutboundPath { listener, path: _, why } = outbound;
    Some(OutboundPath { listener, path, why: (!why.is_empty()).then_some(why) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(listener: &str, path: i32, why: &str) -> wire::OutboundPath {
        wire::OutboundPath { listener: listener.into(), path, why: why.into() }
    }

    fn read(outbounds: Vec<wire::OutboundPath>) -> Result<ReportedPaths, UnfitPaths> {
        ReportedPaths::read(OutboundPaths { outbounds, left_out: 3 }, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_path_without_a_name_here_is_left_out_and_not_taken_for_another() {
        let paths =
            read(vec![said("a", 2, ""), said("b", 1, "asked"), said("c", 9, ""), said("d", 0, "")]).unwrap();
        let listed: Vec<_> = paths.outbounds.iter().map(|it| (it.path, it.why.as_deref())).collect();
        assert_eq!(listed, [(TakenPath::Kernel, None), (TakenPath::Relay, Some("asked"))]);
        assert_eq!((paths.left_out, TakenPath::ALL.map(|path| paths.count(path))), (5, [1, 1]));
    }

    #[test]
    fn what_exceeds_the_limits_of_a_report_is_not_taken() {
        let long = "x".repeat(PATH_TEXT_BYTES + 1);
        assert_eq!(read(vec![said(&long, 1, "")]), Err(UnfitPaths::TooLong));
        assert_eq!(read(vec![said("a", 1, &long)]), Err(UnfitPaths::TooLong));
        let many = vec![said("a", 1, ""); OUTBOUNDS_AT_ONCE + 1];
        assert_eq!(read(many), Err(UnfitPaths::TooMany(OUTBOUNDS_AT_ONCE + 1)));
    }
}
