//! Policies and their outcomes as JSON.

use serde_json::{Value, json};

use crate::plan::{Considered, Outcome, RouteStatus};

pub(super) fn considered(Considered { origin, outcome }: &Considered) -> Value {
    with_outcome(json!({ "policy": origin }), outcome)
}

pub(super) fn route(RouteStatus { policy, kind, outcome, decides, unresolved }: &RouteStatus) -> Value {
    let unresolved: Vec<Value> = unresolved
        .iter()
        .map(|(reference, why)| json!({ "reference": reference, "why": why.to_string() }))
        .collect();
    let status = with_outcome(json!({ "policy": policy, "kind": kind.as_str() }), outcome);
    let mut status = status;
    status["decides"] = json!(decides);
    status["unresolved"] = unresolved.into();
    status
}

fn with_outcome(mut object: Value, outcome: &Outcome) -> Value {
    let (word, by, why) = match outcome {
        Outcome::Applied => ("applied", None, None),
        Outcome::Shadowed { by } => ("shadowed", Some(json!(by)), None),
        Outcome::Ignored(why) => ("ignored", None, Some(why.to_string())),
    };
    object["outcome"] = word.into();
    object["by"] = by.into();
    object["why"] = why.into();
    object
}
