//! Reroute and split TCP between services, by MeshTCPRoute.

fn main() {}
