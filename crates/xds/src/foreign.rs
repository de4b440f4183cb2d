//! Escaping of untrusted text for output.

use std::fmt::{self, Write as _};

/// Untrusted text, from the peer of a connection or from a file, that is safe to print.
///
/// Characters that move a cursor, set a title, break a line or change the direction of writing are printed as their
/// numbers, and a long text is cut. Use it where text is printed; what is stored and compared stays unescaped.
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
    /// Maximum length of a printed name, in characters.
    pub const NAME: usize = 200;
    /// Maximum length of a printed message, in characters.
    pub const MESSAGE: usize = 2_000;

    /// Wraps a name: of a proxy, a program, a host, a resource, a file.
    pub fn name(text: T) -> Self {
        Self { text, longest: Self::NAME }
    }

    /// Wraps a message: a sentence or more.
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

/// Writer that escapes text until there is no room.
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

/// Printed form of a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Printed {
    /// The character itself.
    Plain(char),
    /// The character's number or letter behind a backslash.
    Escaped(char),
}

impl Printed {
    /// Returns the printed form of an untrusted character.
    pub fn of(character: char) -> Self {
        match is_harmless(character) {
            true => Self::Plain(character),
            false => Self::Escaped(character),
        }
    }

    /// Length of the printed form, in characters.
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

/// Escapes the unsafe characters of JSON, or of YAML with texts in double quotes, as JSON does where [`Foreign`] has
/// its own escapes; the meaning stays the same.
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

/// Returns `true` if a character prints as itself and affects nothing else of the line.
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
