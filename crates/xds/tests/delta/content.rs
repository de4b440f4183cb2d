//! What a response holds.

use super::{Client, FIRST, NONE, attached};
use crate::script::*;

#[test]
fn only_what_changed_is_sent() {
    let mut client = attached();
    client.publish(&[
        (CDS, "a", "a1"),
        (CDS, "b", "b1"),
        (EDS, "a", "ea2"),
        (EDS, "b", "eb1"),
        (LDS, "in", "uses a, b"),
    ]);
    assert_eq!(client.settle(), ["ClusterLoadAssignment +a=ea2"]);
    client.publish(FIRST);
    assert_eq!(client.settle(), ["ClusterLoadAssignment +a=ea1"]);
    client.publish(FIRST);
    assert_eq!(client.settle(), NONE);
}

#[test]
fn a_client_that_comes_back_with_the_same_versions_is_sent_nothing() {
    let mut client = Client::serving(FIRST);
    client.resume(EDS, &["a", "b"], &[("a", version("ea1")), ("b", version("eb1"))]);
    client.resume(LDS, &[], &[("in", version("uses a, b"))]);
    client.resume(CDS, &[], &[("a", version("a1")), ("b", version("b1"))]);
    assert_eq!(client.settle(), ["Cluster", "Listener"], "empty answers");
    assert!(client.subscription.is_in_sync());
}

#[test]
fn a_client_that_comes_back_is_sent_the_difference_in_the_right_order() {
    let mut client = Client::serving(FIRST);
    client.resume(LDS, &[], &[("in", version("uses a, old"))]);
    assert!(client.responses().is_empty(), "its clusters come first");
    client.resume(CDS, &[], &[("a", version("a1")), ("old", version("o1"))]);
    client.resume(EDS, &["a", "old"], &[("a", version("ea0")), ("old", version("eo1"))]);
    assert_eq!(
        client.settle(),
        [
            "Cluster +b=b1",
            "ClusterLoadAssignment +a=ea1",
            "Listener +in=uses a, b",
            "Cluster -old",
            "ClusterLoadAssignment -old"
        ]
    );
}

#[test]
fn a_large_answer_is_split() {
    let body = "x".repeat(900_000);
    let clusters: Vec<_> = ["a", "b", "c", "d", "e"].map(|name| (CDS, name, body.as_str())).into();
    let mut client = Client::serving(&clusters);
    client.subscribe(CDS, &[]);
    let counts: Vec<_> = client.settle().iter().map(|said| said.matches('+').count()).collect();
    assert_eq!(counts, [2, 2, 1]);
    assert!(client.subscription.is_in_sync());
}

#[test]
fn every_response_says_who_answers() {
    let mut client = Client::serving(FIRST);
    client.subscribe(CDS, &[]);
    let response = client.responses().remove(0);
    assert_eq!(response.control_plane.unwrap().identifier, "meshtcp@test");
}

#[test]
fn our_own_types_travel_in_the_same_manner() {
    use meshtcp_xds::order::{L4_CLUSTER, L4_ENDPOINTS, L4_LISTENER, L4_ROUTE};
    let with = |cluster: &'static str| {
        [
            (L4_CLUSTER, cluster, "c"),
            (L4_ENDPOINTS, cluster, "e"),
            (L4_ROUTE, "r", cluster),
            (L4_LISTENER, "l", "r"),
        ]
    };
    let mut client = Client::serving(&with("a"));
    for type_url in [L4_LISTENER, L4_ROUTE, L4_ENDPOINTS, L4_CLUSTER] {
        client.subscribe(type_url, &[]);
    }
    assert_eq!(client.settle(), ["Cluster +a=c", "Endpoints +a=e", "Route +r=a", "Listener +l=r"]);
    client.publish(&with("b"));
    assert_eq!(
        client.settle(),
        ["Cluster +b=c", "Endpoints +b=e", "Route +r=b", "Cluster -a", "Endpoints -a"]
    );
}

#[test]
fn a_secret_is_replaced_alone() {
    let with = |secret| [FIRST, &[(SDS, "mesh-ca", secret)]].concat();
    let mut client = attached();
    client.publish(&with("one"));
    client.subscribe(SDS, &["mesh-ca"]);
    assert_eq!(client.settle(), ["Secret +mesh-ca=one"]);
    client.publish(&with("two"));
    assert_eq!(client.settle(), ["Secret +mesh-ca=two"]);
}
