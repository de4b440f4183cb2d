//! Merging of the confs of several policies: field by field, the more important one wins.

use std::time::Duration;

use super::Percent;

/// Values that can be merged by the law of confs (spec 03 §4.3): JSON Merge Patch (RFC 7396), on typed values.
/// Objects are merged field by field; absent fields change nothing; all other values, lists too, replace the
/// previous one.
pub trait Merge {
    /// Merges the value of a more important policy over this one.
    fn merge(&mut self, over: &Self);
}

impl<T: Merge + Clone> Merge for Option<T> {
    fn merge(&mut self, over: &Self) {
        match (self, over) {
            (_, None) => {}
            (Some(below), Some(over)) => below.merge(over),
            (below, Some(over)) => *below = Some(over.clone()),
        }
    }
}

impl<T: Clone> Merge for Vec<T> {
    fn merge(&mut self, over: &Self) {
        self.clone_from(over);
    }
}

/// Declares values that are merged as a whole: the more important one replaces the other.
macro_rules! replaced {
    ($($type:ty),+ $(,)?) => {
        $(impl $crate::policy::Merge for $type {
            fn merge(&mut self, over: &Self) {
                self.clone_from(over);
            }
        })+
    };
}

/// Declares an object of a conf, every field of which a policy may leave out, with its merging.
macro_rules! said {
    ($(#[$about:meta])* $name:ident { $($(#[$of_field:meta])* $field:ident: $type:ty,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
        pub struct $name {
            $($(#[$of_field])* pub $field: Option<$type>,)+
        }

        impl $crate::policy::Merge for $name {
            fn merge(&mut self, over: &Self) {
                $($crate::policy::Merge::merge(&mut self.$field, &over.$field);)+
            }
        }
    };
}

pub(crate) use {replaced, said};

replaced!(bool, u32, Duration, Percent);

/// Merges the values of several policies, least important first; `None`: there are none.
pub fn merged<'a, T: Merge + Clone + 'a>(said: impl IntoIterator<Item = &'a T>) -> Option<T> {
    let mut said = said.into_iter();
    let least = said.next()?.clone();
    Some(said.fold(least, |mut below, over| {
        below.merge(over);
        below
    }))
}
