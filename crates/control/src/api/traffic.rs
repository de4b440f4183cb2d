//! Traffic as proxies report it: a single answer, or a stream.

use std::sync::Arc;

use change::traffic::{TrafficPage, TrafficQuestion};
use serde_json::json;
use tokio_stream::StreamExt as _;

use super::answer::Answer;
use super::ask::Ask;
use super::operation::{Body, Operation, Outcome, Query, Schema, Sort};
use super::refusal::Refusal;
use crate::telemetry::{follow, question};

const QUERY: &[Query] = &[
    Query {
        name: "by",
        about: "What a row is: `flow` (a route's backend at a destination, over all proxies) or `proxy`; `flow` when absent",
        sort: Sort::OneOf(&["flow", "proxy"]),
    },
    Query { name: "mesh", about: "Only of this mesh", sort: Sort::Text },
    Query {
        name: "route",
        about: "Only connections for which this policy decides, as `Kind mesh/name`; may be repeated",
        sort: Sort::Text,
    },
    Query { name: "destination", about: "Only connections to this destination", sort: Sort::Text },
    Query { name: "proxy", about: "Only connections of this proxy, as `mesh/name`", sort: Sort::Text },
    Query {
        name: "name",
        about: "Only rows in whose policy, destination, backend or proxy this stands",
        sort: Sort::Text,
    },
    Query {
        name: "sort",
        about: "What comes first: `name`, or `busiest`; `name` when absent",
        sort: Sort::OneOf(&["name", "busiest"]),
    },
    Query { name: "history", about: "Whether the last 15 minutes are told too", sort: Sort::Flag },
    Query {
        name: "offset",
        about: "The first row that is told; 0 when absent",
        sort: Sort::Number { least: 0, most: None },
    },
    Query {
        name: "size",
        about: "How many rows are told; 0: they are counted only; 100 when absent",
        sort: Sort::Number { least: 0, most: Some(1000) },
    },
];

/// Returns the operations.
pub(super) fn operations() -> Vec<Operation> {
    let events = Operation::get(
        "/_traffic/_events",
        "Tells once a second what connections do, until the caller goes",
        "",
        |ask| Box::pin(events(ask)),
    );
    vec![
        Operation::get(
            "/_traffic",
            "Says what connections do, as proxies report it",
            Schema::of::<TrafficPage>(),
            |ask| Box::pin(once(ask)),
        )
        .query(QUERY),
        Operation { good: vec![(200, Body::Events)], ..events }.query(QUERY),
    ]
}

fn asked(ask: &Ask) -> Result<TrafficQuestion, Refusal> {
    question(&ask.query).map_err(|wrong| {
        Refusal::field("Could not tell traffic", "Invalid question", wrong.parameter, wrong.why)
    })
}

async fn once(ask: Ask) -> Outcome {
    let question = asked(&ask)?;
    Ok(Answer::json(json!(ask.desk().plane.telemetry().page(&question))))
}

/// Answers with server-sent events: `traffic` with a page once a second, and `moved` when the configuration of proxies
/// changes.
async fn events(ask: Ask) -> Outcome {
    let question = asked(&ask)?;
    let Ok(place) = Arc::clone(&ask.desk().followers).try_acquire_owned() else {
        return Err(Refusal::busy("as many follow what connections do as may: ask again later"));
    };
    let plane = ask.desk().plane.clone();
    let events = follow(plane.telemetry().clone(), question, plane);
    // the permit is held as long as the stream
    Ok(Answer::events(Box::pin(events.map(move |event| {
        let _ = &place;
        event
    }))))
}
