//! Small configuration for tests of decisions and of the data plane.
#![allow(dead_code, unreachable_pub, reason = "each test program uses some of it")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;

use ::l4::{Config, ProxyName};
use xds::ResourceSet;
use xds::proto::l4;

/// Messages of one proxy with one listener, `outbound`, and a route to some backends.
#[derive(Clone)]
pub struct Mesh {
    pub listener: l4::Listener,
    pub route: l4::Route,
    pub clusters: Vec<(l4::Cluster, l4::Endpoints)>,
    pub secrets: Vec<l4::Secret>,
}

impl Mesh {
    pub fn new(address: SocketAddr) -> Self {
        let listener = l4::Listener {
            name: "outbound".into(),
            address: address.ip().to_string(),
            port: address.port().into(),
            destination: "redis".into(),
            route: "outbound".into(),
            ..Default::default()
        };
        let origin = l4::Origin {
            kind: "MeshTCPRoute".into(),
            mesh: "default".into(),
            name: "split".into(),
            rule: "to[0].rules[0]".into(),
        };
        let route = l4::Route { name: "outbound".into(), origin: Some(origin), ..Default::default() };
        Self { listener, route, clusters: Vec::new(), secrets: Vec::new() }
    }

    /// Adds a backend with one cluster of its own.
    pub fn backend(mut self, name: &str, weight: u32, endpoints: &[SocketAddr]) -> Self {
        let hosts: Vec<(String, u16)> = endpoints.iter().map(|at| (at.ip().to_string(), at.port())).collect();
        let hosts: Vec<(&str, u16)> = hosts.iter().map(|(host, port)| (host.as_str(), *port)).collect();
        self = self.hosts(name, weight, &hosts);
        self
    }

    pub fn hosts(mut self, name: &str, weight: u32, hosts: &[(&str, u16)]) -> Self {
        let reference = format!("MeshService {name}");
        self.route.backends.push(l4::Backend {
            reference,
            weight,
            cluster: name.into(),
            ..Default::default()
        });
        let endpoints = hosts.iter().map(|(host, port)| l4::Endpoint {
            address: (*host).into(),
            port: (*port).into(),
            ..Default::default()
        });
        let endpoints = l4::Endpoints { cluster: name.into(), endpoints: endpoints.collect() };
        self.clusters.push((l4::Cluster { name: name.into(), ..Default::default() }, endpoints));
        self
    }

    pub fn resources(&self) -> ResourceSet {
        let mut set = ResourceSet::default();
        set.insert_message(self.listener.name.clone(), &self.listener);
        set.insert_message(self.route.name.clone(), &self.route);
        for (cluster, endpoints) in &self.clusters {
            set.insert_message(cluster.name.clone(), cluster);
            set.insert_message(cluster.name.clone(), endpoints);
        }
        for secret in &self.secrets {
            set.insert_message(secret.name.clone(), secret);
        }
        set
    }

    pub fn config(&self) -> Config {
        Config::parse(&[(ProxyName::from("web"), &self.resources())]).unwrap()
    }
}
