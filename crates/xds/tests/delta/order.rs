//! Order of what is sent: make before break.

use super::{Client, FIRST, NONE, attached};
use crate::script::*;

#[test]
fn endpoints_do_not_wait_for_the_ack_of_their_cluster() {
    let mut client = Client::serving(FIRST);
    client.subscribe(CDS, &[]);
    assert_eq!(client.responses().len(), 1);
    // The cluster is not acknowledged, and meanwhile there is a newer one.
    client.publish(&[(CDS, "a", "a2"), (EDS, "a", "ea1")]);
    client.subscribe(EDS, &["a"]);
    assert_eq!(words(&client.responses()[0]), "ClusterLoadAssignment +a=ea1");
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
    let said: Vec<_> = responses.iter().map(words).collect();
    assert_eq!(said, ["Cluster +a=a2", "ClusterLoadAssignment +a=ea1"]);
    assert_ne!(responses[1].resources[0].version, version("ea1"));

    // A client that returns with that version still has the content.
    let mut again = Client::serving(FIRST);
    again.resume(EDS, &["a"], &[("a", responses[1].resources[0].version.clone())]);
    assert_eq!(again.settle(), NONE);
}

#[test]
fn endpoints_that_are_asked_for_after_their_cluster_was_sent_follow_it() {
    let mut client = Client::serving(FIRST);
    client.resume(CDS, &[], &[("a", version("a0")), ("b", version("b1"))]);
    assert_eq!(words(&client.responses()[0]), "Cluster +a=a1");
    client.resume(EDS, &["a", "b"], &[("a", version("ea1")), ("b", version("eb1"))]);
    assert_eq!(words(&client.responses()[0]), "ClusterLoadAssignment +a=ea1");
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
    let clusters = client.responses();
    assert_eq!(words(&clusters[0]), "Cluster +c=c1");
    assert_eq!(clusters.len(), 1, "the listener waits for the cluster");
    client.subscribe(EDS, &["c"]);
    let endpoints = client.responses();
    assert_eq!(words(&endpoints[0]), "ClusterLoadAssignment +c=ec1");
    client.ack(&endpoints[0]);
    client.ack(&clusters[0]);
    let listeners = client.responses();
    assert_eq!(listeners.iter().map(words).collect::<Vec<_>>(), ["Listener +in=uses b, c"]);
    client.wait(1);
    assert!(client.responses().is_empty(), "the old cluster stays until the listener is accepted");
    client.ack(&listeners[0]);
    let removal = client.responses();
    assert_eq!(removal.iter().map(words).collect::<Vec<_>>(), ["Cluster -a"]);
    client.unsubscribe(EDS, &["a"]);
    client.ack(&removal[0]);
    assert_eq!(client.settle(), NONE);
    assert!(client.subscription.is_in_sync());
}

#[test]
fn an_old_cluster_leaves_when_the_listener_is_not_answered_in_time() {
    let mut client = attached();
    client.publish(&[(CDS, "b", "b1"), (EDS, "b", "eb1"), (LDS, "in", "uses b")]);
    assert_eq!(client.responses().iter().map(words).collect::<Vec<_>>(), ["Listener +in=uses b"]);
    let wake = client.subscription.wake_at().unwrap();
    assert_eq!(wake, client.now + meshtcp_xds::PATIENCE);
    client.now = wake;
    assert_eq!(client.responses().iter().map(words).collect::<Vec<_>>(), ["Cluster -a"]);
}

#[test]
fn an_old_cluster_stays_when_the_listener_was_refused() {
    let mut client = attached();
    client.publish(&[(CDS, "b", "b1"), (EDS, "b", "eb1"), (LDS, "in", "uses b")]);
    let listener = client.responses().remove(0);
    client.nack(&listener, "no");
    client.wait(4);
    assert!(client.responses().is_empty());
    // And it leaves once a listener without it is accepted.
    client.publish(&[(CDS, "b", "b1"), (EDS, "b", "eb1"), (LDS, "in", "uses only b")]);
    assert_eq!(client.settle(), ["Listener +in=uses only b", "Cluster -a", "ClusterLoadAssignment -a"]);
}

#[test]
fn a_listener_does_not_move_to_a_cluster_that_was_refused() {
    let mut client = attached();
    client.publish(&[
        (CDS, "a", "a1"),
        (CDS, "b", "b1"),
        (CDS, "broken", "x"),
        (EDS, "a", "ea1"),
        (EDS, "b", "eb1"),
        (LDS, "in", "uses a, broken"),
        (LDS, "other", "uses b"),
    ]);
    let cluster = client.responses().remove(0);
    client.nack(&cluster, "Error adding/updating cluster(s) broken: no");
    assert_eq!(client.settle(), ["Listener +other=uses b"], "`in` keeps what it runs, others go on");
}

#[test]
fn a_listener_does_not_wait_for_ever() {
    let mut client = attached();
    client.publish(&[(CDS, "a", "a2"), (EDS, "a", "ea1"), (EDS, "b", "eb1"), (LDS, "in", "uses a")]);
    assert_eq!(client.responses().len(), 2, "the cluster and its endpoints");
    client.now = client.subscription.wake_at().unwrap();
    assert_eq!(client.responses().iter().map(words).collect::<Vec<_>>(), ["Listener +in=uses a"]);
}
