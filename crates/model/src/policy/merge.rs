//! How what several policies say becomes one: field by field, the more important one counts.

use std::time::Duration;

use super::Percent;

/// The law by which what policies say is put together (spec 03 §4.3): JSON Merge Patch (RFC 7396), on values that have a
/// type. Objects are merged field by field; what is absent says nothing; everything else, lists too, replaces what was
/// there.
pub trait Merge {
    /// Lets what a more important policy says count over this.
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

/// Declares values that are said as a whole: the more important one replaces the other.
macro_rules! replaced {
    ($($type:ty),+ $(,)?) => {
        $(impl $crate::policy::Merge for $type {
            fn merge(&mut self, over: &Self) {
                self.clone_from(over);
            }
        })+
    };
}

/// Declares an object of a conf, every field of which a policy may leave out, with its law of merging.
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

/// Puts together what several say, least important first; `None` when nobody says anything.
pub fn merged<'a, T: Merge + Clone + 'a>(said: impl IntoIterator<Item = &'a T>) -> Option<T> {
    let mut said = said.into_iter();
    let least = said.next()?.clone();
    Some(said.fold(least, |mut below, over| {
        below.merge(over);
        below
    }))
}
