//! Guarantees to a state-of-the-world client, each shown by a scripted client.

mod script;

use meshtcp_xds::proto::discovery::DiscoveryRequest;
use meshtcp_xds::{Event, StateOfTheWorld};
use script::*;

type Client = Script<StateOfTheWorld>;

const FIRST: &[(&str, &str, &str)] =
    &[(CDS, "a", "a1"), (CDS, "b", "b1"), (EDS, "a", "ea1"), (EDS, "b", "eb1"), (LDS, "in", "uses a, b")];

const BOTH: &[&str] = &["a", "b"];

/// Client that has accepted clusters `a` and `b`, their endpoints, and a listener that uses them.
fn attached() -> Client {
    let mut client = Client::serving(FIRST);
    client.begin(CDS, &[], "");
    let clusters = client.response();
    client.begin(EDS, BOTH, "");
    let endpoints = client.response();
    client.ack(&endpoints, BOTH);
    client.ack(&clusters, &[]);
    client.begin(LDS, &[], "");
    let listeners = client.response();
    client.ack(&listeners, &[]);
    assert!(client.responses().is_empty());
    assert!(client.subscription.is_in_sync());
    client.events();
    client
}

#[test]
fn no_names_at_first_mean_all_and_later_none() {
    let mut client = Client::serving(&[(LDS, "a", "1"), (LDS, "b", "2")]);
    client.begin(LDS, &[], "");
    let all = client.response();
    assert_eq!(bodies(&all), "Listener 1 2");
    client.ack(&all, &[]);
    assert!(client.responses().is_empty(), "an ACK has no answer");
    client.publish(&[(LDS, "a", "1"), (LDS, "b", "3")]);
    let all = client.response();
    assert_eq!(bodies(&all), "Listener 1 3", "still all");
    client.ack(&all, &["a"]);
    client.publish(&[(LDS, "a", "4"), (LDS, "b", "4")]);
    let named = client.response();
    assert_eq!(bodies(&named), "Listener 4");
    client.ack(&named, &[]);
    client.publish(&[(LDS, "a", "5"), (LDS, "b", "5")]);
    assert!(client.responses().is_empty(), "nothing is subscribed any more");
}

#[test]
fn a_star_can_be_listed_with_names() {
    let mut client = Client::serving(&[(LDS, "a", "1"), (LDS, "b", "2")]);
    client.begin(LDS, &["*", "a"], "");
    assert_eq!(bodies(&client.response()), "Listener 1 2");
}

#[test]
fn endpoints_are_never_a_wildcard() {
    let mut client = Client::serving(FIRST);
    client.begin(EDS, &[], "");
    assert_eq!(bodies(&client.response()), "ClusterLoadAssignment");
}

#[test]
fn only_subscribed_names_are_sent() {
    let mut client = Client::serving(FIRST);
    client.begin(EDS, &["b"], "");
    assert_eq!(bodies(&client.response()), "ClusterLoadAssignment eb1");
}

#[test]
fn a_gained_name_is_answered_at_once_and_a_lost_one_not() {
    let mut client = Client::serving(FIRST);
    client.begin(EDS, &["a"], "");
    let one = client.response();
    client.ack(&one, &["a"]);
    client.ack(&one, BOTH);
    let two = client.response();
    assert_eq!(bodies(&two), "ClusterLoadAssignment ea1 eb1");
    client.ack(&two, BOTH);
    client.ack(&two, &["a"]);
    assert!(client.responses().is_empty());
    client.ack(&two, &["a", "nobody"]);
    let same = client.response();
    assert_eq!(same.version_info, one.version_info, "the version is that of the content");
}

#[test]
fn a_stale_nonce_is_neither_ack_nor_nack() {
    let mut client = Client::serving(FIRST);
    client.begin(EDS, &["a"], "");
    let old = client.response();
    client.ack(&old, &["a"]);
    client.events();
    client.publish(&[(EDS, "a", "ea2"), (EDS, "b", "eb1")]);
    let new = client.response();
    client.nack(&old, &["a"], "late");
    assert!(client.events().is_empty() && client.responses().is_empty());
    client.ack(&old, BOTH);
    assert!(client.responses().is_empty(), "one response in flight");
    client.ack(&new, BOTH);
    assert_eq!(bodies(&client.response()), "ClusterLoadAssignment ea2 eb1");
}

#[test]
fn an_unknown_type_is_answered_with_nothing() {
    let mut client = Client::serving(FIRST);
    client.begin("type.googleapis.com/envoy.no.such.Type", &[], "");
    assert_eq!(bodies(&client.response()), "Type");
}

#[test]
fn a_client_that_has_something_of_an_unknown_type_is_not_answered() {
    let mut client = Client::serving(FIRST);
    client.begin("type.googleapis.com/envoy.no.such.Type", &["x"], "7");
    assert!(client.responses().is_empty(), "all that is not in a response is gone");
    client.begin(CDS, &[], "");
    assert_eq!(bodies(&client.response()), "Cluster a1 b1");
}

#[test]
fn an_empty_nonce_begins_again() {
    let mut client = attached();
    client.begin(EDS, BOTH, "");
    assert_eq!(bodies(&client.response()), "ClusterLoadAssignment ea1 eb1");
}

#[test]
fn equal_content_is_not_sent_and_has_an_equal_version() {
    let mut client = attached();
    client.publish(FIRST);
    assert!(client.responses().is_empty());
    let mut other = Client::serving(FIRST);
    other.begin(CDS, &[], "");
    let mut third = Client::serving(FIRST);
    third.begin(CDS, &[], "");
    assert_eq!(other.response().version_info, third.response().version_info);
}

#[test]
fn endpoints_follow_their_cluster_under_a_new_version() {
    let mut client = attached();
    client.publish(&[
        (CDS, "a", "a2"),
        (CDS, "b", "b1"),
        (EDS, "a", "ea1"),
        (EDS, "b", "eb1"),
        (LDS, "in", "uses a, b"),
    ]);
    let responses = client.responses();
    let said: Vec<_> = responses.iter().map(bodies).collect();
    assert_eq!(said, ["Cluster a2 b1", "ClusterLoadAssignment ea1 eb1"]);
    // Envoy asks for the endpoints again with its last nonce, which is stale by now.
    client.ack(&responses[1], BOTH);
    client.ack(&responses[1], BOTH);
    assert!(client.responses().is_empty());
}

#[test]
fn a_swap_of_backends_makes_before_it_breaks() {
    let mut client = attached();
    client.publish(&[
        (CDS, "b", "b1"),
        (CDS, "c", "c1"),
        (EDS, "b", "eb1"),
        (EDS, "c", "ec1"),
        (LDS, "in", "uses b, c"),
    ]);
    let clusters = client.response();
    assert_eq!(bodies(&clusters), "Cluster a1 b1 c1", "the old cluster is kept");
    client
        .request(DiscoveryRequest {
            type_url: EDS.into(),
            resource_names: vec!["a".into(), "b".into(), "c".into()],
            response_nonce: "2".into(),
            ..Default::default()
        })
        .unwrap();
    let endpoints = client.response();
    assert_eq!(bodies(&endpoints), "ClusterLoadAssignment ea1 eb1 ec1");
    client.ack(&endpoints, &["a", "b", "c"]);
    client.ack(&clusters, &[]);
    let listeners = client.response();
    assert_eq!(bodies(&listeners), "Listener uses b, c");
    client.ack(&listeners, &[]);
    let without = client.response();
    assert_eq!(bodies(&without), "Cluster b1 c1");
    client.ack(&endpoints, &["b", "c"]);
    client.ack(&without, &[]);
    assert!(client.responses().is_empty());
    assert!(client.subscription.is_in_sync());
}

#[test]
fn an_old_cluster_stays_when_the_listener_was_refused() {
    let mut client = attached();
    client.publish(&[(CDS, "b", "b1"), (EDS, "b", "eb1"), (LDS, "in", "uses b")]);
    let listeners = client.response();
    client.nack(&listeners, &[], "Error adding/updating listener(s) in: no");
    client.wait(4);
    assert!(client.responses().is_empty());
}

#[test]
fn an_old_cluster_leaves_when_the_listener_is_not_answered_in_time() {
    let mut client = attached();
    client.publish(&[(CDS, "b", "b1"), (EDS, "b", "eb1"), (LDS, "in", "uses b")]);
    assert_eq!(bodies(&client.response()), "Listener uses b");
    client.now = client.subscription.wake_at().unwrap();
    assert_eq!(bodies(&client.response()), "Cluster b1");
}

#[test]
fn the_last_accepted_body_stands_in_for_a_refused_one() {
    let mut client = Client::serving(&[(LDS, "a", "a1"), (LDS, "b", "b1")]);
    client.begin(LDS, &[], "");
    let first = client.response();
    client.ack(&first, &[]);
    client.events();
    client.publish(&[(LDS, "a", "wrong"), (LDS, "b", "b1"), (LDS, "new", "wrong too")]);
    let refused = client.response();
    client.nack(&refused, &[], "Error adding/updating listener(s) a: no\nnew: no");
    assert!(matches!(&client.events()[..], [Event::Rejected { names, .. }] if names == &["a", "new"]));
    assert!(client.responses().is_empty());
    client.publish(&[(LDS, "a", "wrong"), (LDS, "b", "b2"), (LDS, "new", "wrong too")]);
    let next = client.response();
    assert_eq!(bodies(&next), "Listener a1 b2");
    client.ack(&next, &[]);
    client.publish(&[(LDS, "a", "right"), (LDS, "b", "b2")]);
    assert_eq!(bodies(&client.response()), "Listener right b2");
}

#[test]
fn a_client_that_comes_back_keeps_what_it_needs_until_its_listener_is_new() {
    let memory = attached().subscription.memory();
    let mut client = Client::with_memory(memory);
    client.publish(&[(CDS, "b", "b1"), (EDS, "b", "eb1"), (LDS, "in", "uses b")]);
    // First requests come in any order.
    client.begin(EDS, BOTH, "v");
    client.begin(LDS, &[], "v");
    let endpoints = client.response();
    client.begin(CDS, &[], "v");
    let clusters = client.response();
    assert_eq!(bodies(&clusters), "Cluster a1 b1");
    client.ack(&endpoints, BOTH);
    client.ack(&clusters, &[]);
    let again = client.response();
    assert_eq!(
        bodies(&again),
        "ClusterLoadAssignment ea1 eb1",
        "what the client has of the clusters is not certain"
    );
    client.ack(&again, BOTH);
    let listeners = client.response();
    assert_eq!(bodies(&listeners), "Listener uses b");
    client.ack(&listeners, &[]);
    assert_eq!(bodies(&client.response()), "Cluster b1");
}
