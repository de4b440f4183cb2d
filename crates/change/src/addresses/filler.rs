//! Addresses for resources from files, as if a control plane had written them.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::draft::{Options, parse};
use model::{Problem, ResourceKey, Severity};
use serde_json::Value;

use super::{Addresses, AssignedVips, Ranges};
use crate::content::problem_of;
use crate::{Entry, Ledger};

/// Filler of the addresses of services in a ledger, where no control plane writes them. The result depends on the
/// resources alone: wherever the same files are read, services have the same addresses.
#[derive(Clone, Debug)]
pub struct Filler {
    ranges: Ranges,
    options: Options,
    /// Filled entry of each entry: most stay the same.
    made: BTreeMap<ResourceKey, (Arc<Entry>, Arc<Entry>)>,
    /// Messages about ranges that had no address left.
    full: Vec<String>,
}

impl Filler {
    /// Creates a filler with addresses of these ranges; documents are parsed with `options`.
    pub fn new(ranges: Ranges, options: Options) -> Self {
        Self { ranges, options, made: BTreeMap::new(), full: Vec::new() }
    }

    /// Returns the same resources with their statuses filled in.
    pub fn fill(&mut self, ledger: &Ledger) -> Ledger {
        let addresses =
            Addresses::of(ledger.resources().map(Arc::as_ref), &self.ranges, &AssignedVips::default());
        let mut filled = ledger.clone();
        let mut made = BTreeMap::new();
        for key in addresses.keys() {
            let Some(entry) = ledger.get(key) else { continue };
            let mut value = entry.document.value().clone();
            if !addresses.write(key, &mut value) {
                continue;
            }
            let known = self
                .made
                .remove(key)
                .filter(|(before, after)| Arc::ptr_eq(before, entry) && *after.document.value() == value);
            if let Some(after) = known.map(|(_, after)| after).or_else(|| self.read(entry, value)) {
                filled.put(Arc::clone(&after));
                made.insert(key.clone(), (Arc::clone(entry), after));
            }
        }
        (self.made, self.full) = (made, addresses.full());
        filled
    }

    /// Problems of ranges that had no address left.
    pub fn problems(&self) -> impl Iterator<Item = Problem> {
        self.full.iter().map(|message| {
            let help = Some("give the services a larger range, or write `status.vips` yourself".to_owned());
            Problem { severity: Severity::Warning, help, ..problem_of("", message) }
        })
    }

    fn read(&self, entry: &Entry, value: Value) -> Option<Arc<Entry>> {
        let document = entry.document.saying(value);
        let resource = Arc::new(parse(&document, &self.options).resource?);
        Some(Arc::new(Entry { document, resource }))
    }
}
