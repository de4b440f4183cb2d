//! MeshTCPRollout: a change of weights in steps, which goes back by itself when connections say so. No Kuma has it.

use std::fmt;
use std::time::Duration;

use super::{Percent, format_duration};
use crate::reference::{BackendRef, TargetRef};

/// What is to be moved from where to where, in which steps, and what ends it.
///
/// It never changes the route that it is about: a plan takes the route as it is written, and of two of its backends the
/// weights that the rollout has in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollout {
    /// The MeshTCPRoute, by its name; it is of the same mesh.
    pub route: String,
    /// The destination that the route speaks about, as its `to[].targetRef` says it; absent: each of them.
    pub destination: Option<TargetRef>,
    /// The backend that connections go to before; its weight does not count.
    pub from: BackendRef,
    /// The backend that they shall go to; its weight does not count. Where the route does not name it, it takes its share of
    /// what the route gives to `from`.
    pub to: BackendRef,
    /// The steps, by rising weight; at least one.
    pub steps: Vec<RolloutStep>,
    /// How many connections to `to` must have been judged before anything is decided by them. Default 100.
    pub samples: u64,
    /// What ends it. Default: connections fail, or are reset early, 1.2 times as often as on the other side.
    pub abort: Vec<AbortCondition>,
    /// How probable it is at most, over the whole of it, that it is ended though no condition is true. Default 1 %.
    pub error_rate: Percent,
    /// What becomes of the weights when it is ended. Default: they go back.
    pub on_abort: OnAbort,
    /// Whether it goes on while proxies are not seen. Default: it waits.
    pub when_unseen: WhenUnseen,
    /// The share of `to` that is in force, of what the route gives both; a control plane writes it. Absent: it has not begun,
    /// and the route is in force as it is written.
    pub in_force: Option<Percent>,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RolloutStep {
    /// The share of `to`, of what the route gives both.
    pub weight: Percent,
    /// How long it lasts at least. Default 0.
    pub duration: Duration,
    /// Whether it lasts until somebody says so. Default: no.
    pub approval: bool,
    /// How many connections to `to` must have been judged in it before the next one.
    pub samples: u64,
}

/// One thing that ends a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AbortCondition {
    /// Too large a share of connections ends badly.
    Share {
        /// Which.
        of: Share,
        /// How large is too large.
        limit: Limit<Percent>,
    },
    /// 99 of 100 connections are not established in time.
    ConnectTime {
        /// In which time.
        limit: Limit<Duration>,
    },
}

/// A share of connections that ends badly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Share {
    /// Of all attempts, those that establish no connection.
    ConnectFailures,
    /// Of all established connections, those that are reset early.
    EarlyResets,
    /// Of all connections that are decided for the backend, those that are refused without an attempt.
    Refused,
}

/// What is too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit<T> {
    /// More than this, whatever the other side does.
    Above(T),
    /// More than so many times what the other side has.
    Worse(Times),
}

/// A factor of at least 1, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Times(u32);

/// What becomes of the weights when a rollout is ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnAbort {
    /// All of both goes to `from`.
    #[default]
    Return,
    /// They stay as they are.
    Hold,
}

/// Whether a rollout goes on while what its proxies count is not seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WhenUnseen {
    /// It does not: nobody knows how `to` does.
    #[default]
    Wait,
    /// It does, by time alone.
    Proceed,
}

impl Share {
    /// The signal as a rollout writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Share::ConnectFailures => "ConnectFailures",
            Share::EarlyResets => "EarlyResets",
            Share::Refused => "Refused",
        }
    }
}

impl Times {
    /// A factor; `None` for what is below 1 or above 1,000.
    pub fn of(factor: f64) -> Option<Self> {
        (1.0..=1_000.0).contains(&factor).then_some(Self((factor * 1_000.0).round() as u32))
    }

    /// As a number.
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / 1_000.0
    }
}

/// 1.2: what is hardly more than nothing ends no rollout.
impl Default for Times {
    fn default() -> Self {
        Self(1_200)
    }
}

impl AbortCondition {
    /// The signal as a rollout writes it.
    pub const fn signal(self) -> &'static str {
        match self {
            AbortCondition::Share { of, limit: _ } => of.as_str(),
            AbortCondition::ConnectTime { limit: _ } => Self::CONNECT_TIME,
        }
    }

    /// The signal of connect times as a rollout writes it.
    pub const CONNECT_TIME: &str = "ConnectTimeP99";
}

impl fmt::Display for AbortCondition {
    /// `ConnectFailures above 5 %`, `ConnectTimeP99 1.5 times the other side's`.
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
