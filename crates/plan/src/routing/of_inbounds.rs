//! Policies about the inbounds of a proxy: treatment of their connections, and of the application behind each.

use std::time::Duration;

use model::Kind;
use model::policy::{AccessLogConf, CircuitBreakerConf, Merge, PolicyConf, TimeoutConf, merged};

use super::settings;
use crate::matching::Matched;
use crate::merge::{SourceRule, plain_rules};
use crate::plan::{Cluster, ConnectionSettings, Sourced, Warning};
use crate::rules::InboundKey;
use crate::view::View;

/// Rules about an inbound, least important first; those for some connections only are left out.
pub(super) struct OfInbound(Vec<SourceRule>);

impl OfInbound {
    pub(super) fn of(matched: &Matched<'_>, inbound: &InboundKey) -> Self {
        let policies = matched.inbounds.get(inbound).map(Vec::as_slice).unwrap_or_default();
        Self(plain_rules(policies).into_iter().filter(|rule| rule.matches.is_none()).collect())
    }

    /// Merged conf of all rules; `None`: no rule has one.
    pub(super) fn said<C: PolicyConf + Merge + Clone + 'static>(&self) -> Option<C> {
        merged(self.each().map(|(said, _)| said))
    }

    /// A merged value with its origin: the most important rule for which `says` is true.
    pub(super) fn sourced<C: PolicyConf + 'static, T>(
        &self,
        value: Option<T>,
        says: impl Fn(&C) -> bool,
    ) -> Option<Sourced<T>> {
        let (_, rule) = self.each::<C>().filter(|(said, _)| says(said)).last()?;
        Some(Sourced { value: value?, origin: rule.origin.clone() })
    }

    /// Confs with their rules.
    fn each<C: PolicyConf + 'static>(&self) -> impl Iterator<Item = (&C, &SourceRule)> {
        self.0.iter().filter_map(|rule| Some((C::of(rule.conf.as_ref()?)?, rule)))
    }
}

/// Policies about the treatment of connections to inbounds.
pub(super) struct Treating<'a> {
    timeout: Matched<'a>,
    access_log: Matched<'a>,
    circuit_breaker: Matched<'a>,
}

impl<'a> Treating<'a> {
    pub(super) fn of(view: &View<'a>) -> Self {
        Self {
            timeout: view.matched(Kind::MeshTimeout),
            access_log: view.matched(Kind::MeshAccessLog),
            circuit_breaker: view.matched(Kind::MeshCircuitBreaker),
        }
    }

    /// Settings of an inbound listener. Access logs of its rules are not merged, but added up.
    pub(super) fn connections(
        &self,
        inbound: &InboundKey,
        listener: &str,
        warnings: &mut Vec<Warning>,
    ) -> ConnectionSettings {
        let timeout = OfInbound::of(&self.timeout, inbound);
        let access_log = OfInbound::of(&self.access_log, inbound);
        let idle = timeout.said().and_then(|said: TimeoutConf| said.idle);
        let backends = access_log.each().filter_map(|(said, rule): (&AccessLogConf, _)| {
            Some(Sourced { value: said.backends.clone()?, origin: rule.origin.clone() })
        });
        ConnectionSettings {
            idle_timeout: timeout.sourced(idle, |said: &TimeoutConf| said.idle.is_some()),
            access_logs: backends
                .flat_map(|backends| settings::access_logs(backends, listener, warnings))
                .collect(),
            ..ConnectionSettings::default()
        }
    }

    /// Connect timeout of what is behind an inbound.
    pub(super) fn connect_timeout(&self, inbound: &InboundKey) -> Option<Sourced<Duration>> {
        let timeout = OfInbound::of(&self.timeout, inbound);
        let connect = timeout.said().and_then(|said: TimeoutConf| said.connect);
        timeout.sourced(connect, |said: &TimeoutConf| said.connect.is_some())
    }

    /// Sets timeout, limits and outlier detection of the application behind an inbound.
    pub(super) fn limit(&self, inbound: &InboundKey, application: &mut Cluster) {
        application.connect_timeout = self.connect_timeout(inbound);
        let breaker = OfInbound::of(&self.circuit_breaker, inbound);
        let Some(said) = breaker.said::<CircuitBreakerConf>() else { return };
        let settings = &mut application.settings;
        settings.max_connections =
            breaker.sourced(said.max_connections, |said: &CircuitBreakerConf| said.max_connections.is_some());
        settings.max_pending_connections = breaker
            .sourced(said.max_pending_connections, |said: &CircuitBreakerConf| {
                said.max_pending_connections.is_some()
            });
        settings.outlier_detection =
            breaker.sourced(said.outlier_detection(), |said: &CircuitBreakerConf| said.outlier.is_some());
        settings.panic_threshold = breaker
            .sourced(said.panic_threshold(), |said: &CircuitBreakerConf| said.panic_threshold().is_some());
    }
}
