//! Health of endpoints, as state machines over simulated time.
//!
//! `check` and `ejection` hold one endpoint each, [`Vitals`] those of a cluster. The caller supplies the time, the
//! results of checks and the failures of connections.

mod check;
mod ejection;
mod expected;
mod full;
mod report;
mod vitals;

pub use expected::is_expected;
pub use full::ReachedLimit;
pub use report::{ClusterHealth, EndpointHealth, EndpointState, Usage};
pub use vitals::{HealthChange, Vitals};
