//! Explanation of one connection's route: policy and draw from its record, the split from the resources.

mod record;

use std::ops::Range;

use l4::balance::Draw;
use l4::config::Backend;
use l4::decide::Facts;
use plan::ProxyId;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::compile::Compiled;
pub use record::Record;

/// Explanation of a connection: where its draw falls in the split that is in force.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Story {
    /// Record of the connection, by the keys of the connection log.
    pub connection: Value,
    /// Draw as a fraction of all draws, 0 to 1; `None`: no draw.
    pub fraction: Option<f64>,
    /// Split of its route now, in the order of the weights; empty: the resources have no such listener.
    pub split: Vec<DrawInterval>,
}

/// Share of one backend as an interval of draws.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DrawInterval {
    /// Description of the backendRef, for humans.
    pub backend: String,
    /// Begin of its share, in percent of all draws.
    pub from: f64,
    /// End of its share, in percent of all draws.
    pub to: f64,
    /// `true`: the draw is in it.
    pub drawn: bool,
}

impl Story {
    /// Explains the connection in a line of a connection log, or of the open connections that an admin server lists.
    /// `None`: it is neither.
    pub fn told(line: &str, compiled: &Compiled) -> Option<Self> {
        let open = || {
            Record::of_open(&serde_json::from_str(line).ok()?).filter(|it| !it.text("listener").is_empty())
        };
        let record = Record::read(line).or_else(open)?;
        Some(Self::of(&record, compiled))
    }

    /// Explains a connection by the present configuration of every proxy.
    pub fn of(record: &Record, compiled: &Compiled) -> Self {
        let fraction = record.draw().map(|draw| Draw(draw).fraction());
        Self { connection: record.tree(), fraction, split: intervals(record, compiled) }
    }
}

/// Split of the route that a connection would take now, by the functions that its proxy uses.
pub fn intervals(record: &Record, compiled: &Compiled) -> Vec<DrawInterval> {
    let route = || {
        let key: ProxyId = record.text("proxy").parse().ok()?;
        let listener = compiled.proxies.get(&key)?.carried(&key, record.text("listener"))?;
        let server_name = Some(record.text("server_name")).filter(|name| !name.is_empty());
        let client = record.text("client").parse().ok()?;
        let facts = Facts { client, server_name, destination: None };
        listener.route_at(listener.route_for(&facts)?).cloned()
    };
    let Some(route) = route() else { return Vec::new() };
    let drawn = record.draw().and_then(|draw| route.split.choose(Draw(draw)));
    let interval = |(at, backend): (usize, &Backend)| {
        let Range { start, end } = route.split.interval(at).unwrap_or_default();
        DrawInterval {
            backend: backend.reference.to_string(),
            from: start * 100.0,
            to: end * 100.0,
            drawn: drawn == Some(at),
        }
    };
    route.backends.iter().enumerate().map(interval).collect()
}
