//! Paging: a part of a list, and the link to the next one.

use axum::http::StatusCode;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::refusal::Refusal;

/// Characters that are percent-encoded: reserved in a query or invalid in a URL. Brackets, as in `filter[key]`, stay
/// readable.
const ESCAPED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'[')
    .remove(b']')
    .remove(b'/')
    .remove(b':');

const DEFAULT_SIZE: usize = 100;
const MAX_SIZE: usize = 1000;

/// Part of a list: size and offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    offset: usize,
    size: usize,
}

/// Place of a list, for the link to its next part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) scheme: &'a str,
    pub(super) host: &'a str,
    pub(super) path: &'a str,
    /// Query as it was sent, decoded.
    pub(super) query: &'a [(String, String)],
}

impl Page {
    /// Parses `size` and `offset`.
    pub(super) fn read(query: &[(String, String)]) -> Result<Self, Refusal> {
        let last =
            |name: &str| query.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let size = match last("size") {
            None => DEFAULT_SIZE,
            Some(text) => {
                text.parse().ok().filter(|size| (1..=MAX_SIZE).contains(size)).ok_or_else(|| {
                    let reason = match text.parse::<i64>() {
                        Ok(size) if size > 0 => {
                            format!("invalid page size of {size}. Maximum page size is {MAX_SIZE}")
                        }
                        Ok(_) => "must be greater than 0".into(),
                        Err(_) => "must be a number from 1 to 1000".into(),
                    };
                    Refusal::field("Could not retrieve resources", "Invalid page size", "size", reason)
                })?
            }
        };
        let offset = match last("offset") {
            None | Some("") => 0,
            Some(text) => text.parse().map_err(|_| {
                let why = format!("strconv.Atoi: parsing {text:?}: invalid syntax");
                let help = "take it from `next` of the page before";
                let detail = format!("invalid: invalid offset: {why}: {help}");
                Refusal::new(StatusCode::BAD_REQUEST, "Could not retrieve resources", detail)
            })?,
        };
        Ok(Self { offset, size })
    }

    /// Renders the requested part of a list, as `{total, items, next}`.
    pub(super) fn of<T>(self, all: &[T], place: Place<'_>, show: impl FnMut(&T) -> Value) -> Value {
        let Self { offset, size } = self;
        let items: Vec<Value> = all.iter().skip(offset).take(size).map(show).collect();
        let end = offset.saturating_add(size);
        let next = (end < all.len()).then(|| place.with_offset(end));
        json!({ "total": all.len(), "items": items, "next": next })
    }
}

impl Place<'_> {
    fn with_offset(self, offset: usize) -> String {
        let Self { scheme, host, path, query } = self;
        let mut text = format!("{scheme}://{host}{path}?offset={offset}");
        for (key, value) in query.iter().filter(|(key, _)| key != "offset") {
            let [key, value] = [key, value].map(|part| utf8_percent_encode(part, &ESCAPED));
            text.push_str(&format!("&{key}={value}"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn query(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
    }

    #[test]
    fn sizes_have_limits() {
        for bad in ["0", "-1", "1001", "x", "", "99999999999999999999"] {
            assert_eq!(
                Page::read(&query(&[("size", bad)])).unwrap_err().detail,
                "Invalid page size",
                "{bad}"
            );
        }
        assert!(Page::read(&query(&[("offset", "-1")])).is_err());
        assert_eq!(Page::read(&[]).unwrap(), Page { offset: 0, size: 100 });
    }

    #[test]
    fn the_next_page_is_a_whole_link() {
        let query = query(&[("filter[labels.team]", "a b"), ("size", "1"), ("offset", "0")]);
        let place = Place {
            scheme: "http",
            host: "localhost:5681",
            path: "/meshes/default/dataplanes",
            query: &query,
        };
        let page = Page::read(&query).unwrap().of(&["x", "y"], place, |it| json!(it));
        assert_eq!(
            page["next"],
            "http://localhost:5681/meshes/default/dataplanes?offset=1&filter[labels.team]=a%20b&size=1"
        );
        assert_eq!(page["items"], json!(["x"]));
    }

    proptest! {
        #[test]
        fn a_link_says_the_query_that_it_was_made_of(pairs in proptest::collection::vec((".{0,9}", ".{0,9}"), 0..5)) {
            prop_assume!(pairs.iter().all(|(key, _)| key != "offset"));
            let place = Place { scheme: "http", host: "h", path: "/x", query: &pairs };
            let link: axum::http::Uri = place.with_offset(7).parse().unwrap();
            let read = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&link).unwrap().0;
            let wanted: Vec<_> = [("offset".to_owned(), "7".to_owned())].into_iter().chain(pairs).collect();
            prop_assert_eq!(read, wanted);
        }

        #[test]
        fn pages_cover_the_list_once(length in 0usize..60, size in 1usize..20) {
            let all: Vec<usize> = (0..length).collect();
            let (mut seen, mut offset) = (Vec::new(), 0);
            loop {
                let query = query(&[("size", &size.to_string()), ("offset", &offset.to_string())]);
                let place = Place { scheme: "http", host: "h", path: "/", query: &query };
                let page = Page::read(&query).unwrap().of(&all, place, |it| json!(it));
                prop_assert_eq!(&page["total"], length);
                seen.extend(page["items"].as_array().unwrap().iter().map(|it| it.as_u64().unwrap() as usize));
                if page["next"].is_null() { break }
                offset += size;
            }
            prop_assert_eq!(seen, all);
        }
    }
}
