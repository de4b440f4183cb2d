//! Traffic as proxies report it: a single answer, or a stream.

use change::traffic::{TrafficPage, TrafficQuestion};
use serde_json::json;

use super::answer::Answer;
use super::operation::{Body, Operation, Outcome, ParameterType, Query, Schema};
use super::refusal::Refusal;
use super::request::ApiRequest;
use crate::telemetry::{follow, question};

const QUERY: &[Query] = &[
    Query {
        name: "by",
        about: "What a row is: `flow` (a route's backend at a destination, over all proxies) or `proxy`; `flow` when absent",
        sort: ParameterType::OneOf(&["flow", "proxy"]),
    },
    Query { name: "mesh", about: "Only of this mesh", sort: ParameterType::Text },
    Query {
        name: "route",
        about: "Only connections for which this policy decides, as `Kind mesh/name`; may be repeated",
        sort: ParameterType::Text,
    },
    Query { name: "destination", about: "Only connections to this destination", sort: ParameterType::Text },
    Query {
        name: "proxy",
        about: "Only connections of this proxy, as `mesh/name`",
        sort: ParameterType::Text,
    },
    Query {
        name: "name",
        about: "Only rows in whose policy, destination, backend or proxy this stands",
        sort: ParameterType::Text,
    },
    Query {
        name: "sort",
        about: "What comes first: `name`, or `busiest`; `name` when absent",
        sort: ParameterType::OneOf(&["name", "busiest"]),
    },
    Query { name: "history", about: "Whether the last 15 minutes are told too", sort: ParameterType::Flag },
    Query {
        name: "offset",
        about: "The first row that is told; 0 when absent",
        sort: ParameterType::Number { least: 0, most: None },
    },
    Query {
        name: "size",
        about: "How many rows are told; 0: they are counted only; 100 when absent",
        sort: ParameterType::Number { least: 0, most: Some(1000) },
    },
];

/// Returns the operations.
pub(super) fn operations() -> Vec<Operation> {
    let events = Operation::get(
        "/_traffic/_events",
        "Tells once a second what connections do, until the caller goes",
        "",
        |request| Box::pin(events(request)),
    );
    vec![
        Operation::get(
            "/_traffic",
            "Says what connections do, as proxies report it",
            Schema::of::<TrafficPage>(),
            |request| Box::pin(once(request)),
        )
        .query(QUERY),
        Operation { good: vec![(200, Body::Events)], ..events }.query(QUERY),
    ]
}

fn asked(request: &ApiRequest) -> Result<TrafficQuestion, Refusal> {
    question(&request.query).map_err(|wrong| {
        Refusal::field("Could not tell traffic", "Invalid question", wrong.parameter, wrong.why)
    })
}

async fn once(request: ApiRequest) -> Outcome {
    let question = asked(&request)?;
    Ok(Answer::json(json!(request.api().plane.telemetry().page(&question))))
}

/// Answers with server-sent events: `traffic` with a page once a second, and `moved` when the configuration of proxies
/// changes.
async fn events(request: ApiRequest) -> Outcome {
    let question = asked(&request)?;
    let Some(place) = request.api().followers.take() else {
        return Err(Refusal::busy("as many follow what connections do as may: ask again later"));
    };
    let plane = request.api().plane.clone();
    Ok(Answer::events(Box::pin(follow(plane.telemetry().clone(), question, plane, place))))
}
