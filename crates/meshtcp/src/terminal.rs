//! Standard output and standard error: colours, and characters that the reader's terminal can show.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use anstream::ColorChoice;
use clap::ValueEnum as _;
use xds::Printed;

use crate::exit::Exit;
use crate::streams;

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Colours {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Also where the output goes to a program
    Always,
    /// Nowhere
    Never,
}

impl Colours {
    /// Settings on a command line, which may otherwise be invalid: its mistakes are printed, too.
    pub(crate) fn wanted(arguments: &[OsString]) -> Self {
        let words: Vec<_> = arguments.iter().map(|word| word.to_string_lossy()).collect();
        let joined = words.iter().find_map(|word| word.strip_prefix("--color="));
        let apart = || words.windows(2).find(|pair| pair[0] == "--color").map(|pair| &*pair[1]);
        joined.or_else(apart).and_then(|word| Self::from_str(word, false).ok()).unwrap_or_default()
    }

    /// Applies the choice to all output of this process.
    pub(crate) fn choose(self) {
        let choice = match self {
            Self::Auto => ColorChoice::Auto,
            Self::Always => ColorChoice::Always,
            Self::Never => ColorChoice::Never,
        };
        choice.write_global();
    }
}

/// First reason why standard output could not be written.
static LOST: OnceLock<String> = OnceLock::new();

/// `true`: whoever read standard output has left.
static UNREAD: AtomicBool = AtomicBool::new(false);

/// Returns `true` if nobody reads standard output any more: whoever prints without end ends then.
pub(crate) fn is_unread() -> bool {
    UNREAD.load(Relaxed)
}

/// Writes to standard output. That nobody reads on is no error of ours; anything else is [told at the end](whole).
pub(crate) fn write_output(text: &str) {
    // output to a program may be data
    let text = in_letters(text, draws() || !std::io::stdout().is_terminal());
    if let Some(queued) = streams::queued() {
        return queued.output(&text);
    }
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => UNREAD.store(true, Relaxed),
        Err(error) => {
            LOST.get_or_init(|| error.to_string());
        }
    }
}

/// Exit of a command that has printed: an answer that is not whole, as on a full disk, is told, and no success.
pub(crate) fn whole(exit: Exit) -> Exit {
    let Some(why) = LOST.get() else { return exit };
    write_error(&format!("error: standard output cannot be written: {why}\n"));
    if exit == Exit::Ok { Exit::Environment } else { exit }
}

/// Writes to standard error.
pub(crate) fn write_error(text: &str) {
    let text = in_letters(text, draws());
    if let Some(queued) = streams::queued() {
        return queued.error(&text);
    }
    let mut out = anstream::stderr().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// Ends the line on which a terminal shows `^C`.
pub(crate) fn end_line() {
    if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
        write_error("\n");
    }
}

/// Returns `true` if more than ASCII can be shown: the locale says so, or says nothing.
pub(crate) fn draws() -> bool {
    let said = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(|name| std::env::var(name).ok());
    said.into_iter().find(|locale| !locale.is_empty()).is_none_or(|locale| is_unicode(&locale))
}

fn is_unicode(locale: &str) -> bool {
    let locale = locale.to_ascii_lowercase();
    locale.ends_with("utf-8") || locale.ends_with("utf8")
}

/// Returns text with its lines and arrows in ASCII, if nothing else can be shown.
fn in_letters(text: &str, draws: bool) -> Cow<'_, str> {
    if draws || text.is_ascii() {
        return text.into();
    }
    let mut written = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '─' | '━' | '═' => written.push('-'),
            '│' | '┃' | '║' => written.push('|'),
            '·' => written.push(':'),
            '\u{2500}'..='\u{257f}' => written.push('+'),
            '→' => written.push_str("->"),
            '…' => written.push_str("..."),
            '≤' => written.push_str("<="),
            '≥' => written.push_str(">="),
            other => written.push(other),
        }
    }
    written.into()
}

/// Returns text without characters that move a cursor, set a title or change the direction of writing. Line breaks
/// stay: text that must not begin a line is [`xds::Foreign`] already.
pub(crate) fn tame(text: &str) -> Cow<'_, str> {
    let is_tame =
        |letter: char| matches!(letter, '\n' | '\t') || matches!(Printed::of(letter), Printed::Plain(_));
    if text.chars().all(is_tame) {
        return text.into();
    }
    let mut tamed = String::with_capacity(text.len());
    for letter in text.chars() {
        match is_tame(letter) {
            true => tamed.push(letter),
            false => tamed.push_str(&Printed::of(letter).to_string()),
        }
    }
    tamed.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_have_a_form_in_ascii() {
        assert_eq!(in_letters("├─ a → b …\n", false), "+- a -> b ...\n");
        assert_eq!(in_letters("├─ a → b …\n", true), "├─ a → b …\n");
        for (locale, draws) in [("C", false), ("POSIX", false), ("de_DE.UTF-8", true), ("C.utf8", true)] {
            assert_eq!(is_unicode(locale), draws, "{locale}");
        }
    }

    #[test]
    fn colours_are_chosen_by_a_command_line_that_makes_no_sense() {
        let wanted = |line: &str| Colours::wanted(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(wanted("meshtcp nope --color=never"), Colours::Never);
        assert_eq!(wanted("meshtcp get --color always"), Colours::Always);
        assert_eq!(wanted("meshtcp get --color loud"), Colours::Auto);
    }
}
