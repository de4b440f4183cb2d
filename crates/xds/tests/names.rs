//! Limits on the names that clients ask for, of one stream and of all together.

mod script;

use meshtcp_xds::{BadRequest, Delta, NameBudget};
use script::*;

type Client = Script<Delta>;

const OVERDRAWN: Result<(), BadRequest> = Err(BadRequest::Overdrawn { limit: 1000 });

#[test]
fn whoever_asks_for_what_is_published_draws_nothing_and_is_served_when_nothing_is_left() {
    let budget = NameBudget::of(1000);
    let mut stranger = Client::new().within(&budget);
    stranger.subscribe(EDS, &["one", "two", "three", "four", "five", "six", "seven"]);
    assert_eq!(stranger.subscription.settle_names(), Ok(()));
    let taken = budget.taken();
    assert!(taken > 900, "{taken}");
    stranger.subscribe(EDS, &["eight"]);
    assert_eq!(stranger.subscription.settle_names(), OVERDRAWN);
    assert_eq!(budget.taken(), taken);

    let published: &[_] = &[(CDS, "a", "a1"), (CDS, "b", "b1"), (EDS, "a", "ea1"), (EDS, "b", "eb1")];
    let mut known = Client::serving(published).within(&budget);
    known.subscribe(CDS, &[]);
    known.subscribe(EDS, &["a", "b"]);
    assert_eq!(known.subscription.settle_names(), Ok(()));
    assert_eq!(known.settle(), ["Cluster +a=a1 +b=b1", "ClusterLoadAssignment +a=ea1 +b=eb1"]);
    assert_eq!((known.subscription.settle_names(), budget.taken()), (Ok(()), taken));
    let more = ["a name", "after", "another", "that", "nobody", "has", "published", "here", "and", "more"];
    known.subscribe(EDS, &more);
    assert_eq!(known.subscription.settle_names(), OVERDRAWN, "beyond what is published");
    drop((stranger, known));
    assert_eq!(budget.taken(), 0);
}

#[test]
fn what_a_client_says_that_it_has_counts_too_until_it_is_published_or_gone() {
    let budget = NameBudget::of(1000);
    let mut client = Client::new().within(&budget);
    client.resume(CDS, &[], &[("a", version("a1")), ("b", version("b1"))]);
    assert_eq!(client.subscription.settle_names(), Ok(()));
    assert!(budget.taken() > 0);
    client.publish(&[(CDS, "a", "a1"), (CDS, "b", "b1")]);
    assert_eq!((client.subscription.settle_names(), budget.taken()), (Ok(()), 0));
    let held: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    let held: Vec<(&str, String)> = held.iter().map(|name| (&**name, version("x"))).collect();
    let mut client = Client::new().within(&budget);
    client.resume(CDS, &[], &held);
    assert_eq!(client.subscription.settle_names(), OVERDRAWN);
}
