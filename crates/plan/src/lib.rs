//! What each proxy must do, and why.
//!
//! ```text
//!  Snapshot ──seen_by──▶ View ──matched(kind)──▶ Matched ──merge──▶ Rules ──routing──▶ Plan
//! ```

mod merge;
mod plan;
mod rules;
mod snapshot;
mod view;

pub use merge::Destined;
pub use plan::*;
pub use rules::{ListenerKey, Merged, ResourceRule, Rules, Subset, SubsetTag, TagRule, mesh_id};
pub use snapshot::{Context, ProxyFeatures, Snapshot};
pub use view::View;
