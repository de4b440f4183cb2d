//! Names and wildcards that a client asks for.

use meshtcp_xds::Event;

use super::{Client, FIRST, NONE, attached};
use crate::script::*;

#[test]
fn nothing_is_answered_before_there_is_something_to_serve() {
    let mut client = Client::new();
    client.subscribe(CDS, &[]);
    assert!(client.responses().is_empty());
    client.publish(&[]);
    assert_eq!(client.settle(), ["Cluster"], "a first wildcard request is always answered");
}

#[test]
fn the_first_wildcard_answer_has_everything_and_an_ack_has_none() {
    let mut client = Client::serving(FIRST);
    client.subscribe(CDS, &[]);
    assert_eq!(client.settle(), ["Cluster +a=a1 +b=b1"]);
    assert!(client.responses().is_empty());
    let acked = client.events();
    assert!(matches!(&acked[..], [Event::Acked { type_url, .. }] if type_url.as_str() == CDS), "{acked:?}");
}

#[test]
fn names_can_be_added_to_a_wildcard_and_the_wildcard_dropped() {
    let mut client = Client::serving(&[(LDS, "a", "1"), (LDS, "b", "1")]);
    client.subscribe(LDS, &["*"]);
    assert_eq!(client.settle(), ["Listener +a=1 +b=1"]);
    client.subscribe(LDS, &["a"]);
    assert_eq!(client.settle(), ["Listener +a=1"]);
    client.unsubscribe(LDS, &["*"]);
    assert_eq!(client.settle(), NONE);
    client.publish(&[(LDS, "a", "2"), (LDS, "b", "2")]);
    assert_eq!(client.settle(), ["Listener +a=2"]);
}

#[test]
fn a_name_dropped_under_a_wildcard_is_told_again() {
    let mut client = Client::serving(&[(LDS, "a", "1")]);
    client.subscribe(LDS, &["*", "a"]);
    assert_eq!(client.settle(), ["Listener +a=1"]);
    client.unsubscribe(LDS, &["a"]);
    assert_eq!(client.settle(), ["Listener +a=1"]);
}

#[test]
fn endpoints_are_never_a_wildcard() {
    let mut client = Client::serving(FIRST);
    client.subscribe(EDS, &[]);
    assert_eq!(client.settle(), NONE);
    client.subscribe(EDS, &["a"]);
    assert_eq!(client.settle(), ["ClusterLoadAssignment +a=ea1"]);
}

#[test]
fn asking_again_for_a_known_name_sends_it_again() {
    let mut client = Client::serving(FIRST);
    client.subscribe(EDS, &["a"]);
    client.settle();
    client.subscribe(EDS, &["a"]);
    assert_eq!(client.settle(), ["ClusterLoadAssignment +a=ea1"]);
}

#[test]
fn a_name_that_does_not_exist_is_told_as_removed() {
    let mut client = Client::serving(FIRST);
    client.subscribe(EDS, &["a", "nobody"]);
    assert_eq!(client.settle(), ["ClusterLoadAssignment +a=ea1 -nobody"]);
}

#[test]
fn dropping_a_name_has_no_answer() {
    let mut client = attached();
    client.unsubscribe(EDS, &["b"]);
    assert_eq!(client.settle(), NONE);
    client.publish(&[
        (CDS, "a", "a1"),
        (CDS, "b", "b1"),
        (EDS, "a", "ea1"),
        (EDS, "b", "eb2"),
        (LDS, "in", "uses a, b"),
    ]);
    assert_eq!(client.settle(), NONE);
}
