//! Data path of a listener by its configuration: one table.

#![allow(clippy::unwrap_used)] // a test that cannot go on stops

mod support;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use l4::balance::{BalancingPolicy, Rendezvous, Split};
use l4::config::{
    Arrival, Backend, Cluster, DataPath, Direction, Existing, Listener, Match, Mirror, Route,
    ServerNamePattern, Target, WhenDown,
};
use meshtcp_kernel::{Capabilities, Path};

const NO_ENDS: Capabilities = Capabilities { ends: false };

/// Change of a listener, and of the cluster and the route of its only backend.
type Change = fn(&mut Listener, &mut Route, &mut Cluster);

/// Data path of an outbound on loopback after a change, in a word with the reason.
fn path(change: Change, means: Capabilities) -> String {
    let mut cluster = Cluster::new("redis", Vec::new());
    let mut route = Route { split: Split::new([1]), ..support::route() };
    let mut listener = support::listener();
    change(&mut listener, &mut route, &mut cluster);
    let target = Target::Cluster(Arc::new(cluster));
    route.backends =
        vec![Backend { reference: "redis".into(), weight: 1, target, when_down: WhenDown::Spill }];
    listener.routes.push((Match::Everything, Arc::new(route)));
    let path = Path::of(&listener, means);
    path.why().unwrap_or_else(|| path.as_str().to_owned())
}

fn elsewhere(listener: &mut Listener) {
    listener.address = "10.9.0.77:13306".parse().unwrap();
}

#[test]
fn what_needs_the_relay_says_why_and_nothing_else_does() {
    let all: [(Change, &str); 15] = [
        (|_, _, _| {}, "kernel"),
        (|it, _, _| it.direction = Direction::Inbound, "it is an inbound"),
        (|it, _, _| it.direction = Direction::Gateway, "it is a gateway"),
        (|it, _, _| it.data_path = DataPath::Relay, "meshtcp.io/data-path: relay"),
        (|it, _, _| it.data_path = DataPath::Kernel, "kernel"),
        (|it, _, _| it.arrival = Arrival::Redirected, "connections are redirected to it"),
        (|it, _, _| it.address = "0.0.0.0:13306".parse().unwrap(), "it listens on every address of the host"),
        (|it, _, _| it.accept_proxy_protocol = true, "what a client sends first is read"),
        (
            |it, route, _| {
                let by_name =
                    Match::ServerName { pattern: ServerNamePattern::Exact("db.example".into()), end: None };
                it.routes.push((by_name, Arc::new(route.clone())));
            },
            "routes differ by who connects, or what is asked for",
        ),
        (
            |it, _, _| it.max_connect_attempts = NonZeroU32::new(3).unwrap(),
            "several endpoints are tried for one connection",
        ),
        (
            |it, _, _| {
                let target = Target::Unavailable("nowhere".into());
                let reference = "canary".into();
                it.mirror = Some(Mirror { reference, target, of_10_000: 10_000, buffer: 1, origin: None });
            },
            "what clients send is copied to a mirror",
        ),
        (|_, route, _| route.retry_other_side = true, "another backend is tried when one cannot be reached"),
        (
            |_, _, cluster| cluster.source = Some("127.0.0.6".parse().unwrap()),
            "cluster redis: it is dialled from an address of its own",
        ),
        (|_, _, cluster| cluster.undialable = Some("TLS".into()), "cluster redis: this proxy cannot dial it"),
        (
            |_, _, cluster| cluster.policy = BalancingPolicy::least_connections(9),
            "cluster redis: its endpoints are the least busy of more than eight",
        ),
    ];
    for (change, wanted) in all {
        assert_eq!(path(change, Capabilities::ALL), wanted);
    }
}

#[test]
fn a_choice_by_the_client_is_made_where_all_clients_have_one_address() {
    let sticky: Change = |_, route, _| route.sticky = Some(Rendezvous::new([("redis", 1)]));
    let hashed: Change = |_, _, cluster| cluster.policy = BalancingPolicy::Maglev { size: 101 };
    assert_eq!([sticky, hashed].map(|change| path(change, Capabilities::ALL)), ["kernel", "kernel"]);
    let sticky: Change = |it, route, _| {
        elsewhere(it);
        route.sticky = Some(Rendezvous::new([("redis", 1)]));
    };
    let hashed: Change = |it, _, cluster| {
        elsewhere(it);
        cluster.policy = BalancingPolicy::Maglev { size: 101 };
    };
    assert_eq!(
        path(sticky, Capabilities::ALL),
        "clients keep their backend, and are known by their address only once they are connected"
    );
    assert_eq!(
        path(hashed, Capabilities::ALL),
        "cluster redis: its endpoints are chosen by the client's address, which is known only once it is connected"
    );
}

#[test]
fn what_has_to_end_connections_stays_on_the_relay_only_where_none_can_be_ended() {
    let moved = "connections that live are moved when weights change, and none can be ended in this kernel";
    let all: [(Change, &str); 5] = [
        (
            |it, _, _| it.idle_timeout = Some(Duration::from_secs(2)),
            "it has an idle timeout, and no connection can be ended in this kernel",
        ),
        (
            |it, _, _| it.max_age = Some(Duration::from_secs(2)),
            "its connections have a maximum age, and none can be ended in this kernel",
        ),
        (|_, route, _| route.existing = Existing::DrainExcess, moved),
        (|_, route, _| route.existing = Existing::Close, moved),
        (|_, route, _| route.drain_grace = Some(Duration::from_secs(2)), moved),
    ];
    for (change, wanted) in all {
        assert_eq!(
            (path(change, NO_ENDS).as_str(), path(change, Capabilities::ALL).as_str()),
            (wanted, "kernel")
        );
    }
}
