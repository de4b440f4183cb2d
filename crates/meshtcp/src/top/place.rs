//! Position of the user among the lists.

use change::traffic::{Flow, FlowDirection};

/// Route: connections to one destination, for which one policy decides.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RouteKey {
    pub(super) mesh: String,
    /// Policy as `Kind mesh/name`; empty: no policy decides.
    pub(super) policy: String,
    pub(super) destination: String,
    pub(super) way: FlowDirection,
}

impl RouteKey {
    pub(super) fn of(flow: &Flow) -> Self {
        let Flow { mesh, route, destination, direction, backend: _ } = flow;
        Self {
            mesh: mesh.to_string(),
            policy: route.as_deref().unwrap_or_default().to_owned(),
            destination: destination.to_string(),
            way: *direction,
        }
    }
}

/// Subject of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Routes,
    /// Every proxy that reports to the control plane.
    Proxies,
    /// Backends of a route.
    Backends(RouteKey),
    /// Endpoints with open connections of a backend.
    Endpoints(RouteKey, String),
    /// Open connections to a backend, of one endpoint.
    Connections(RouteKey, String, String),
}

impl Place {
    /// Title of the list.
    pub(super) fn title(&self) -> String {
        match self {
            Self::Routes => "routes".to_owned(),
            Self::Proxies => "proxies".to_owned(),
            Self::Backends(route) => format!("backends of {}", named(route)),
            Self::Endpoints(route, backend) => format!("endpoints of {backend}, {}", named(route)),
            Self::Connections(_, _, endpoint) => format!("connections to {endpoint}"),
        }
    }
}

fn named(route: &RouteKey) -> String {
    let policy = if route.policy.is_empty() { "no policy" } else { &route.policy };
    format!("{} ({policy})", route.destination)
}
