//! Suggestions for mistyped words.

/// Returns `did you mean …?`, if one of the known words is close to the word.
pub fn help<'w>(word: &str, known: impl Iterator<Item = &'w str>) -> Option<String> {
    nearest(word, known).map(|known| format!("did you mean `{known}`?"))
}

/// Returns the known word that is closest, if it is close at all.
fn nearest<'w>(word: &str, known: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    if word.len() > 64 {
        return None;
    }
    let lower = word.to_lowercase();
    let closeness = |known: &str| strsim::damerau_levenshtein(&lower, &known.to_lowercase());
    known
        .map(|known| (closeness(known), known))
        .filter(|(edits, known)| *edits <= 1 + known.len().min(word.len()) / 4)
        .min()
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_mistakes_are_recognised_and_other_words_are_not() {
        let known = ["weight", "port", "name", "kind"];
        let nearest = |word| nearest(word, known.into_iter());
        assert_eq!(nearest("weigth"), Some("weight"));
        assert_eq!(nearest("Port"), Some("port"));
        assert_eq!(nearest("namespace"), None);
    }
}
