//! Assignment of redirected connections to listeners.

#![allow(clippy::unwrap_used)] // a test may fail

use meshtcp_l4::claims::Claims;
use meshtcp_l4::config::{Config, Listener};
use meshtcp_l4::{Problems, ProxyName};
use xds::ResourceSet;
use xds::proto::l4::{self, Arrival, Direction};

struct Said(ResourceSet);

impl Said {
    fn captured(mut self, name: &str, address: &str, prefix: Option<u32>, port: u32) -> Self {
        self.0.insert_message(
            name,
            &l4::Listener {
                name: name.into(),
                direction: if name.starts_with("in") { Direction::Inbound } else { Direction::Outbound }
                    .into(),
                address: address.into(),
                port,
                prefix_length: prefix,
                arrival: Arrival::Captured.into(),
                ..Default::default()
            },
        );
        self
    }

    fn parsed(&self) -> Result<Config, Problems> {
        Config::parse(&[(ProxyName::from("default/web-1"), &self.0)])
    }
}

/// Listener that gets a connection to each of these.
fn given(said: &Said, destinations: &[&str]) -> Vec<Option<String>> {
    let config = said.parsed().unwrap();
    let named = |listener: &Listener| listener.name.to_string();
    let claims = Claims::of(config.listeners().iter().map(|listener| (&**listener, named(listener))));
    destinations.iter().map(|destination| claims.best(destination.parse().unwrap()).cloned()).collect()
}

#[test]
fn the_address_counts_before_the_port_and_that_before_the_length_of_the_network() {
    let said = Said(ResourceSet::default())
        .captured("vip", "10.96.0.7", None, 6379)
        .captured("wide", "10.0.0.0", Some(8), 0)
        .captured("narrow", "10.96.0.0", Some(16), 0)
        .captured("port", "0.0.0.0", Some(0), 443)
        .captured("six", "fd00::7", None, 6379);
    let found = given(
        &said,
        &["10.96.0.7:6379", "10.96.0.7:6380", "10.1.2.3:1", "10.96.0.7:443", "[fd00::7]:6379", "192.0.2.1:1"],
    );
    let wanted = [Some("vip"), Some("narrow"), Some("wide"), Some("port"), Some("six"), None];
    assert_eq!(found, wanted.map(|name| name.map(str::to_owned)));
}

#[test]
fn an_inbound_is_met_at_every_address_of_the_host() {
    let said = Said(ResourceSet::default())
        .captured("in:web", "10.0.0.1", None, 8080)
        .captured("in:other", "10.0.0.2", None, 8080);
    let found = given(&said, &["10.0.0.2:8080", "192.168.0.9:8080", "10.0.0.1:8081"]);
    assert_eq!(found, [Some("in:other".to_owned()), Some("in:other".to_owned()), None]);
}

#[test]
fn two_cannot_be_for_the_same_destinations() {
    let twice = Said(ResourceSet::default()).captured("a", "10.96.0.7", None, 6379).captured(
        "b",
        "10.96.0.7",
        Some(32),
        6379,
    );
    assert!(twice.parsed().unwrap_err().to_string().contains("already taken"));
    let ways = Said(ResourceSet::default()).captured("a", "10.96.0.7", None, 6379).captured(
        "in:a",
        "10.96.0.7",
        None,
        6379,
    );
    assert_eq!(ways.parsed().unwrap().listeners().len(), 2);
    let much = Said(ResourceSet::default()).captured("a", "10.96.0.7", Some(33), 0);
    assert!(much.parsed().unwrap_err().to_string().contains("prefix_length"));
}
