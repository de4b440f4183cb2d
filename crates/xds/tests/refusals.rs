//! Times at which a client is offered refused resources again, each shown by a scripted client.

#![allow(clippy::unwrap_used, reason = "a script that cannot be said is a failed test")]

mod script;

use meshtcp_xds::order::{L4_CLUSTER, L4_ENDPOINTS, L4_ROUTE};
use meshtcp_xds::{Delta, Event, Protocol, StateOfTheWorld, TypeUrl};
use script::*;

const FIRST: &[(&str, &str, &str)] = &[(CDS, "one", "c1"), (LDS, "in", "uses one")];

fn with_listener(body: &'static str) -> [(&'static str, &'static str, &'static str); 2] {
    [FIRST[0], (LDS, "in", body)]
}

/// Client that has accepted cluster `one` and a listener that uses it.
fn attached() -> Script<Delta> {
    let mut client = Script::serving(FIRST);
    client.subscribe(CDS, &[]);
    client.subscribe(LDS, &[]);
    assert_eq!(client.settle(), ["Cluster +one=c1", "Listener +in=uses one"]);
    client.events();
    client
}

fn said(client: &mut Script<Delta>) -> Vec<String> {
    client.responses().iter().map(words).collect()
}

/// Refuses the next response.
fn refuse(client: &mut Script<Delta>, message: &str) -> String {
    let response = client.responses().remove(0);
    client.nack(&response, message);
    words(&response)
}

/// Advances time until something may come, and returns the number of seconds.
fn pause<P: Protocol>(client: &mut Script<P>) -> u64 {
    let wake = client.subscription.wake_at().unwrap();
    let seconds = (wake - client.now).as_secs();
    client.now = wake;
    seconds
}

#[test]
fn a_refused_resource_is_not_sent_again_unchanged() {
    let mut client = attached();
    client.publish(&with_listener("bad"));
    refuse(&mut client, "Error adding/updating listener(s) in: no weight");
    assert_eq!(
        client.events(),
        [Event::Rejected {
            type_url: TypeUrl::new(LDS),
            names: vec!["in".into()],
            message: "Error adding/updating listener(s) in: no weight".into()
        }]
    );
    assert!(client.responses().is_empty());
    assert!(!client.subscription.is_in_sync());
    client.publish(&with_listener("bad"));
    assert!(client.responses().is_empty());
    client.publish(&with_listener("good"));
    assert_eq!(client.settle(), ["Listener +in=good"]);
    client.publish(&with_listener("bad"));
    assert!(client.responses().is_empty(), "still refused");
    assert_eq!(client.events().len(), 1);
}

#[test]
fn a_refused_resource_is_offered_again_after_pauses_that_grow() {
    let mut client = attached();
    client.publish(&with_listener("bad"));
    let mut pauses = Vec::new();
    for _ in 0..9 {
        assert_eq!(refuse(&mut client, "in: the port is taken"), "Listener +in=bad");
        assert!(client.responses().is_empty());
        assert_eq!(client.subscription.refused().count(), 1);
        pauses.push(pause(&mut client));
    }
    assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
    assert_eq!(client.settle(), ["Listener +in=bad"]);
    assert!(client.subscription.is_in_sync());
    assert_eq!((client.subscription.refused().count(), client.subscription.wake_at()), (0, None));
}

#[test]
fn a_refused_resource_is_offered_again_when_what_it_names_has_come() {
    let mut client = attached();
    let with = |other: &'static str, listener| [FIRST[0], (CDS, other, "c"), (LDS, "in", listener)];
    client.publish(&[FIRST[0], (LDS, "in", "uses two")]);
    refuse(&mut client, "in: there is no cluster two");
    client.publish(&with("three", "uses two"));
    assert_eq!(client.settle(), ["Cluster +three=c"], "that is not what was missing");
    client.publish(&with("two", "uses two"));
    assert_eq!(client.settle(), ["Cluster +two=c", "Listener +in=uses two", "Cluster -three"]);
    assert!(client.subscription.is_in_sync());
}

#[test]
fn a_resource_is_offered_again_only_once_for_each_thing_that_came() {
    let mut client = attached();
    client.publish(&[("x", "x", "x"), (CDS, "one", "c2"), (LDS, "in", "uses one, badly")]);
    let clusters = client.responses().remove(0);
    client.ack(&clusters);
    assert_eq!(
        refuse(&mut client, "in: no"),
        "Listener +in=uses one, badly",
        "its cluster was there already"
    );
    assert!(client.responses().is_empty());
    client.publish(&[(CDS, "one", "c3"), (LDS, "in", "uses one, badly")]);
    let clusters = client.responses().remove(0);
    client.ack(&clusters);
    assert_eq!(refuse(&mut client, "in: no"), "Listener +in=uses one, badly");
    assert!(client.responses().is_empty());
}

#[test]
fn an_answer_that_is_overtaken_by_what_it_misses_is_asked_for_again() {
    let mut client = Script::<Delta>::serving(&[(L4_ROUTE, "out", "to one")]);
    for type_url in [L4_CLUSTER, L4_ENDPOINTS, L4_ROUTE] {
        client.subscribe(type_url, &[]);
    }
    let responses = client.responses();
    assert_eq!(words(&responses[2]), "Route +out=to one");
    client.ack(&responses[0]);
    client.publish(&[(L4_CLUSTER, "one", "c"), (L4_ROUTE, "out", "to one")]);
    let cluster = client.responses().remove(0);
    client.ack(&cluster);
    client.nack(&responses[2], "out: there is no cluster one");
    assert_eq!(said(&mut client), ["Route +out=to one"]);
}

#[test]
fn what_a_client_will_not_part_with_is_asked_for_again_when_its_user_changed() {
    let mut client = attached();
    client.publish(&[(LDS, "in", "uses none")]);
    let listener = client.responses().remove(0);
    client.wait(2);
    assert_eq!(refuse(&mut client, "one: in still needs it"), "Cluster -one");
    assert!(client.responses().is_empty());
    let refused: Vec<_> = client.subscription.refused().map(|(_, name)| name.to_owned()).collect();
    assert_eq!(refused, ["one"]);
    client.nack(&listener, "in: no");
    client.publish(&[(LDS, "in", "uses nothing")]);
    assert_eq!(client.settle(), ["Listener +in=uses nothing", "Cluster -one"]);
    assert!(client.subscription.is_in_sync());
}

#[test]
fn what_a_client_will_not_part_with_stays_in_a_state_of_the_world() {
    let mut client = Script::<StateOfTheWorld>::serving(&[(CDS, "one", "c1"), (CDS, "two", "c2")]);
    client.begin(CDS, &[], "");
    let both = client.response();
    client.ack(&both, &[]);
    client.publish(&[(CDS, "two", "c2")]);
    let without = client.response();
    client.nack(&without, &[], "one: it is in use");
    client.publish(&[(CDS, "two", "c3")]);
    let kept = client.response();
    assert_eq!(bodies(&kept), "Cluster c1 c3");
    client.ack(&kept, &[]);
    assert!(client.responses().is_empty() && !client.subscription.is_in_sync());
    pause(&mut client);
    let without = client.response();
    assert_eq!(bodies(&without), "Cluster c3");
    client.ack(&without, &[]);
    assert!(client.responses().is_empty() && client.subscription.is_in_sync());
}

#[test]
fn what_was_refused_is_not_sent_at_once_on_the_next_stream() {
    let mut client = attached();
    client.publish(&with_listener("bad"));
    refuse(&mut client, "no");
    let memory = client.subscription.memory();

    let mut resumed = Script::<Delta>::with_memory(memory.clone());
    resumed.publish(&with_listener("bad"));
    resumed.resume(CDS, &[], &[("one", version("c1"))]);
    resumed.resume(LDS, &[], &[("in", version("uses one"))]);
    assert_eq!(resumed.settle(), ["Cluster", "Listener"]);
    assert_eq!(pause(&mut resumed), 5);
    assert_eq!(resumed.settle(), ["Listener +in=bad"]);

    let mut restarted = Script::<Delta>::with_memory(memory);
    restarted.publish(&with_listener("bad"));
    restarted.subscribe(LDS, &[]);
    assert_eq!(restarted.settle(), ["Listener +in=bad"], "a new process may see it differently");
}

#[test]
fn what_may_have_used_it_may_have_changed_elsewhere() {
    let mut client = attached();
    client.publish(&[(LDS, "in", "uses none")]);
    client.responses();
    client.wait(2);
    assert_eq!(refuse(&mut client, "one: in still needs it"), "Cluster -one");
    // The client accepts the listener after all, and the stream is lost before it can say so.
    let mut resumed = Script::<Delta>::with_memory(client.subscription.memory());
    resumed.publish(&[(LDS, "in", "uses none")]);
    resumed.resume(CDS, &[], &[("one", version("c1"))]);
    resumed.resume(LDS, &[], &[("in", version("uses none"))]);
    assert_eq!(resumed.settle(), ["Cluster -one", "Listener"]);
    assert!(resumed.subscription.is_in_sync());
}

#[test]
fn what_was_missing_may_have_come_from_elsewhere() {
    let mut client = attached();
    let target = [FIRST[0], (CDS, "two", "c2"), (LDS, "in", "uses two")];
    client.publish(&[FIRST[0], target[2]]);
    refuse(&mut client, "in: there is no cluster two");
    let mut resumed = Script::<Delta>::with_memory(client.subscription.memory());
    resumed.publish(&target);
    resumed.resume(LDS, &[], &[("in", version("uses one"))]);
    resumed.resume(CDS, &[], &[("one", version("c1")), ("two", version("c2"))]);
    assert_eq!(resumed.settle(), ["Cluster", "Listener +in=uses two"]);
}

#[test]
fn what_is_kept_for_a_refused_resource_holds_up_no_other_change() {
    let mut client = attached();
    client.publish(&with_listener("bad"));
    refuse(&mut client, "in: the port is taken");
    assert!(client.subscription.is_settled());
    // the cluster goes, and the listener that the client still has may need it
    client.publish(&[(CDS, "two", "c2"), (LDS, "in", "bad")]);
    assert!(!client.subscription.is_settled(), "it has to hear of the other one");
    assert_eq!(client.settle(), ["Cluster +two=c2"]);
    assert!(client.subscription.is_settled() && !client.subscription.is_in_sync());
}
