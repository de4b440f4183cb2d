//! List that keeps its first items, and counts the rest.

use crate::problems::KEPT;

/// First [`KEPT`] items, and the number of those after them.
#[derive(Debug)]
pub(crate) struct Kept<T> {
    pub(crate) items: Vec<T>,
    pub(crate) left_out: usize,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { items: Vec::new(), left_out: 0 }
    }
}

impl<T> Kept<T> {
    pub(crate) fn push(&mut self, item: T) {
        self.push_with(|| item);
    }

    /// As [`Kept::push`], for an item that is costly to make.
    pub(crate) fn push_with(&mut self, item: impl FnOnce() -> T) {
        match self.items.len() < KEPT {
            true => self.items.push(item()),
            false => self.left_out += 1,
        }
    }
}

impl<T> Extend<T> for Kept<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        items.into_iter().for_each(|item| self.push(item));
    }
}
