//! MeshTCPRollout: a change of weights in steps, which is reverted automatically when connections fail. A kind of
//! meshtcp's own.

use std::fmt;
use std::time::Duration;

use super::{Percent, format_duration};
use crate::reference::{BackendRef, TargetRef};

/// Rollout of a route: two backends, the steps between them, and the conditions that abort it.
///
/// It never changes the route that it is about: a plan uses the route as written, and for two of its backends the
/// weights that the rollout has in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollout {
    /// Name of the MeshTCPRoute; it is in the same mesh.
    pub route: String,
    /// Destination of the route, as in its `to[].targetRef`; absent: each of them.
    pub destination: Option<TargetRef>,
    /// Backend that connections go to before; its weight is ignored.
    pub from: BackendRef,
    /// Backend that connections shall go to; its weight is ignored. If the route does not name it, it takes its
    /// share of the weight of `from`.
    pub to: BackendRef,
    /// Steps, by rising weight; at least one.
    pub steps: Vec<RolloutStep>,
    /// Number of connections to `to` that must have been judged before they decide anything. Default 100.
    pub samples: u64,
    /// Conditions that abort it. Default: connections fail, or are reset early, 1.2 times as often as on the other
    /// side.
    pub abort: Vec<AbortCondition>,
    /// Limit on the probability, over the whole rollout, that it is aborted though no condition is true. Default 1
    /// %.
    pub error_rate: Percent,
    /// Treatment of the weights when it is aborted. Default: they go back.
    pub on_abort: OnAbort,
    /// Behaviour while proxies are not seen. Default: it waits.
    pub when_unseen: WhenUnseen,
    /// Share of `to` that is in force, of the weights of both; a control plane writes it. Absent: the rollout has
    /// not begun, and the route is in force as written.
    pub in_force: Option<Percent>,
}

/// One step of a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RolloutStep {
    /// Share of `to`, of the weights of both.
    pub weight: Percent,
    /// Minimum duration. Default 0.
    pub duration: Duration,
    /// `true`: it lasts until it is approved. Default `false`.
    pub approval: bool,
    /// Number of connections to `to` that must have been judged in it before the next step.
    pub samples: u64,
}

/// Condition that aborts a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AbortCondition {
    /// Too large a share of connections ends badly.
    Share {
        /// Share that is watched.
        of: Share,
        /// Limit on the share.
        limit: Limit<Percent>,
    },
    /// 99 of 100 connections are not established in time.
    ConnectTime {
        /// Limit on the connect time.
        limit: Limit<Duration>,
    },
}

/// Share of connections that ends badly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Share {
    /// Attempts that establish no connection, of all attempts.
    ConnectFailures,
    /// Connections that are reset early, of all that are established.
    EarlyResets,
    /// Connections that are refused without an attempt, of all that are routed to the backend.
    Refused,
}

/// Limit on a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit<T> {
    /// More than this value, whatever the other side has.
    Above(T),
    /// More than the other side's value times a factor.
    Worse(Times),
}

/// Factor of at least 1, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Times(u32);

/// Treatment of the weights when a rollout is aborted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnAbort {
    /// The weights of both go to `from`.
    #[default]
    Return,
    /// The weights stay as they are.
    Hold,
}

/// Behaviour of a rollout while the counts of its proxies are not seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WhenUnseen {
    /// It waits: the state of `to` is unknown.
    #[default]
    Wait,
    /// It proceeds, by time alone.
    Proceed,
}

crate::words! {
    /// Name of the signal in a rollout.
    Share { ConnectFailures: "ConnectFailures", EarlyResets: "EarlyResets", Refused: "Refused" }
}

impl Times {
    /// Returns a factor; `None`: below 1 or above 1,000.
    pub fn of(factor: f64) -> Option<Self> {
        (1.0..=1_000.0).contains(&factor).then_some(Self((factor * 1_000.0).round() as u32))
    }

    /// Factor as a number.
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / 1_000.0
    }
}

/// 1.2: a ratio of tiny values does not abort a rollout.
impl Default for Times {
    fn default() -> Self {
        Self(1_200)
    }
}

impl AbortCondition {
    /// Name of the signal in a rollout.
    pub const fn signal(self) -> &'static str {
        match self {
            AbortCondition::Share { of, limit: _ } => of.as_str(),
            AbortCondition::ConnectTime { limit: _ } => Self::CONNECT_TIME,
        }
    }

    /// Name of the signal of connect times in a rollout.
    pub const CONNECT_TIME: &str = "ConnectTimeP99";
}

impl fmt::Display for AbortCondition {
    /// Writes `ConnectFailures above 5 %`, `ConnectTimeP99 1.5 times the other side's`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.signal())?;
        match self {
            AbortCondition::Share { limit: Limit::Above(share), .. } => write!(f, " above {share}"),
            AbortCondition::ConnectTime { limit: Limit::Above(time) } => {
                write!(f, " above {}", format_duration(*time))
            }
            AbortCondition::Share { limit: Limit::Worse(times), .. }
            | AbortCondition::ConnectTime { limit: Limit::Worse(times) } => {
                write!(f, " {} times the other side's", times.as_f64())
            }
        }
    }
}
