//! Merging of the confs of several `to` items.

use model::Kind;
use model::policy::{Conf, HttpRouteConf, PolicyConf, TcpRouteConf};

use crate::merge::http;

/// Merges confs, least important first. Returns more than one only for MeshHTTPRoute, one per hostname.
pub(crate) fn merged<'a>(kind: Kind, confs: impl Iterator<Item = &'a Conf>) -> Vec<Conf> {
    match kind {
        Kind::MeshHTTPRoute => http::merge(confs),
        _ => model::policy::merged(confs).into_iter().collect(),
    }
}

/// Stands for the hash of the rules of a MeshTCPRoute that have matches: those of one policy are one unit.
pub(crate) const MATCHED: &str = "matches";

/// Returns the hashes of the rules in a conf that have backendRefs: `""` for the TCP rule without matches,
/// [`MATCHED`] for the others.
pub(crate) fn backend_ref_hashes(kind: Kind, conf: &Conf) -> Vec<String> {
    match kind {
        Kind::MeshTCPRoute => {
            let Some(route) = TcpRouteConf::of(conf) else { return Vec::new() };
            let for_all = route.backend_refs.is_some().then_some("");
            let for_some = route.matched.is_some().then_some(MATCHED);
            for_all.into_iter().chain(for_some).map(str::to_owned).collect()
        }
        Kind::MeshHTTPRoute => {
            let rules = HttpRouteConf::of(conf).map(|route| route.rules.as_slice()).unwrap_or_default();
            let with_refs = rules.iter().filter(|rule| rule.said.backend_refs.is_some());
            with_refs.map(|rule| http::matches_hash(&rule.matches)).collect()
        }
        _ => Vec::new(),
    }
}
