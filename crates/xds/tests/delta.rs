//! Guarantees to a delta client, each shown by a scripted client.

mod script;

use meshtcp_xds::proto::discovery::{DeltaDiscoveryRequest, Node};
use meshtcp_xds::{BadRequest, Delta, Event, TypeUrl};
use script::*;

type Client = Script<Delta>;

const NONE: [&str; 0] = [];

/// Client that has accepted clusters `a` and `b`, their endpoints, and a listener that uses them.
fn attached() -> Client {
    let mut client = Client::serving(FIRST);
    client.subscribe(CDS, &[]);
    let clusters = client.responses();
    client.subscribe(EDS, &["a", "b"]);
    let endpoints = client.responses();
    client.ack(&endpoints[0]);
    client.ack(&clusters[0]);
    client.subscribe(LDS, &[]);
    assert_eq!(client.settle(), ["Listener +in=uses a, b"]);
    assert!(client.subscription.is_in_sync());
    client.events();
    client
}

const FIRST: &[(&str, &str, &str)] =
    &[(CDS, "a", "a1"), (CDS, "b", "b1"), (EDS, "a", "ea1"), (EDS, "b", "eb1"), (LDS, "in", "uses a, b")];

#[test]
fn a_request_without_a_type_is_refused() {
    let mut client = Client::new();
    assert_eq!(client.request(DeltaDiscoveryRequest::default()), Err(BadRequest::NoType));
}

#[test]
fn a_stream_belongs_to_one_node() {
    let mut client = Client::serving(FIRST);
    let request = |id: Option<&str>| DeltaDiscoveryRequest {
        type_url: CDS.into(),
        node: id.map(|id| Node { id: id.into(), ..Node::default() }),
        ..Default::default()
    };
    assert_eq!(client.request(request(None)), Err(BadRequest::NoNode));
    assert_eq!(client.request(request(Some("default.web-1"))), Ok(()));
    assert_eq!(client.request(request(None)), Ok(()));
    assert!(matches!(client.request(request(Some("default.other"))), Err(BadRequest::OtherNode { .. })));
    assert_eq!(client.subscription.node_id(), Some("default.web-1"));
}

#[test]
fn an_unknown_type_is_answered_with_nothing() {
    let mut client = Client::serving(FIRST);
    client.subscribe("type.googleapis.com/envoy.no.such.Type", &[]);
    assert_eq!(client.settle(), ["Type"]);
    client.subscribe("type.googleapis.com/envoy.no.such.Other", &["x"]);
    assert_eq!(client.settle(), ["Other -x"]);
}

#[test]
fn what_a_client_has_of_an_unknown_type_is_never_said_to_be_gone() {
    let mut client = Client::serving(FIRST);
    let unknown = "type.googleapis.com/envoy.no.such.Type";
    client.resume(unknown, &["*"], &[("x", "1".into())]);
    client.subscribe(unknown, &["x", "y"]);
    client.unsubscribe(unknown, &["x"]);
    assert_eq!(client.settle(), [""; 0]);
    client.subscribe(CDS, &[]);
    assert_eq!(client.settle(), ["Cluster +a=a1 +b=b1"], "what is known is served all the same");
    assert!(client.subscription.is_in_sync());
}

#[test]
fn a_stream_that_begins_with_what_is_not_spoken_is_refused() {
    for type_url in
        ["type.googleapis.com/meshtcp.l4.v2.Cluster", "type.googleapis.com/kuma.mesh.v1alpha1.Mesh", "x"]
    {
        let mut client = Client::serving(FIRST);
        let node = Some(Node { id: "default.web-1".into(), ..Node::default() });
        let request = DeltaDiscoveryRequest { node, type_url: type_url.into(), ..Default::default() };
        let refused = client.request(request).unwrap_err();
        assert_eq!(refused, BadRequest::NotSpoken(TypeUrl::new(type_url)));
        assert!(refused.to_string().contains(type_url), "{refused}");
        assert_eq!(client.settle(), [""; 0]);
    }
}

#[test]
fn what_a_known_client_asks_beyond_what_is_spoken_to_it_is_not_answered() {
    use meshtcp_xds::order::L4_CLUSTER;
    for (own, other) in
        [(L4_CLUSTER, CDS), (CDS, L4_CLUSTER), (L4_CLUSTER, "type.googleapis.com/meshtcp.l4.v1.Next")]
    {
        let mut client = Client::serving(&[(own, "a", "a1")]);
        client.subscribe(own, &[]);
        client.resume(other, &["*"], &[("x", "1".into())]);
        assert_eq!(client.settle(), ["Cluster +a=a1"]);
        assert!(client.subscription.is_in_sync());
    }
}

#[test]
fn a_stream_cannot_ask_for_types_without_end() {
    let mut client = Client::serving(FIRST);
    client.subscribe(CDS, &[]);
    let asked = (0..100).map(|number| {
        client.request(DeltaDiscoveryRequest {
            type_url: format!("type.googleapis.com/envoy.made.Up{number}"),
            ..Default::default()
        })
    });
    assert!(asked.into_iter().any(|answer| answer == Err(BadRequest::TooManyTypes)));
}

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
fn a_stale_nonce_is_neither_ack_nor_nack_but_its_names_count() {
    let mut client = Client::serving(FIRST);
    client.subscribe(EDS, &["a"]);
    let old = client.responses().remove(0);
    client.ack(&old);
    client.events();
    client.publish(&[(EDS, "a", "ea2"), (EDS, "b", "eb1")]);
    let new = client.responses().remove(0);
    client.nack(&old, "late");
    assert!(client.events().is_empty());
    assert!(client.responses().is_empty());
    client
        .request(DeltaDiscoveryRequest {
            type_url: EDS.into(),
            response_nonce: old.nonce.clone(),
            resource_names_subscribe: vec!["b".into()],
            ..Default::default()
        })
        .unwrap();
    assert!(client.responses().is_empty(), "one response in flight");
    client.ack(&new);
    assert_eq!(client.settle(), ["ClusterLoadAssignment +b=eb1"]);
}

#[test]
fn at_most_one_response_is_in_flight_and_the_newest_set_wins() {
    let mut client = Client::serving(&[(LDS, "in", "1")]);
    client.subscribe(LDS, &[]);
    let first = client.responses().remove(0);
    for body in ["2", "3", "4"] {
        client.publish(&[(LDS, "in", body)]);
        assert!(client.responses().is_empty());
    }
    client.ack(&first);
    assert_eq!(client.settle(), ["Listener +in=4"]);
}

#[test]
fn types_do_not_block_each_other() {
    let mut client = Client::serving(FIRST);
    client.subscribe(CDS, &[]);
    client.subscribe(EDS, &["a"]);
    client.subscribe("type.googleapis.com/envoy.no.such.Type", &[]);
    let said: Vec<_> = client.responses().iter().map(words).collect();
    assert_eq!(said, ["Cluster +a=a1 +b=b1", "ClusterLoadAssignment +a=ea1", "Type"]);
}

#[test]
fn going_back_after_a_refusal_tells_the_client_so() {
    let mut client = Client::serving(&[(LDS, "in", "1")]);
    client.subscribe(LDS, &[]);
    client.settle();
    client.publish(&[(LDS, "in", "2")]);
    let response = client.responses().remove(0);
    client.nack(&response, "no");
    client.publish(&[(LDS, "in", "1")]);
    assert_eq!(client.settle(), ["Listener +in=1"]);
    assert!(client.subscription.is_in_sync());
}

#[test]
fn what_a_refusal_does_not_name_was_accepted() {
    let mut client = Client::serving(&[(LDS, "good", "1"), (LDS, "wrong", "1")]);
    client.subscribe(LDS, &[]);
    let response = client.responses().remove(0);
    client.nack(&response, "Error adding/updating listener(s) wrong: cannot bind");
    client.publish(&[(LDS, "good", "1"), (LDS, "wrong", "2")]);
    assert_eq!(client.settle(), ["Listener +wrong=2"]);
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
fn nonces_are_unique_on_a_stream() {
    let mut client = Client::serving(FIRST);
    client.subscribe(CDS, &[]);
    client.subscribe(EDS, &["a"]);
    let responses = client.responses();
    assert_ne!(responses[0].nonce, responses[1].nonce);
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

#[test]
fn names_without_number_are_refused() {
    let mut client = attached();
    let names = |from: usize| (from..from + 50_000).map(|number| format!("{number:0>60}")).collect();
    let ask = |client: &mut Client, from, type_url: &str| {
        client.request(DeltaDiscoveryRequest {
            type_url: type_url.into(),
            resource_names_subscribe: names(from),
            ..Default::default()
        })
    };
    assert_eq!(ask(&mut client, 0, EDS), Ok(()));
    assert_eq!(ask(&mut client, 50_000, EDS), Ok(()), "100,000 names are fine");
    let too_many = Err(BadRequest::TooManyNames { limit: 16 << 20 });
    assert_eq!(ask(&mut client, 0, SDS), too_many, "all of a stream count");
    let long = format!("envoy.{}", "x".repeat(5000));
    assert_eq!(ask(&mut client, 0, &long), too_many);
}

#[test]
fn of_a_long_reason_the_first_words_are_kept() {
    let mut client = Client::serving(FIRST);
    client.subscribe(CDS, &[]);
    let response = client.responses().remove(0);
    client.nack(&response, &"é".repeat(1 << 20));
    let Some(Event::Rejected { message, .. }) = client.events().pop() else { panic!("no refusal") };
    assert!(message.len() <= 64 * 1024 && message.starts_with('é'));
}
