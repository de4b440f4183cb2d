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
mod everywhere;
mod flow;
mod history;
mod merged;
mod page;
mod report;

pub use connect_times::ConnectTimes;
pub use counts::{Cause, Causes, Counts};
pub use everywhere::{Everywhere, ToldPart, ToldParts};
pub use flow::{Flow, Way};
pub use history::{History, Pace, SAMPLES, STEP};
pub use l4::ending::{EARLY_BYTES, EARLY_TIME};
pub use merged::{Bounds, Merged, Traffic};
pub use page::{By, Chosen, TrafficPage, TrafficQuestion, TrafficRow};
pub use report::{Report, Row, UnfitReport};
