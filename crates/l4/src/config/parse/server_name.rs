//! The message of a claim to server names → a [`Match`] and its route.

use std::collections::BTreeMap;
use std::sync::Arc;

use xds::proto::l4;

use super::tls::{LONGEST_SERVER_NAME, Secrets};
use super::{Parser, is_host_name};
use crate::config::{Match, Route, ServerNamePattern, TlsEnd};

impl Parser<'_> {
    pub(super) fn server_name(
        &mut self,
        what: &str,
        index: usize,
        name: l4::ServerName,
        (routes, secrets): (&BTreeMap<String, Arc<Route>>, &Secrets),
    ) -> Option<(Match, Arc<Route>)> {
        let l4::ServerName { pattern, route, tls, permissions } = name;
        let field = format!("server_names[{index}].route");
        if route.is_empty() {
            self.problem(what, &field, "names no route");
        }
        let route = self.route(what, &field, &route, routes);
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
                &format!("server_names[{index}].pattern"),
                format!("{pattern:?} is none of `*`, `*.example.com`, `db.example.com`"),
            );
        }
        let permissions = permissions.map(|permissions| self.permissions(what, permissions));
        let end = tls.map(|tls| Arc::new(TlsEnd { tls: self.server_tls(what, tls, secrets), permissions }));
        Some((Match::ServerName { pattern: parsed?, end }, route?))
    }
}

/// Whether a hello can ask for it: a host name, or what stands for a service with its tags (`redis{mesh=default}`).
fn is_server_name(name: &str) -> bool {
    (1..=LONGEST_SERVER_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'*')
        && !name.ends_with('.')
}
