//! Policies, and what became of them.

use serde_json::{Value, json};

use crate::plan::{Considered, Outcome, PolicyOrigin, PolicyPlace, RouteStatus};

pub(super) fn origin(origin: &PolicyOrigin) -> Value {
    let PolicyPlace { policy, name, item, source } = &**origin;
    json!({
        "kind": policy.kind.as_str(),
        "mesh": policy.mesh,
        "name": name,
        "kri": policy.to_string(),
        "at": item.map(|index| format!("to[{index}]")),
        "source": source.as_ref(),
    })
}

pub(super) fn considered(Considered { origin, outcome }: &Considered) -> Value {
    with_outcome(json!({ "policy": self::origin(origin) }), outcome)
}

pub(super) fn route(RouteStatus { policy, kind, outcome, decides, unresolved }: &RouteStatus) -> Value {
    let unresolved: Vec<Value> = unresolved
        .iter()
        .map(|(reference, why)| json!({ "reference": reference, "why": why.to_string() }))
        .collect();
    let status = with_outcome(json!({ "policy": origin(policy), "kind": kind.as_str() }), outcome);
    let mut status = status;
    status["decides"] = json!(decides);
    status["unresolved"] = unresolved.into();
    status
}

fn with_outcome(mut object: Value, outcome: &Outcome) -> Value {
    let (word, by, why) = match outcome {
        Outcome::Applied => ("applied", None, None),
        Outcome::Shadowed { by } => ("shadowed", Some(origin(by)), None),
        Outcome::Ignored(why) => ("ignored", None, Some(why.to_string())),
    };
    object["outcome"] = word.into();
    object["by"] = by.into();
    object["why"] = why.into();
    object
}
