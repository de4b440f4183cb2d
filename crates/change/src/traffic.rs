//! Traffic: counters of connections at each proxy, merged over all of them, with the rates of the last quarter of an
//! hour.
//!
//! ```text
//!  a proxy's counters ──l4::traffic──▶ TrafficReport ⇢ Report ──take──▶ Traffic: per proxy, merged, History
//!                                                                          └──▶ TrafficPage, for queries
//! ```
//!
//! To count over a time, take [`Counts`] at its beginning and at its end, and [the difference](Counts::since).

mod connect_times;
mod counts;
mod flow;
mod global;
mod history;
mod merged;
mod page;
mod report;

pub use connect_times::ConnectTimes;
pub use counts::{Cause, Causes, Counts};
pub use flow::{Flow, FlowDirection};
pub use global::{GlobalTraffic, ToldPart, ToldParts};
pub use history::{History, Pace, SAMPLES, STEP};
pub use l4::ending::{EARLY_BYTES, EARLY_TIME};
pub use merged::{Bounds, MergedFlow, Traffic};
pub use page::{GroupBy, TrafficFilter, TrafficPage, TrafficQuestion, TrafficRow};
pub use report::{Report, Row, UnfitReport};
