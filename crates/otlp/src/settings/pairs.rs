//! Pairs in a variable: `key=value,key=value`, with percent-encoded values.

use percent_encoding::percent_decode_str;

/// Pairs of a text, and the invalid parts of it.
pub(super) fn pairs(text: &str) -> (Vec<(String, String)>, Vec<String>) {
    let (mut pairs, mut wrong) = (Vec::new(), Vec::new());
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let decoded = pair.split_once('=').and_then(|(key, value)| {
            let key = percent_decode_str(key.trim()).decode_utf8().ok()?;
            let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
            (!key.is_empty()).then(|| (key.into_owned(), value.into_owned()))
        });
        match decoded {
            Some(pair) => pairs.push(pair),
            None => wrong.push(pair.to_owned()),
        }
    }
    (pairs, wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_taken_apart_and_the_rest_is_named() {
        let (found, wrong) = pairs("a=b, authorization = Bearer%20x=y ,,nothing,=c");
        let found: Vec<_> = found.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(found, [("a", "b"), ("authorization", "Bearer x=y")]);
        assert_eq!(wrong, ["nothing", "=c"]);
    }
}
