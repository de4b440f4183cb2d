//! Conversion of first-match routes to most-exact-match filter chains.
//!
//! Envoy looks for the most exact server name first, then for the smallest source network, and never goes back. So
//! every pair of a name and a network that occurs in routes gets a chain: that of the first route which matches all
//! of it.

use model::policy::{Network, ServerNamePattern};
use plan::{Match, TlsTermination};
use serde_json::{Value, json};

/// Connections of one filter chain, and the index of their route.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cell<'m> {
    server_name: Option<&'m ServerNamePattern>,
    source: Option<Network>,
    pub(super) route: usize,
}

/// Returns the cells of routes, the most exact first; a pair with the same route as its wider network needs none.
pub(super) fn of<'m>(claims: &[&'m Match]) -> Vec<Cell<'m>> {
    let mut names: Vec<Option<&ServerNamePattern>> = Vec::new();
    let mut sources: Vec<Option<Network>> = vec![None];
    for claimed in claims {
        let name = claimed.server_name.as_ref();
        if !names.contains(&name) {
            names.push(name);
        }
        if !sources.contains(&claimed.source) {
            sources.push(claimed.source);
        }
    }
    names.sort_by(|a, b| b.cmp(a));
    sources.sort_by(|a, b| b.cmp(a));
    let route = |name: Option<&ServerNamePattern>, source| {
        let all = Match { server_name: name.cloned(), source, ..Match::EVERYTHING };
        claims.iter().position(|claimed| claimed.covers(&all))
    };
    let mut cells = Vec::new();
    for name in names {
        for (at, source) in sources.iter().enumerate() {
            let Some(found) = route(name, *source) else { continue };
            let wider = sources[at + 1..].iter().find(|wider| match (wider, source) {
                (Some(wider), Some(source)) => wider.covers(source),
                (None, _) => true,
                (Some(_), None) => false,
            });
            if wider.and_then(|wider| route(name, *wider)) != Some(found) {
                cells.push(Cell { server_name: name, source: *source, route: found });
            }
        }
    }
    cells
}

impl Cell<'_> {
    /// Host names of its connections; `*`: all.
    pub(super) fn hostname(&self) -> &str {
        self.server_name.map_or("*", ServerNamePattern::as_str)
    }

    /// Returns the match of its filter chain; `None`: everything.
    pub(super) fn matched(&self, session: Option<&TlsTermination>) -> Option<Value> {
        let mut matched = json!({});
        if let Some(name) = self.server_name {
            matched["transportProtocol"] = "tls".into();
            if name.as_str() != "*" {
                matched["serverNames"] = json!([name.as_str()]);
            }
            if session == Some(&TlsTermination::CrossMesh) {
                matched["applicationProtocols"] = json!(["kuma"]);
            }
        }
        if let Some(source) = self.source {
            let range =
                json!({ "addressPrefix": source.address().to_string(), "prefixLen": source.prefix() });
            matched["sourcePrefixRanges"] = json!([range]);
        }
        (matched != json!({})).then_some(matched)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(name: &str, source: &str) -> Match {
        let server_name = (!name.is_empty()).then(|| ServerNamePattern::new(name));
        let source = (!source.is_empty()).then(|| source.parse().unwrap());
        Match { server_name, source, ..Match::EVERYTHING }
    }

    #[test]
    fn a_chain_that_is_found_first_leads_where_the_first_route_does() {
        let claims =
            [claim("db.a.com", "10.1.0.0/16"), claim("*.a.com", ""), claim("", "10.0.0.0/8"), claim("", "")];
        let cells = of(&claims.iter().collect::<Vec<_>>());
        let told: Vec<_> = cells
            .iter()
            .map(|cell| (cell.hostname(), cell.source.map(|it| it.to_string()), cell.route))
            .collect();
        let from = |network: &str| Some(network.to_owned());
        assert_eq!(
            told,
            [
                ("db.a.com", from("10.1.0.0/16"), 0),
                // clients from elsewhere must find a chain below the exact name too
                ("db.a.com", None, 1),
                ("*.a.com", None, 1),
                ("*", from("10.0.0.0/8"), 2),
                ("*", None, 3),
            ]
        );
        assert_eq!(of(&[&Match::EVERYTHING]), [Cell { server_name: None, source: None, route: 0 }]);
        assert_eq!(of(&[&Match::EVERYTHING])[0].matched(None), None);
    }
}
