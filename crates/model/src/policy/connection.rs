//! MeshTimeout and MeshRetry, as far as they affect TCP connections.

use std::time::Duration;

use super::merge::said;

said! {
    /// Conf of a MeshTimeout.
    TimeoutConf {
        /// Connect timeout of one endpoint.
        connect: Duration,
        /// Idle timeout; zero: no limit.
        idle: Duration,
    }
}

said! {
    /// Conf of a MeshRetry.
    RetryConf {
        /// Limit on the endpoints tried for one connection.
        max_connect_attempts: u32,
    }
}
