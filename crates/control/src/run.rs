//! Main loop: it turns the state of a source into the configurations that proxies run.
//!
//! ```text
//!  Source ──▶ ControlLoop: settle ─▶ compile ─▶ Sink examines ─▶ accepted ─▶ Sink adopts ──▶ Turn: news for the log
//!    ▲                                               │                            └──▶ Current, for all readers
//!    └───────────────────── objections ◀─────────────┘
//! ```
//!
//! A [`Sink`] carries the result: the [fleet](crate::fleet) of a control plane, or a proxy in the same process. The
//! loop has neither clock nor signals of its own: both come by [`Wakes`].

mod control_loop;
mod current;
mod fleet;
mod metrics;
mod pause;
mod wakes;

use change::Candidate;
use change::Revision;
use change::compile::Compiled;
use model::Problem;
use plan::{ProxyFeatures, ProxyId, Snapshot};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;
use xds::Family;

pub use control_loop::{ControlLoop, Turn};
pub use current::Current;
pub use fleet::{FleetNews, FleetSink};
pub use metrics::CompileMetrics;
pub use wakes::{Inbox, WakeEvent, Wakes};

use crate::guard::caught;
use crate::hosts::HostResolver;
use crate::identity::OutsideSecrets;

/// Receiver of accepted states.
pub trait Sink {
    /// News of a step, for the log.
    type News;

    /// Returns the dialect that a proxy speaks; `None`: either.
    fn family(&self, proxy: &ProxyId) -> Option<Family>;

    /// Returns the dialects whose limitations are reported whatever proxies attach.
    fn families(&self) -> &'static [Family];

    /// Returns the objections to a state: problems, each with the source that is to blame; empty: it may be accepted.
    fn examine(&mut self, compiled: &Compiled, candidate: &Candidate) -> Vec<Problem>;

    /// Puts an accepted state into force. `revision` is that of the source, if it counts its changes. It may be the
    /// state that is in force already, if a panic may have left it half done.
    fn adopt(&mut self, accepted: AcceptedState<'_>, now: Instant) -> Self::News;

    /// Does what is due without a new accepted state; `None`: there is no news.
    fn attend(&mut self, now: Instant) -> Option<Self::News>;

    /// Returns the tag-based services whose instances all have a certificate, as mesh and service, where a mesh accepts
    /// plaintext too; `None`: nobody counts them here, or they are unchanged, and plans stay as they are.
    fn certified(&mut self, snapshot: &Arc<Snapshot>) -> Option<BTreeSet<(String, String)>>;

    /// Returns the state of the secrets for services outside the mesh; `None`: nobody reads them here.
    fn outside(&self) -> Option<Arc<OutsideSecrets>>;

    /// Returns the resolver of the host names at which proxies are dialled; `None`: proxies resolve them, each for
    /// itself.
    fn hosts(&self) -> Option<&HostResolver>;

    /// Returns the features that proxies have announced; `None`: they are unchanged since the last call, and plans stay
    /// as they are.
    fn announced(&mut self) -> Option<BTreeMap<ProxyId, ProxyFeatures>>;

    /// Returns the time when something will be due; `None`: not before something wakes the loop.
    fn due(&self) -> Option<Instant>;
}

/// State that was accepted.
#[derive(Clone, Debug)]
pub struct AcceptedState<'a> {
    /// State in force before it.
    pub before: &'a Compiled,
    /// State to put into force.
    pub compiled: &'a Arc<Compiled>,
    /// Resources that it is made of.
    pub ledger: &'a change::Ledger,
    /// Revision of the store; `None`: the source does not count its changes.
    pub revision: Option<Revision>,
    /// Epoch of the store that the revision is from; `None`: the store has only one, or reports none.
    pub epoch: Option<Arc<str>>,
}

/// Takes turns whenever there is a reason, until it is time to leave; returns why. `told` is called for each turn with
/// news. A panic costs the turn in which it happens: the state in force stays.
pub fn run<S: Sink, W: Wakes>(
    live: &mut ControlLoop<S>,
    wakes: &mut W,
    mut told: impl FnMut(&ControlLoop<S>, &Turn<S::News>),
) -> W::Leave {
    loop {
        let now = wakes.now();
        match caught("compile-loop", || live.turn(now)) {
            Some(Some(turn)) => told(live, &turn),
            Some(None) => {}
            // what was seen is taken up again
            None => live.failed(wakes.now()),
        }
        match wakes.next(live.due()) {
            WakeEvent::Look => {}
            WakeEvent::ReadAgain => live.read_again(),
            WakeEvent::Leave(why) => return why,
        }
    }
}
