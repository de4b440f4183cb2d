//! Resources that a NACK is about, which the protocol only says in the text of its message.

use std::collections::BTreeSet;

/// Names that a message blames; empty if it blames none.
///
/// Envoy writes `Error adding/updating listener(s) NAME: reason`, further ones each on a line of its own, or behind a
/// comma if they are clusters, and may quote configuration in the reasons. So a name that begins such a part counts; if
/// none does, a name that stands anywhere as a word of its own. One name too many is offered again later; one too few
/// would be taken for accepted.
pub(super) fn blamed<'a>(
    message: &str,
    names: impl Iterator<Item = &'a String> + Clone,
) -> BTreeSet<&'a str> {
    let begins_part = |name: &&String| {
        occurrences(message, name).any(|(before, after)| {
            after.starts_with(": ")
                && (before.is_empty() || ["\n", "(s) ", ", "].iter().any(|end| before.ends_with(end)))
        })
    };
    let is_word = |name: &&String| {
        occurrences(message, name)
            .any(|(before, after)| !before.ends_with(is_of_name) && !after.starts_with(is_of_name))
    };
    let parts: BTreeSet<&str> = names.clone().filter(begins_part).map(String::as_str).collect();
    if parts.is_empty() { names.filter(is_word).map(String::as_str).collect() } else { parts }
}

/// Text before and after each occurrence of a name.
fn occurrences<'m>(message: &'m str, name: &'m str) -> impl Iterator<Item = (&'m str, &'m str)> {
    let found = message.match_indices(name).filter(|_| !name.is_empty());
    found.map(move |(at, _)| (&message[..at], &message[at + name.len()..]))
}

fn is_of_name(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '-' | '_' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_a_part_is_blamed_and_what_is_quoted_is_not() {
        let names = ["b", "in", "inbound", "out:1"].map(String::from);
        let check = |message: &str, expected: &[&str]| {
            assert_eq!(blamed(message, names.iter()).into_iter().collect::<Vec<_>>(), expected, "{message}");
        };
        check(
            "Error adding/updating listener(s) in: clusters { name: \"b\" }: no\nout:1: no\n",
            &["in", "out:1"],
        );
        check("Error adding/updating cluster(s) in: no, out:1: no", &["in", "out:1"]);
        check("duplicate listener inbound found", &["inbound"]);
        check("inbound-2 is wrong", &[]);
        check("no", &[]);
    }
}
