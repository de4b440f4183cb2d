//! A state of all files that could come into force, and why it may not.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::{Problem, Resource};

use super::content::Entry;

/// One resource on offer, and where it comes from.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The file.
    pub file: Arc<str>,
    /// The resource with its document.
    pub entry: Arc<Entry>,
}

/// A state of all files that could come into force.
#[derive(Clone, Debug, Default)]
pub struct Candidate {
    /// The resources by file and order in it, each once.
    pub offers: Vec<Offer>,
    /// The files that would change by it.
    pub changed: BTreeSet<Arc<str>>,
}

impl Candidate {
    /// The resources alone.
    pub fn resources(&self) -> impl ExactSizeIterator<Item = &Arc<Resource>> {
        self.offers.iter().map(|offer| &offer.entry.resource)
    }

    /// The offer of a resource, by what [`Resource::describe`] says of it.
    pub fn offer(&self, described: &str) -> Option<&Offer> {
        self.offers.iter().find(|offer| offer.entry.resource.describe() == described)
    }
}

/// Why a candidate cannot come into force.
#[derive(Clone, Debug)]
pub struct Objection {
    /// The file whose change is to blame; `None`: no single one.
    pub file: Option<Arc<str>>,
    /// What is wrong with it.
    pub problem: Problem,
}
