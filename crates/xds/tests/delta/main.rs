//! Guarantees to a delta client, each shown by a scripted client.

mod admission;
mod answers;
mod content;
mod interest;
mod order;
#[path = "../script/mod.rs"]
mod script;

use meshtcp_xds::Delta;

use crate::script::*;

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
