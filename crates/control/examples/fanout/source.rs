//! The made-up mesh as a source of resources, which measures the cost of accepting a state.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use change::Candidate;
use meshtcp_control::sources::{Adopt, DanglingPolicy, OfferOutcome, Source, SourceState};
use model::Problems;

use super::mesh::Mesh;
use super::server::cpu;

/// The mesh and the measurements of its last state.
pub(crate) struct Shared {
    pub(crate) mesh: Mesh,
    /// `true`: it changed since it was last accepted.
    pub(crate) changed: bool,
    /// CPU time that accepting took, in milliseconds.
    pub(crate) accepting: f64,
}

/// Source of resources over the made-up mesh.
pub(crate) struct MadeUp(pub(crate) Arc<Mutex<Shared>>);

impl Source for MadeUp {
    fn refresh(&mut self, _: Instant) {}

    fn is_unsettled(&self) -> bool {
        self.0.lock().unwrap().changed
    }

    fn settle(&mut self, adopt: &mut Adopt<'_>) -> OfferOutcome {
        let mut shared = self.0.lock().unwrap();
        let began = cpu();
        adopt(&Candidate { ledger: shared.mesh.ledger(), ..Candidate::default() }).unwrap();
        shared.accepting = cpu() - began;
        shared.changed = false;
        OfferOutcome::Adopted
    }

    fn problems(&self) -> Problems {
        Problems::default()
    }

    fn states(&self) -> Vec<(Arc<str>, SourceState)> {
        Vec::new()
    }

    fn dangling(&self) -> DanglingPolicy {
        DanglingPolicy::Told
    }

    fn describe(&self) -> String {
        "a mesh that is made up".to_owned()
    }
}
