//! Requests that are refused, or answered with nothing.

use meshtcp_xds::proto::discovery::{DeltaDiscoveryRequest, Node};
use meshtcp_xds::{BadRequest, TypeUrl};

use super::{Client, FIRST, attached};
use crate::script::*;

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
