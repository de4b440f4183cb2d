//! Values by name that know what their names cost, so that nobody has to count them again with each request.

use std::collections::BTreeMap;
use std::ops::Deref;

/// Memory cost of a name, in bytes.
pub(super) fn cost(name: &str) -> usize {
    const OVERHEAD: usize = 64;
    name.len() + OVERHEAD
}

/// Values by name. Reads as the map that it is.
#[derive(Debug)]
pub(super) struct Names<V = ()> {
    by_name: BTreeMap<String, V>,
    cost: usize,
}

impl<V> Default for Names<V> {
    fn default() -> Self {
        Self { by_name: BTreeMap::new(), cost: 0 }
    }
}

impl<V> Names<V> {
    /// Memory cost of all names, in bytes.
    pub(super) fn cost(&self) -> usize {
        self.cost
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut V> {
        self.by_name.get_mut(name)
    }

    pub(super) fn insert(&mut self, name: String, value: V) {
        let cost = cost(&name);
        if self.by_name.insert(name, value).is_none() {
            self.cost += cost;
        }
    }

    pub(super) fn remove(&mut self, name: &str) {
        if self.by_name.remove(name).is_some() {
            self.cost -= cost(name);
        }
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        let left = &mut self.cost;
        self.by_name.retain(|name, _| {
            let stays = keep(name);
            *left -= if stays { 0 } else { cost(name) };
            stays
        });
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl<V> Deref for Names<V> {
    type Target = BTreeMap<String, V>;

    fn deref(&self) -> &Self::Target {
        &self.by_name
    }
}

impl<V> FromIterator<(String, V)> for Names<V> {
    fn from_iter<I: IntoIterator<Item = (String, V)>>(values: I) -> Self {
        let by_name: BTreeMap<String, V> = values.into_iter().collect();
        let cost = by_name.keys().map(|name| cost(name)).sum();
        Self { by_name, cost }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_is_that_of_the_names_that_are_there() {
        let mut names: Names<u8> = [("a".to_owned(), 1), ("bb".to_owned(), 2)].into_iter().collect();
        names.insert("a".into(), 3);
        names.insert("ccc".into(), 4);
        names.remove("bb");
        names.remove("nobody");
        let counted = |names: &Names<u8>| names.keys().map(|name| cost(name)).sum::<usize>();
        assert_eq!((names.cost(), names.len()), (counted(&names), 2));
        names.retain(|name| name == "a");
        assert_eq!((names.cost(), names.get("a")), (counted(&names), Some(&3)));
        names.clear();
        assert_eq!((names.cost(), names.is_empty()), (0, true));
    }
}
