//! Parsing of a question about traffic from a query.

use change::traffic::{GroupBy, TrafficFilter, TrafficQuestion};

/// Default number of rows.
const USUAL_SIZE: usize = 100;
/// Limit on the number of rows.
const MOST: usize = 1_000;

/// Invalid query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{parameter}` {why}")]
pub struct InvalidQuestion {
    /// Name of the parameter.
    pub parameter: &'static str,
    /// Rule for its value.
    pub why: &'static str,
}

/// Parses the parameters `by`, `mesh`, `route`, `destination`, `proxy`, `name`, `sort`, `history`, `offset` and `size`;
/// the last of several values is used, but all of `route`. Other parameters are ignored.
///
/// # Errors
/// A parameter has an invalid value.
pub fn question(query: &[(String, String)]) -> Result<TrafficQuestion, InvalidQuestion> {
    let asked = |name: &str| query.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let wrong = |parameter, why| Err(InvalidQuestion { parameter, why });
    let by = match asked("by") {
        None | Some("flow") => GroupBy::Flow,
        Some("proxy") => GroupBy::Proxy,
        Some(_) => return wrong("by", "must be `flow` or `proxy`"),
    };
    let busiest_first = match asked("sort") {
        None | Some("name") => false,
        Some("busiest") => true,
        Some(_) => return wrong("sort", "must be `name` or `busiest`"),
    };
    let with_history = match asked("history") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return wrong("history", "must be `true` or `false`"),
    };
    let proxy = match asked("proxy").map(str::parse) {
        None => None,
        Some(Ok(proxy)) => Some(proxy),
        Some(Err(_)) => return wrong("proxy", "must be a proxy, as `mesh/name`"),
    };
    let Ok(offset) = asked("offset").map_or(Ok(0), str::parse) else {
        return wrong("offset", "must be a number");
    };
    let size = match asked("size").map_or(Ok(USUAL_SIZE), str::parse) {
        Ok(size) if size <= MOST => size,
        Ok(_) | Err(_) => return wrong("size", "must be a number up to 1000"),
    };
    let text = |name| asked(name).map(str::to_owned);
    let chosen = TrafficFilter {
        mesh: text("mesh"),
        routes: query.iter().filter(|(key, _)| key == "route").map(|(_, value)| value.clone()).collect(),
        destination: text("destination"),
        proxy,
        text: text("name"),
    };
    Ok(TrafficQuestion { by, chosen, busiest_first, with_history, offset, size })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Result<TrafficQuestion, InvalidQuestion> {
        let query: Vec<_> =
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        question(&query)
    }

    #[test]
    fn a_query_asks_what_it_says() {
        assert_eq!(of(&[]).unwrap().size, USUAL_SIZE);
        let asked = of(&[("by", "proxy"), ("sort", "busiest"), ("size", "5"), ("size", "7")]).unwrap();
        assert_eq!((asked.by, asked.busiest_first, asked.size), (GroupBy::Proxy, true, 7));
        assert_eq!(of(&[("route", "K m/a"), ("route", "K m/b")]).unwrap().chosen.routes.len(), 2);
        for (parameter, value) in [
            ("by", "x"),
            ("sort", ""),
            ("history", "1"),
            ("proxy", "x/y/z/"),
            ("offset", "-1"),
            ("size", "1001"),
        ] {
            assert_eq!(of(&[(parameter, value)]).unwrap_err().parameter, parameter);
        }
    }
}
