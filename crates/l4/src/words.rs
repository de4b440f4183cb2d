//! Words of alternatives: each value of an enum has one, in logs, metrics and messages.

/// Declares an enum without fields whose values have words, with `ALL` of them in their order, and `as_str` of each.
macro_rules! words {
    ($($(#[$about:meta])* $type:ident { $($(#[$doc:meta])* $value:ident = $word:literal;)+ })+) => {
        $($(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $type { $($(#[$doc])* $value,)+ }

        impl $type {
            /// All values.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$value),+];

            /// Name in logs, metrics and messages.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$value => $word,)+ }
            }
        })+
    };
}

pub(crate) use words;
