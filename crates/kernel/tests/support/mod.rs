//! Outbound on loopback of which nothing needs the relay; tests change what they are about.

use std::num::NonZeroU32;

use l4::balance::Split;
use l4::config::{Arrival, DataPath, Direction, Existing, Listener, Route};

/// Route without backends.
pub(crate) fn route() -> Route {
    Route {
        name: "route".into(),
        origin: None,
        split: Split::new([]),
        backends: Vec::new(),
        sticky: None,
        retry_other_side: false,
        refusal: "no backend".into(),
        existing: Existing::Keep,
        drain_grace: None,
    }
}

/// Listener without routes.
pub(crate) fn listener() -> Listener {
    Listener {
        proxy: "default/web-1".into(),
        name: "outbound".into(),
        direction: Direction::Outbound,
        address: "127.0.0.1:13306".parse().unwrap(),
        arrival: Arrival::Opened,
        destination: "redis".into(),
        routes: Vec::new(),
        sorted_from: 0,
        max_connections: None,
        idle_timeout: None,
        max_age: None,
        accept_proxy_protocol: false,
        tls: None,
        permissions: None,
        max_connect_attempts: NonZeroU32::MIN,
        access_logs: Vec::new(),
        mirror: None,
        data_path: DataPath::Auto,
    }
}
