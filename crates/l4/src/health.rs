//! Which endpoints are well, as state machines over simulated time.
//!
//! `check` and `ejection` know one endpoint each, [`Vitals`] those of a cluster. Whoever runs them says what time it is,
//! what a check found and whose connections failed.

mod check;
mod ejection;
mod expected;
mod full;
mod report;
mod vitals;

pub use expected::is_expected;
pub use full::Full;
pub use report::{ClusterHealth, EndpointHealth, EndpointState, Usage};
pub use vitals::{Change, Vitals};
