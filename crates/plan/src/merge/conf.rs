//! How what several `to` items say is put together.

use model::Kind;
use model::policy::{Conf, HttpRouteConf, Spoken, TcpRouteConf};

use crate::merge::http;

/// Merges confs, least important first. More than one comes out only for MeshHTTPRoute, one a hostname.
pub(crate) fn merged<'a>(kind: Kind, confs: impl Iterator<Item = &'a Conf>) -> Vec<Conf> {
    match kind {
        Kind::MeshHTTPRoute => http::merge(confs),
        _ => model::policy::merged(confs).into_iter().collect(),
    }
}

/// The hashes of the rules in a conf that have backendRefs: `""` for TCP, which has one rule without matches.
pub(crate) fn backend_ref_hashes(kind: Kind, conf: &Conf) -> Vec<String> {
    match kind {
        Kind::MeshTCPRoute => {
            let is_said = TcpRouteConf::of(conf).is_some_and(|route| route.backend_refs.is_some());
            is_said.then(String::new).into_iter().collect()
        }
        Kind::MeshHTTPRoute => {
            let rules = HttpRouteConf::of(conf).map(|route| route.rules.as_slice()).unwrap_or_default();
            let with_refs = rules.iter().filter(|rule| rule.said.backend_refs.is_some());
            with_refs.map(|rule| http::matches_hash(&rule.matches)).collect()
        }
        _ => Vec::new(),
    }
}
