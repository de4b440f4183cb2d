//! Which connections are open, and what a change of their split would do to them.

use std::collections::BTreeMap;

use model::ProxyKey;
use serde::Serialize;

use crate::compile::{Row, Share};

/// The label on a route that says what a change of its split does to open connections.
pub(super) const EXISTING_LABEL: &str = "meshtcp.io/existing";

/// The label that says how long the connections of a removed backend may go on.
pub(super) const DRAIN_GRACE_LABEL: &str = "meshtcp.io/drain-grace";

/// The open connections of listeners, by proxy and the listener's name in the plan.
pub type Live = BTreeMap<(ProxyKey, String), LiveConnections>;

/// The open connections of one listener.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LiveConnections {
    /// Each of them.
    pub open: Vec<LiveConnection>,
    /// How long ago they were counted, in seconds.
    pub age_seconds: f64,
}

/// One open connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveConnection {
    /// The backend that it follows: the backendRef without its kind, as [`Share::backend`] says it.
    pub backend: String,
    /// The draw that it was born with, in units of 2⁻⁶⁴; `None` when nobody knows it.
    pub draw: Option<u64>,
}

/// What a change of a split does to open connections (label `meshtcp.io/existing`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Existing {
    /// They stay where they are.
    #[default]
    Keep,
    /// Those above the new share of their backend are closed, idle ones first.
    DrainExcess,
    /// Those that would go to another backend by their own draw are closed.
    Close,
}

impl Existing {
    /// The setting as it is written in the label.
    pub fn as_str(self) -> &'static str {
        match self {
            Existing::Keep => "keep",
            Existing::DrainExcess => "drain-excess",
            Existing::Close => "close",
        }
    }

    /// Reads the label; what nobody knows is `keep`, since nothing is closed that nobody asked to close.
    pub fn from_label(text: Option<&str>) -> Self {
        match text {
            Some("drain-excess") => Existing::DrainExcess,
            Some("close") => Existing::Close,
            Some(_) | None => Existing::Keep,
        }
    }
}

/// What becomes of the open connections of one listener.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Affected {
    /// The setting that decides.
    pub existing: Existing,
    /// How many are open.
    pub open: u64,
    /// How many are above the share that their backend would have.
    pub above_share: u64,
    /// How many would be closed.
    pub closed: u64,
    /// How old the count is, in seconds.
    pub age_seconds: f64,
}

impl Affected {
    /// What the split of `after` does to `live` connections. `grace`: those of a backend that is removed are closed
    /// after a while, whatever else is said.
    pub fn of(existing: Existing, grace: bool, after: Option<&Row>, live: &LiveConnections) -> Self {
        let LiveConnections { open, age_seconds } = live;
        let split = after.map(|row| row.split.as_slice()).unwrap_or_default();
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for connection in open {
            *counts.entry(&connection.backend).or_default() += 1;
        }
        let total = open.len() as f64;
        let above = |(backend, count): (&&str, &u64)| {
            let fair = (share(split, backend) * total - 1e-9).ceil() as u64;
            count.saturating_sub(fair)
        };
        let above_share = counts.iter().map(above).sum();
        let removed = open.iter().filter(|it| share(split, &it.backend) == 0.0).count() as u64;
        let moves = |connection: &&LiveConnection| match connection.draw {
            Some(draw) => chosen(split, draw) != Some(connection.backend.as_str()),
            None => share(split, &connection.backend) == 0.0,
        };
        Self {
            existing,
            open: open.len() as u64,
            above_share,
            closed: match existing {
                Existing::Keep => {
                    if grace {
                        removed
                    } else {
                        0
                    }
                }
                Existing::DrainExcess => above_share,
                Existing::Close => open.iter().filter(moves).count() as u64,
            },
            age_seconds: *age_seconds,
        }
    }
}

fn share(split: &[Share], backend: &str) -> f64 {
    split.iter().filter(|share| share.backend == backend).map(|share| share.percent / 100.0).sum()
}

/// The backend that a draw falls on, as proxies choose: the weights one behind the other, in their order.
fn chosen(split: &[Share], draw: u64) -> Option<&str> {
    let total: u64 = split.iter().map(|share| u64::from(share.weight)).sum();
    let position = (u128::from(draw) * u128::from(total)) >> 64;
    let mut end = 0u128;
    let found = split.iter().find(|share| {
        end += u128::from(share.weight);
        position < end
    });
    found.map(|share| share.backend.as_str())
}
