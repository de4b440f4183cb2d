//! Words of alternatives: each value of an enum has one, in documents and answers.

/// Implements the words of enums without fields: `ALL` values and their `WORDS` in this order, and `as_str` of each,
/// under the documentation that stands above the enum.
#[macro_export]
macro_rules! words {
    ($($(#[$about:meta])* $type:ident { $($value:ident: $word:literal),+ $(,)? })+) => {
        $(impl $type {
            /// All values.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$value),+];

            /// Words of all values.
            pub const WORDS: [&'static str; Self::ALL.len()] = [$($word),+];

            $(#[$about])*
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $word,)+
                }
            }
        })+
    };
}
