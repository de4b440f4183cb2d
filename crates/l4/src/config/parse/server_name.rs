//! Parser of the message of a claim to server names into a [`Match`] and its route.

use std::collections::BTreeMap;
use std::sync::Arc;

use xds::proto::l4;

use super::tls::{LONGEST_SERVER_NAME, Secrets};
use super::{Parser, is_host_name};
use crate::config::{Match, Network, Route, ServerNamePattern, TlsEnd};

impl Parser<'_> {
    pub(super) fn server_name(
        &mut self,
        what: &str,
        index: usize,
        name: l4::ServerName,
        (routes, secrets): (&BTreeMap<String, Arc<Route>>, &Secrets),
    ) -> Option<(Match, Arc<Route>)> {
        let l4::ServerName { pattern, route, tls, permissions } = name;
        let route = self.named_route(what, &format!("server_names[{index}].route"), &route, routes);
        let pattern = self.pattern(what, &format!("server_names[{index}].pattern"), &pattern);
        let permissions = permissions.map(|permissions| self.permissions(what, permissions));
        let end = tls.map(|tls| Arc::new(TlsEnd { tls: self.server_tls(what, tls, secrets), permissions }));
        Some((Match::ServerName { pattern: pattern?, end }, route?))
    }

    /// Parses a rule with its conditions on connections.
    pub(super) fn route_match(
        &mut self,
        what: &str,
        index: usize,
        rule: l4::RouteMatch,
        routes: &BTreeMap<String, Arc<Route>>,
    ) -> Option<(Match, Arc<Route>)> {
        let l4::RouteMatch { route, server_name, source } = rule;
        let route = self.named_route(what, &format!("matches[{index}].route"), &route, routes);
        let asked = match server_name.as_str() {
            "" => Some(Match::Everything),
            name => self
                .pattern(what, &format!("matches[{index}].server_name"), name)
                .map(|pattern| Match::ServerName { pattern, end: None }),
        };
        let Some(source) = source else { return Some((asked?, route?)) };
        let network = source.address.parse().ok().zip(u8::try_from(source.prefix_length).ok());
        let network = network.and_then(|(address, prefix)| Network::new(address, prefix));
        if network.is_none() {
            self.problem(what, &format!("matches[{index}].source"), "is no network");
        }
        Some((Match::From { source: network?, of: Box::new(asked?) }, route?))
    }

    fn named_route(
        &mut self,
        what: &str,
        field: &str,
        route: &str,
        routes: &BTreeMap<String, Arc<Route>>,
    ) -> Option<Arc<Route>> {
        if route.is_empty() {
            self.problem(what, field, "names no route");
        }
        self.route(what, field, route, routes)
    }

    fn pattern(&mut self, what: &str, field: &str, pattern: &str) -> Option<ServerNamePattern> {
        let lower = pattern.to_ascii_lowercase();
        let parsed = match lower.strip_prefix('*') {
            Some("") => Some(ServerNamePattern::Any),
            Some(suffix) => suffix
                .strip_prefix('.')
                .filter(|name| is_host_name(name))
                .map(|_| ServerNamePattern::Below(suffix.into())),
            None => is_server_name(&lower).then(|| ServerNamePattern::Exact(lower.as_str().into())),
        };
        if parsed.is_none() {
            self.problem(
                what,
                field,
                format!("{pattern:?} is none of `*`, `*.example.com`, `db.example.com`"),
            );
        }
        parsed
    }
}

/// Returns `true` if a client hello can ask for the name: a host name, or the form of a service with its tags
/// (`redis{mesh=default}`).
fn is_server_name(name: &str) -> bool {
    (1..=LONGEST_SERVER_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'*')
        && !name.ends_with('.')
}
