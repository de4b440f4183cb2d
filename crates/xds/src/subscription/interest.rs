//! What a client asked for, of one type.

use std::collections::BTreeSet;

/// All resources of a type, some by name, or both.
#[derive(Debug, Default)]
pub(super) struct Interest {
    wildcard: bool,
    names: BTreeSet<String>,
    /// Whether names were ever given: then a list without names asks for nothing instead of for all.
    named_once: bool,
}

/// The name that stands for all.
const ALL: &str = "*";

/// What keeping a name takes, in bytes.
pub(super) fn cost(name: &str) -> usize {
    const OVERHEAD: usize = 64;
    name.len() + OVERHEAD
}

impl Interest {
    /// What the names take.
    pub(super) fn taken(&self) -> usize {
        self.names.iter().map(|name| cost(name)).sum()
    }

    /// Whether it is asked for by its name.
    pub(super) fn is_named(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Whether a resource is asked for.
    pub(super) fn covers(&self, name: &str) -> bool {
        self.wildcard || self.names.contains(name)
    }

    /// Whether the type is asked for as a whole.
    pub(super) fn is_wildcard(&self) -> bool {
        self.wildcard
    }

    /// Begins a delta subscription: without names it asks for all, if the type can be asked for so.
    pub(super) fn begin(&mut self, subscribe: &[String], wildcard_type: bool) {
        self.wildcard = wildcard_type && subscribe.is_empty();
    }

    /// Adds a name; `*` adds all.
    pub(super) fn add(&mut self, name: &str) {
        if name == ALL {
            self.wildcard = true;
        } else {
            self.names.insert(name.to_owned());
        }
    }

    /// Drops a name; `*` drops all that were not added by name.
    pub(super) fn drop(&mut self, name: &str) {
        if name == ALL {
            self.wildcard = false;
        } else {
            self.names.remove(name);
        }
    }

    /// Replaces everything by the list of a state-of-the-world request. Returns whether something was gained.
    pub(super) fn replace(&mut self, names: Vec<String>, wildcard_type: bool) -> bool {
        if names.is_empty() && !self.named_once {
            let gained = wildcard_type && !self.wildcard;
            self.wildcard = wildcard_type;
            return gained;
        }
        self.named_once = true;
        let names: BTreeSet<String> = names.into_iter().collect();
        let gained =
            names.iter().any(|name| if name == ALL { !self.wildcard } else { !self.names.contains(name) });
        self.wildcard = names.contains(ALL);
        self.names = names;
        self.names.remove(ALL);
        gained
    }
}
