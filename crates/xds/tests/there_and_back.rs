//! Changes that are reverted before the client has answered the first.

mod script;

use meshtcp_xds::order::{L4_CLUSTER, L4_ENDPOINTS, L4_LISTENER, L4_ROUTE};
use meshtcp_xds::{Delta, PATIENCE, StateOfTheWorld};
use script::*;

/// Route to one cluster.
fn to(cluster: &'static str) -> [(&'static str, &'static str, &'static str); 4] {
    [
        (L4_CLUSTER, cluster, "c"),
        (L4_ENDPOINTS, cluster, "e"),
        (L4_ROUTE, "out", cluster),
        (L4_LISTENER, "in", "out"),
    ]
}

/// Client whose route has moved from `old` to `new`; returned with it is the unanswered removal of `old`.
fn moved() -> (Script<Delta>, Vec<meshtcp_xds::proto::discovery::DeltaDiscoveryResponse>) {
    let mut client = Script::<Delta>::serving(&to("old"));
    for type_url in [L4_CLUSTER, L4_ENDPOINTS, L4_ROUTE, L4_LISTENER] {
        client.subscribe(type_url, &[]);
    }
    client.settle();
    client.publish(&to("new"));
    for response in client.responses() {
        client.ack(&response);
    }
    let removals = client.responses();
    assert_eq!(removals.iter().map(words).collect::<Vec<_>>(), ["Cluster -old", "Endpoints -old"]);
    (client, removals)
}

fn said(client: &mut Script<Delta>) -> Vec<String> {
    client.responses().iter().map(words).collect()
}

#[test]
fn a_route_waits_for_a_cluster_whose_removal_is_unanswered() {
    let (mut client, removals) = moved();
    client.publish(&to("old"));
    assert!(client.responses().is_empty(), "the cluster is about to be gone");
    client.ack(&removals[0]);
    let cluster = client.responses();
    assert_eq!(cluster.iter().map(words).collect::<Vec<_>>(), ["Cluster +old=c"]);
    client.ack(&removals[1]);
    let rest = client.responses();
    assert_eq!(rest.iter().map(words).collect::<Vec<_>>(), ["Endpoints +old=e", "Route +out=old"]);
    for response in cluster.iter().chain(&rest) {
        client.ack(response);
    }
    assert_eq!(client.settle(), ["Cluster -new", "Endpoints -new"]);
    assert!(client.subscription.is_in_sync());
}

#[test]
fn a_route_that_lost_patience_is_offered_again() {
    let (mut client, removals) = moved();
    client.publish(&to("old"));
    assert!(client.responses().is_empty());
    client.now += PATIENCE;
    let route = client.responses().remove(0);
    assert_eq!(words(&route), "Route +out=old");
    client.ack(&removals[0]);
    client.ack(&removals[1]);
    client.nack(&route, "out: there is no cluster old");
    assert_eq!(
        client.settle(),
        ["Cluster +old=c", "Endpoints +old=e", "Route +out=old", "Cluster -new", "Endpoints -new"]
    );
    assert!(client.subscription.is_in_sync());
}

#[test]
fn a_cluster_stays_while_a_route_to_it_is_on_its_way() {
    let (mut client, removals) = moved();
    client.publish(&to("old"));
    removals.iter().for_each(|removal| client.ack(removal));
    let back = client.responses();
    client.publish(&to("new"));
    client.now += PATIENCE * 2;
    assert!(client.responses().is_empty(), "the route back may be running");
    back.iter().for_each(|response| client.ack(response));
    assert_eq!(client.settle(), ["Route +out=new", "Cluster -old", "Endpoints -old"]);
}

#[test]
fn a_listener_leaves_before_its_cluster() {
    let mut client = Script::<Delta>::serving(&[(CDS, "one", "c1"), (LDS, "in", "uses one")]);
    client.subscribe(CDS, &[]);
    client.subscribe(LDS, &[]);
    client.settle();
    client.publish(&[]);
    let listener = client.responses();
    assert_eq!(listener.iter().map(words).collect::<Vec<_>>(), ["Listener -in"]);
    client.ack(&listener[0]);
    assert_eq!(said(&mut client), ["Cluster -one"]);
}

#[test]
fn a_listener_waits_for_the_state_of_the_world_to_have_its_cluster_again() {
    let with = |cluster: &'static str| [(CDS, cluster, cluster), (LDS, "in", cluster)];
    let mut client = Script::<StateOfTheWorld>::serving(&with("old"));
    for type_url in [CDS, LDS] {
        client.begin(type_url, &[], "");
        let response = client.response();
        client.ack(&response, &[]);
    }
    client.publish(&with("new"));
    for expected in ["Cluster new old", "Listener new"] {
        let response = client.response();
        assert_eq!(bodies(&response), expected);
        client.ack(&response, &[]);
    }
    let removal = client.response();
    assert_eq!(bodies(&removal), "Cluster new");
    client.publish(&with("old"));
    assert!(client.responses().is_empty());
    client.ack(&removal, &[]);
    for expected in ["Cluster new old", "Listener old", "Cluster old"] {
        let response = client.response();
        assert_eq!(bodies(&response), expected);
        client.ack(&response, &[]);
    }
    assert!(client.responses().is_empty() && client.subscription.is_in_sync());
}
