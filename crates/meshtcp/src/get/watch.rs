//! `get --watch`: changes after the first answer, until interrupted.

use std::collections::BTreeMap;
use std::time::Duration;

use model::Kind;
use serde_json::Value;

use super::{Found, Question, Shape, print_each, row};
use crate::client::Client;
use crate::exit::Exit;
use crate::output::{complain, is_unread};

/// Interval at which a new revision is asked for.
const LOOK: Duration = Duration::from_secs(1);
/// Number of looks after which everything is read again, whatever the revision: not every stored change makes one.
const ANYWAY: u64 = 10;

/// Prints changes until interrupted, or nobody reads them. While the control plane is unreachable, no change is known.
pub(super) fn follow(client: &Client, question: &Question, shape: &Shape, shown: Vec<Found>) -> Exit {
    let mut known = by_name(shown);
    let (mut revision, mut is_away) = (None, false);
    for look in 1_u64.. {
        if is_unread() {
            break;
        }
        std::thread::sleep(LOOK);
        let now = client.summary().ok().map(|report| report.revision);
        if now.is_some() && now == revision && !look.is_multiple_of(ANYWAY) {
            continue;
        }
        // a name that is gone is printed as deleted
        match question.asked(client, |_| {}) {
            Ok(found) => {
                (revision, is_away) = (now, false);
                let next = by_name(found);
                print_each(shape, question, &changed(&known, &next), false);
                for (kind, name) in known.keys().filter(|key| !next.contains_key(key)) {
                    complain(&format!("{kind} {name} deleted\n"));
                }
                known = next;
            }
            Err(failed) => {
                if !std::mem::replace(&mut is_away, true) {
                    complain(&format!("warning: {failed}\nwaiting for it\n"));
                }
            }
        }
    }
    Exit::Ok
}

type Known = BTreeMap<(Kind, String), Value>;

fn by_name(found: Vec<Found>) -> Known {
    let named = |kind: Kind, it: Value| ((kind, row::name(kind, &it, true)), it);
    found
        .into_iter()
        .flat_map(|Found { kind, items }| items.into_iter().map(move |it| named(kind, it)))
        .collect()
}

/// Resources that are new or changed.
fn changed(before: &Known, now: &Known) -> Vec<Found> {
    let mut changed: Vec<Found> = Vec::new();
    for (key, resource) in now.iter().filter(|(key, resource)| before.get(key) != Some(resource)) {
        let items = vec![resource.clone()];
        match changed.last_mut().filter(|last| last.kind == key.0) {
            Some(last) => last.items.extend(items),
            None => changed.push(Found { kind: key.0, items }),
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_changed_is_shown_again() {
        let route = |name: &str, weight: u32| json!({ "name": name, "mesh": "default", "weight": weight });
        let of = |items: Vec<Value>| by_name(vec![Found { kind: Kind::MeshTCPRoute, items }]);
        let before = of(vec![route("a", 1), route("b", 1), route("gone", 1)]);
        let changed = changed(&before, &of(vec![route("a", 1), route("b", 2), route("new", 1)]));
        let names: Vec<&str> = changed[0].items.iter().map(|it| row::text(it, "name")).collect();
        assert_eq!((changed.len(), names), (1, vec!["b", "new"]));
    }
}
