//! Guarantees to the consumer of a mirror.

#![allow(clippy::unwrap_used, reason = "a step that fails is a failed test")]

use std::time::Duration;

use meshtcp_xds::order::{L4_CLUSTER, L4_ENDPOINTS, L4_LISTENER, L4_NAMES, L4_ROUTE, L4_SECRET};
use meshtcp_xds::proto::discovery::{Any, DeltaDiscoveryRequest, DeltaDiscoveryResponse, Node, Resource};
use meshtcp_xds::proto::l4::{Backend, Cluster, Endpoints, Listener, Route};
use meshtcp_xds::{DiscoveryClient, PATIENCE, QUIET, RejectedResource, TypeUrl};
use prost::Message;

const START: Duration = Duration::ZERO;

fn client() -> DiscoveryClient {
    let mut client = DiscoveryClient::new(Node { id: "default.web-1".into(), ..Node::default() });
    client.connect();
    client
}

fn requests(client: &mut DiscoveryClient) -> Vec<DeltaDiscoveryRequest> {
    std::iter::from_fn(|| client.poll_request()).collect()
}

fn response(
    type_url: &str,
    nonce: &str,
    resources: &[(&str, Vec<u8>)],
    removed: &[&str],
) -> DeltaDiscoveryResponse {
    DeltaDiscoveryResponse {
        type_url: type_url.into(),
        nonce: nonce.into(),
        resources: resources
            .iter()
            .map(|(name, body)| Resource {
                name: (*name).into(),
                version: format!("version of {name}"),
                resource: Some(Any { type_url: type_url.into(), value: body.clone().into() }),
            })
            .collect(),
        removed_resources: removed.iter().map(|name| (*name).into()).collect(),
        ..Default::default()
    }
}

fn clusters(nonce: &str, names: &[&str]) -> DeltaDiscoveryResponse {
    let body = |name: &str| Cluster { name: name.into(), ..Default::default() }.encode_to_vec();
    response(L4_CLUSTER, nonce, &names.iter().map(|name| (*name, body(name))).collect::<Vec<_>>(), &[])
}

fn endpoints(nonce: &str, names: &[&str]) -> DeltaDiscoveryResponse {
    let body = |name: &str| Endpoints { cluster: name.into(), ..Default::default() }.encode_to_vec();
    response(L4_ENDPOINTS, nonce, &names.iter().map(|name| (*name, body(name))).collect::<Vec<_>>(), &[])
}

fn route(nonce: &str, cluster: &str) -> DeltaDiscoveryResponse {
    let backends = vec![Backend { cluster: cluster.into(), weight: 1, ..Default::default() }];
    let route = Route { name: "out".into(), backends, ..Default::default() };
    response(L4_ROUTE, nonce, &[("out", route.encode_to_vec())], &[])
}

fn listener(nonce: &str, port: u32) -> DeltaDiscoveryResponse {
    let listener = Listener { name: "out".into(), route: "out".into(), port, ..Default::default() };
    response(L4_LISTENER, nonce, &[("out", listener.encode_to_vec())], &[])
}

/// Client that has accepted a listener, its route, cluster and endpoints.
fn filled() -> DiscoveryClient {
    let mut client = client();
    for response in [clusters("1", &["a"]), endpoints("2", &["a"]), route("3", "a"), listener("4", 1)] {
        client.on_response(response, START);
    }
    client.offer(START, |_| Ok(()));
    assert_eq!(client.generation(), 1);
    requests(&mut client);
    client
}

fn names(client: &DiscoveryClient, type_url: &str) -> Vec<String> {
    client.current().of_type(&TypeUrl::new(type_url)).map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn a_stream_begins_by_asking_for_everything() {
    let requests = requests(&mut client());
    assert_eq!(requests[0].node.as_ref().unwrap().id, "default.web-1");
    assert!(requests[1..].iter().all(|request| request.node.is_none()));
    let types: Vec<_> = requests.iter().map(|request| request.type_url.as_str()).collect();
    assert_eq!(types, [L4_CLUSTER, L4_ENDPOINTS, L4_ROUTE, L4_LISTENER, L4_SECRET, L4_NAMES]);
    assert!(requests.iter().all(|request| request.resource_names_subscribe == ["*"]));
}

#[test]
fn nothing_is_offered_before_it_is_whole() {
    let mut client = client();
    requests(&mut client);
    for response in [clusters("1", &["a"]), endpoints("2", &["a"]), listener("3", 1)] {
        client.on_response(response, START);
        client.offer(START, |_| unreachable!("there is no route yet"));
        assert!(requests(&mut client).is_empty(), "what is not judged is not answered");
    }
    client.on_response(route("4", "a"), START);
    client.offer(START, |_| Ok(()));
    assert_eq!((names(&client, L4_LISTENER), client.generation()), (vec!["out".to_owned()], 1));
    let answers = requests(&mut client);
    assert_eq!(
        answers.iter().map(|answer| answer.response_nonce.as_str()).collect::<Vec<_>>(),
        ["1", "2", "3", "4"]
    );
    assert!(answers.iter().all(|answer| answer.error_detail.is_none()));
}

#[test]
fn nothing_at_all_is_a_set_too() {
    let mut client = client();
    for type_url in [L4_CLUSTER, L4_ENDPOINTS, L4_ROUTE, L4_LISTENER] {
        client.on_response(response(type_url, "1", &[], &[]), START);
    }
    let mut offered = 0;
    client.offer(START, |set| {
        offered += usize::from(set.is_empty());
        Ok(())
    });
    assert_eq!((offered, client.generation()), (1, 1));
}

#[test]
fn a_missing_piece_is_waited_for_but_not_for_long() {
    let mut client = filled();
    client.on_response(route("5", "nobody"), START);
    client.offer(START, |_| unreachable!("its cluster may still come"));
    let wake = client.wake_at().unwrap();
    assert_eq!(wake, START + QUIET);
    client.offer(wake, |_| unreachable!("it still may"));
    assert_eq!(requests(&mut client), []);
    let wake = client.wake_at().unwrap();
    assert_eq!(wake, START + PATIENCE);
    client.offer(wake, |_| Ok(()));
    assert_eq!(client.generation(), 2);
    assert_eq!(requests(&mut client).len(), 1);
    assert_eq!(client.wake_at(), None);
}

#[test]
fn what_does_not_miss_the_piece_goes_on_and_is_answered() {
    let mut client = filled();
    client.on_response(route("5", "b"), START);
    client.on_response(response(L4_LISTENER, "6", &[], &["out"]), START);
    client.offer(START + QUIET, |_| Ok(()));
    assert!(names(&client, L4_LISTENER).is_empty());
    let answers = requests(&mut client);
    assert_eq!(answers.iter().map(|answer| answer.response_nonce.as_str()).collect::<Vec<_>>(), ["6"]);
    // And the resource that needs it runs as soon as it comes.
    client.on_response(clusters("7", &["b"]), START + QUIET);
    client.on_response(endpoints("8", &["b"]), START + QUIET);
    client.offer(START + QUIET, |_| Ok(()));
    assert_eq!((names(&client, L4_CLUSTER), client.generation()), (vec!["a".to_owned(), "b".to_owned()], 3));
    let answers = requests(&mut client);
    assert!(answers.len() == 3 && answers.iter().all(|answer| answer.error_detail.is_none()));
}

#[test]
fn what_is_still_needed_is_not_parted_with() {
    let mut client = filled();
    client.on_response(response(L4_CLUSTER, "5", &[], &["a"]), START);
    client.on_response(response(L4_ENDPOINTS, "6", &[], &["a"]), START);
    client.offer(START + QUIET, |_| unreachable!("its route may still change"));
    assert_eq!(requests(&mut client), []);
    client.offer(START + PATIENCE, |_| unreachable!("nothing is left of it"));
    let answers = requests(&mut client);
    let errors: Vec<_> =
        answers.iter().map(|answer| answer.error_detail.as_ref().unwrap().message.as_str()).collect();
    assert_eq!(errors, ["a: out still needs it", "a: a still needs it"]);
    assert_eq!(
        (names(&client, L4_CLUSTER), names(&client, L4_ENDPOINTS)),
        (vec!["a".into()], vec!["a".into()])
    );
}

#[test]
fn half_of_a_first_answer_is_not_run() {
    let mut client = client();
    client.on_response(clusters("1", &["a"]), START);
    client.on_response(endpoints("2", &["a"]), START);
    client.offer(START + QUIET, |_| unreachable!("nothing is known of listeners"));
    assert_eq!(client.wake_at(), Some(START + PATIENCE));
}

#[test]
fn what_is_removed_is_gone() {
    let mut client = filled();
    client.on_response(response(L4_LISTENER, "5", &[], &["out"]), START);
    client.offer(START, |_| Ok(()));
    assert!(names(&client, L4_LISTENER).is_empty());
}

#[test]
fn equal_content_is_answered_and_not_offered() {
    let mut client = filled();
    client.on_response(listener("5", 1), START);
    client.offer(START, |_| unreachable!("it runs already"));
    assert_eq!(requests(&mut client)[0].response_nonce, "5");
}

#[test]
fn a_refusal_is_told_in_the_consumers_words_and_taken_back() {
    let mut client = filled();
    let before = client.current().clone();
    client.on_response(clusters("5", &["b"]), START);
    client.on_response(endpoints("6", &["b"]), START);
    client.on_response(listener("7", 99), START);
    let mut offers = Vec::new();
    client.offer(START, |set| {
        offers.push(set.clone());
        let port = set.get(&TypeUrl::new(L4_LISTENER), "out").unwrap();
        if before.get(&TypeUrl::new(L4_LISTENER), "out") == Some(port) {
            return Ok(());
        }
        let (type_url, name) = (TypeUrl::new(L4_LISTENER), "out".to_owned());
        Err(vec![RejectedResource { type_url, name, reason: "the port is taken".into() }])
    });
    assert_eq!(offers.len(), 2, "all, and then without what was refused");
    assert_eq!(names(&client, L4_CLUSTER), ["a", "b"], "the rest goes on");
    assert_eq!(
        client.current().get(&TypeUrl::new(L4_LISTENER), "out"),
        before.get(&TypeUrl::new(L4_LISTENER), "out")
    );
    let answers = requests(&mut client);
    let errors: Vec<_> = answers
        .iter()
        .map(|answer| answer.error_detail.as_ref().map(|status| status.message.as_str()))
        .collect();
    assert_eq!(errors, [None, None, Some("out: the port is taken")]);
}

#[test]
fn a_refusal_of_something_old_is_one_of_all_that_is_new() {
    let mut client = filled();
    client.on_response(clusters("5", &["b"]), START);
    client.on_response(endpoints("6", &["b"]), START);
    let before = client.current().clone();
    client.offer(START, |_| {
        let (type_url, name) = (TypeUrl::new(L4_LISTENER), "out".to_owned());
        Err(vec![RejectedResource { type_url, name, reason: "too many clusters".into() }])
    });
    assert_eq!((client.current(), client.generation()), (&before, 1));
    assert!(requests(&mut client).iter().all(|answer| answer.error_detail.is_some()));
}

#[test]
fn bytes_that_are_no_message_are_refused_by_name() {
    let mut client = filled();
    client.on_response(response(L4_CLUSTER, "5", &[("b", vec![0xff])], &[]), START);
    let renamed = Cluster { name: "other".into(), ..Default::default() }.encode_to_vec();
    client.on_response(response(L4_CLUSTER, "6", &[("c", renamed)], &[]), START);
    client.offer(START, |_| Ok(()));
    let answers = requests(&mut client);
    let message = |index: usize| answers[index].error_detail.as_ref().unwrap().message.as_str();
    assert!(message(0).starts_with("b: not a message of its type"), "{}", message(0));
    assert_eq!(message(1), "c: the message inside is called `other`");
    assert_eq!(names(&client, L4_CLUSTER), ["a"]);
}

#[test]
fn a_new_stream_goes_on_from_what_was_accepted() {
    let mut client = filled();
    client.on_response(clusters("5", &["unseen"]), START);
    client.connect();
    let requests = requests(&mut client);
    let held: Vec<_> = requests[0].initial_resource_versions.iter().collect();
    assert_eq!(held, [(&"a".to_owned(), &"version of a".to_owned())]);
    client.on_response(response(L4_CLUSTER, "1", &[], &[]), START);
    client.offer(START, |_| unreachable!("nothing changed"));
    assert_eq!(names(&client, L4_CLUSTER), ["a"]);
}
