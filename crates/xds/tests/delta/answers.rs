//! ACKs, NACKs and nonces.

use meshtcp_xds::Event;
use meshtcp_xds::proto::discovery::DeltaDiscoveryRequest;

use super::{Client, FIRST};
use crate::script::*;

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
fn nonces_are_unique_on_a_stream() {
    let mut client = Client::serving(FIRST);
    client.subscribe(CDS, &[]);
    client.subscribe(EDS, &["a"]);
    let responses = client.responses();
    assert_ne!(responses[0].nonce, responses[1].nonce);
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
