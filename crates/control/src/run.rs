//! The one loop: what a source says becomes what proxies run.
//!
//! ```text
//!  Source ──▶ Live: settle ─▶ compile ─▶ Sink examines ─▶ accepted ─▶ Sink adopts ──▶ Turn: what is told about it
//!    ▲                                        │                            └──▶ Current, for everyone who asks
//!    └────────────── objections ◀─────────────┘
//! ```
//!
//! A [`Sink`] is what carries the result: the [fleet](crate::fleet) of a control plane, or a proxy in the same process. The
//! loop has neither clock nor signals of its own: both come by [`Wakes`].

mod current;
mod fleet;
mod live;
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

pub use current::Current;
pub use fleet::{FleetNews, FleetSink};
pub use live::{Live, Turn};
pub use metrics::CompileMetrics;
pub use wakes::{Event, Inbox, Wakes};

use crate::guard::caught;
use crate::hosts::HostResolver;
use crate::identity::Outside;

/// What carries the states that were accepted.
pub trait Sink {
    /// What there is to tell of a step.
    type News;

    /// The dialect that a proxy speaks; `None`: either.
    fn family(&self, proxy: &ProxyId) -> Option<Family>;

    /// The dialects of which it is told what they cannot say, whoever attaches.
    fn families(&self) -> &'static [Family];

    /// What keeps a state from being accepted: problems with the source that is to blame; none: nothing.
    fn examine(&mut self, compiled: &Compiled, candidate: &Candidate) -> Vec<Problem>;

    /// Puts an accepted state into force. `revision` is that of the source, if it counts its changes. It may be the state that
    /// is in force already, when a panic may have left it half done.
    fn adopt(&mut self, accepted: Accepted<'_>, now: Instant) -> Self::News;

    /// Does what is due though no new state was accepted; `None`: there is nothing to tell.
    fn attend(&mut self, now: Instant) -> Option<Self::News>;

    /// The tag-based services whose instances all have a certificate, as mesh and service, where a mesh takes plaintext too;
    /// `None`: nobody counts here, or they are what they were, and plans stay as they are.
    fn certified(&mut self, snapshot: &Arc<Snapshot>) -> Option<BTreeSet<(String, String)>>;

    /// What is known of the secrets about services outside the mesh; `None`: nobody reads them here.
    fn outside(&self) -> Option<Arc<Outside>>;

    /// Who resolves the host names at which proxies are dialled; `None`: proxies do, each for itself.
    fn hosts(&self) -> Option<&HostResolver>;

    /// What proxies have announced about themselves; `None`: nothing new since this was asked last, and plans stay as they are.
    fn announced(&mut self) -> Option<BTreeMap<ProxyId, ProxyFeatures>>;

    /// When something will be due; `None`: nothing, unless something wakes the loop.
    fn due(&self) -> Option<Instant>;
}

/// A state that was accepted.
#[derive(Clone, Debug)]
pub struct Accepted<'a> {
    /// What was in force before it.
    pub before: &'a Compiled,
    /// What is to be in force.
    pub compiled: &'a Arc<Compiled>,
    /// The resources that it is made of.
    pub ledger: &'a change::Ledger,
    /// Its revision where resources are stored; `None`: the source does not count its changes.
    pub revision: Option<Revision>,
    /// Which life of the store the revision is of; `None`: it has one only, or does not tell.
    pub epoch: Option<Arc<str>>,
}

/// Takes every turn that something gives a reason for, until there is one to leave, which is returned. `told` hears of each
/// turn that brought something. A panic costs the turn in which it happens: what is in force goes on.
pub fn run<S: Sink, W: Wakes>(
    live: &mut Live<S>,
    wakes: &mut W,
    mut told: impl FnMut(&Live<S>, &Turn<S::News>),
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
            Event::Look => {}
            Event::ReadAgain => live.read_again(),
            Event::Leave(why) => return why,
        }
    }
}
