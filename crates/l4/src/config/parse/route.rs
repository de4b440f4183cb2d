//! Parser of the messages of routes and mirrors, and of their backends, into a [`Route`] and a [`Mirror`].

use std::collections::BTreeMap;
use std::sync::Arc;

use xds::ResourceSet;
use xds::proto::l4;

use super::{Parser, duration};
use crate::balance::{Rendezvous, Split};
use crate::config::{Backend, Cluster, Existing, Mirror, Route, Target, WhenDown};

impl Parser<'_> {
    pub(super) fn routes(
        &mut self,
        set: &ResourceSet,
        clusters: &BTreeMap<String, Arc<Cluster>>,
    ) -> BTreeMap<String, Arc<Route>> {
        let mut routes = BTreeMap::new();
        for (what, message) in self.decode(set) {
            let l4::Route {
                name,
                origin,
                backends,
                refusal,
                sticky,
                existing,
                retry_other_side,
                drain_grace_ms,
            } = message;
            let backends: Vec<Backend> = backends
                .into_iter()
                .enumerate()
                .map(|(index, backend)| self.backend(&what, index, backend, clusters))
                .collect();
            let split = Split::new(backends.iter().map(|backend| backend.weight));
            let refusal = or_else(refusal, "the route has no backend with a weight above 0");
            let sticky = match l4::Sticky::try_from(sticky) {
                Ok(l4::Sticky::None) => None,
                Ok(l4::Sticky::SourceIp) => Some(Rendezvous::new(
                    backends.iter().map(|backend| (&*backend.reference, backend.weight)),
                )),
                Err(_) => {
                    self.problem(&what, "sticky", "is neither none nor source-ip");
                    None
                }
            };
            let route = Route {
                name: name.as_str().into(),
                origin,
                backends,
                split,
                sticky,
                retry_other_side,
                refusal,
                existing: self.existing(&what, existing),
                drain_grace: duration(drain_grace_ms),
            };
            if routes.insert(name.clone(), Arc::new(route)).is_some() {
                self.problem(&what, "name", format!("{name:?} is used twice"));
            }
        }
        routes
    }

    fn backend(
        &mut self,
        what: &str,
        index: usize,
        backend: l4::Backend,
        clusters: &BTreeMap<String, Arc<Cluster>>,
    ) -> Backend {
        let l4::Backend { reference, weight, cluster, unavailable, when_down } = backend;
        let field = format!("backends[{index}].cluster");
        let target = self.target(what, &field, (&cluster, unavailable), clusters);
        let when_down = match l4::WhenDown::try_from(when_down) {
            Ok(l4::WhenDown::Refuse) => WhenDown::Refuse,
            Ok(l4::WhenDown::Spill) => WhenDown::Spill,
            Err(_) => {
                self.problem(what, &format!("backends[{index}].when_down"), "is neither refuse nor spill");
                WhenDown::Refuse
            }
        };
        Backend { reference: reference.into(), weight, target, when_down }
    }

    fn target(
        &mut self,
        what: &str,
        field: &str,
        (cluster, unavailable): (&str, String),
        clusters: &BTreeMap<String, Arc<Cluster>>,
    ) -> Target {
        match clusters.get(cluster) {
            Some(cluster) => Target::Cluster(Arc::clone(cluster)),
            None if cluster.is_empty() => {
                Target::Unavailable(or_else(unavailable, "the backendRef leads to no cluster"))
            }
            None => {
                self.problem(what, field, format!("there is no cluster {cluster:?}"));
                Target::Unavailable("".into())
            }
        }
    }

    pub(super) fn mirror(
        &mut self,
        what: &str,
        mirror: l4::Mirror,
        clusters: &BTreeMap<String, Arc<Cluster>>,
    ) -> Mirror {
        let l4::Mirror { reference, cluster, unavailable, of_10_000, buffer, origin } = mirror;
        let target = self.target(what, "mirror.cluster", (&cluster, unavailable), clusters);
        Mirror { reference: reference.into(), target, of_10_000, buffer: buffer as usize, origin }
    }

    /// Route of a listener by its name; `None`: none is named, or there is no such route.
    pub(super) fn route(
        &mut self,
        what: &str,
        field: &str,
        name: &str,
        routes: &BTreeMap<String, Arc<Route>>,
    ) -> Option<Arc<Route>> {
        let route = routes.get(name).cloned();
        if route.is_none() && !name.is_empty() {
            self.problem(what, field, format!("there is no route {name:?}"));
        }
        route
    }

    fn existing(&mut self, what: &str, number: i32) -> Existing {
        Existing::try_from(number).unwrap_or_else(|_| {
            self.problem(what, "existing", "is none of keep, drain-excess, close");
            Existing::Keep
        })
    }
}

fn or_else(text: String, default: &str) -> Arc<str> {
    if text.is_empty() { default.into() } else { text.into() }
}
