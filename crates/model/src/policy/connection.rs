//! MeshTimeout and MeshRetry, as far as a TCP connection feels them.

use std::time::Duration;

use super::merge::said;

said! {
    /// What a MeshTimeout says.
    TimeoutConf {
        /// How long a connection to an endpoint may take to be established.
        connect: Duration,
        /// How long nothing may move on a connection. Zero: for ever.
        idle: Duration,
    }
}

said! {
    /// What a MeshRetry says.
    RetryConf {
        /// How many endpoints to try.
        max_connect_attempts: u32,
    }
}
