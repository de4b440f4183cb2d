//! Interest of a client in the resources of one type.

use std::collections::BTreeSet;

/// Subscription to all resources of a type, to some by name, or both.
#[derive(Debug, Default)]
pub(super) struct Interest {
    wildcard: bool,
    names: BTreeSet<String>,
    /// `true`: names were given before, so that a list without names asks for nothing instead of all.
    named_once: bool,
}

/// Wildcard name, which stands for all.
const ALL: &str = "*";

/// Memory cost of a name, in bytes.
pub(super) fn cost(name: &str) -> usize {
    const OVERHEAD: usize = 64;
    name.len() + OVERHEAD
}

impl Interest {
    /// Memory cost of all names, in bytes.
    pub(super) fn taken(&self) -> usize {
        self.names.iter().map(|name| cost(name)).sum()
    }

    /// Returns `true` if the resource is asked for by its name.
    pub(super) fn is_named(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Returns `true` if the resource is asked for, by name or wildcard.
    pub(super) fn covers(&self, name: &str) -> bool {
        self.wildcard || self.names.contains(name)
    }

    /// Returns `true` if all resources of the type are asked for.
    pub(super) fn is_wildcard(&self) -> bool {
        self.wildcard
    }

    /// Begins a delta subscription: without names it asks for all, if the type supports a wildcard.
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

    /// Replaces the interest by the list of a state-of-the-world request. Returns `true` if it gained anything.
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
