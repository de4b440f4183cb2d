//! Interest of a client in the resources of one type.

use super::names::Names;

/// Subscription to all resources of a type, to some by name, or both.
#[derive(Debug, Default)]
pub(super) struct Interest {
    wildcard: bool,
    names: Names,
    /// `true`: names were given before, so that a list without names asks for nothing instead of all.
    named_once: bool,
}

/// Wildcard name, which stands for all.
const ALL: &str = "*";

impl Interest {
    /// Memory cost of all names, in bytes.
    pub(super) fn taken(&self) -> usize {
        self.names.cost()
    }

    /// Returns `true` if the resource is asked for, by name or wildcard.
    pub(super) fn covers(&self, name: &str) -> bool {
        self.wildcard || self.names.contains_key(name)
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
            self.names.insert(name.to_owned(), ());
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
        let names: Names = names.into_iter().map(|name| (name, ())).collect();
        let gained = names
            .keys()
            .any(|name| if name == ALL { !self.wildcard } else { !self.names.contains_key(name) });
        self.wildcard = names.contains_key(ALL);
        self.names = names;
        self.names.remove(ALL);
        gained
    }
}
