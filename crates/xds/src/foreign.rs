//! Text that somebody else chose, where it is printed.

use std::fmt::{self, Write as _};

/// A text that the other end of a connection chose, or whoever wrote a file: printed, it stays in its place.
///
/// Whatever moves a cursor, sets a title, breaks a line or turns the direction of writing is printed as its number,
/// and a long text is cut. It is for those who print, where they print; what is kept and compared stays as it came.
///
/// ```
/// use meshtcp_xds::Foreign;
///
/// let agent = "envoy\u{1b}[2J\r\nerror: forged";
/// assert_eq!(Foreign::name(agent).to_string(), r"envoy\u{1b}[2J\r\nerror: forged");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Foreign<T> {
    text: T,
    longest: usize,
}

impl<T: fmt::Display> Foreign<T> {
    /// How many characters of a name are printed.
    pub const NAME: usize = 200;
    /// How many characters of a message are printed.
    pub const MESSAGE: usize = 2_000;

    /// A name: of a proxy, a program, a host, a resource, a file.
    pub fn name(text: T) -> Self {
        Self { text, longest: Self::NAME }
    }

    /// A sentence or more.
    pub fn message(text: T) -> Self {
        Self { text, longest: Self::MESSAGE }
    }
}

impl<T: fmt::Display> fmt::Display for Foreign<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sieve = Sieve { to: f, room: self.longest, is_full: false };
        match write!(sieve, "{}", self.text) {
            Err(_) if sieve.is_full => f.write_char('…'),
            written => written,
        }
    }
}

/// Passes harmless text on until there is no room.
struct Sieve<'a, 'b> {
    to: &'a mut fmt::Formatter<'b>,
    room: usize,
    is_full: bool,
}

impl fmt::Write for Sieve<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            let printed = Printed::of(character);
            let Some(room) = self.room.checked_sub(printed.length()) else {
                self.is_full = true;
                return Err(fmt::Error);
            };
            self.room = room;
            write!(self.to, "{printed}")?;
        }
        Ok(())
    }
}

/// A character as it is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Printed {
    /// As it is.
    Plain(char),
    /// As its number or letter behind a backslash.
    Escaped(char),
}

impl Printed {
    /// How a character is printed that somebody else chose.
    pub fn of(character: char) -> Self {
        match is_harmless(character) {
            true => Self::Plain(character),
            false => Self::Escaped(character),
        }
    }

    /// How many characters it takes.
    fn length(self) -> usize {
        match self {
            Self::Plain(_) => 1,
            Self::Escaped(character) => escape(character).count(),
        }
    }
}

impl fmt::Display for Printed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(character) => f.write_char(*character),
            Self::Escaped(character) => escape(*character).try_for_each(|part| f.write_char(part)),
        }
    }
}

/// JSON, or YAML with texts in double quotes, with the escapes of JSON where [`Foreign`] has its own: it means the same.
pub fn escape_quoted(text: String) -> String {
    let is_foreign = |letter: char| letter != '\n' && matches!(Printed::of(letter), Printed::Escaped(_));
    if !text.chars().any(is_foreign) {
        return text;
    }
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match is_foreign(letter) {
            // all of them are below U+10000
            true => escaped.push_str(&format!("\\u{:04x}", u32::from(letter))),
            false => escaped.push(letter),
        }
    }
    escaped
}

fn escape(character: char) -> impl Iterator<Item = char> {
    let short = match character {
        '\n' | '\r' | '\t' => Some(character.escape_default()),
        _ => None,
    };
    let long = short.is_none().then(|| character.escape_unicode());
    short.into_iter().flatten().chain(long.into_iter().flatten())
}

/// Whether a character only adds itself to a line.
fn is_harmless(character: char) -> bool {
    let turns = matches!(
        character,
        '\u{061c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    );
    !character.is_control() && !turns
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(Foreign::name("a".repeat(200)).to_string(), "a".repeat(200));
        assert_eq!(Foreign::name("a".repeat(201)).to_string(), format!("{}…", "a".repeat(200)));
        assert_eq!(Foreign::message("é".repeat(1 << 20)).to_string().chars().count(), 2_001);
    }

    #[test]
    fn what_is_quoted_means_the_same() {
        let text = "a\u{9b}2J\u{202e}b\u{1b}\n";
        let quoted = escape_quoted(serde_json::to_string(text).unwrap());
        assert!(quoted.chars().all(is_harmless));
        assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), text);
    }

    proptest! {
        #[test]
        fn no_text_leaves_its_line(text in any::<String>(), controls in "[\\x00-\\x1f\\x7f-\\x9f\u{202e}\u{2028}]{0,80}") {
            let printed = Foreign::name(format!("{controls}{text}{controls}")).to_string();
            prop_assert!(printed.chars().all(is_harmless), "{printed:?}");
            prop_assert!(printed.chars().count() <= 201);
        }
    }
}
