//! Parser of the message of a cluster into a [`Cluster`].

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use xds::proto::l4;

use super::tls::Secrets;
use super::{Parser, duration};
use crate::balance::BalancingPolicy;
use crate::config::{
    Cluster, DEFAULT_CONNECT_TIMEOUT, DEFAULT_PANIC_THRESHOLD, DialTls, Endpoint, HealthCheck, Keepalive,
    OutlierDetection,
};

impl Parser<'_> {
    pub(super) fn cluster(
        &mut self,
        what: &str,
        message: l4::Cluster,
        endpoints: Vec<Endpoint>,
        secrets: &Secrets,
    ) -> Cluster {
        let l4::Cluster {
            name,
            connect_timeout_ms,
            undialable,
            balancing,
            max_connections,
            max_pending_connections,
            health_check,
            outlier,
            proxy_protocol,
            keepalive,
            user_timeout_ms,
            failover_threshold_percent,
            panic_threshold_percent,
            fail_on_panic,
            tls,
            original_destination,
            source_address,
            outside_tls,
        } = message;
        let endpoints = if original_destination { vec![Endpoint::original()] } else { endpoints };
        let balancing = balancing.unwrap_or_default();
        if tls.is_some() && outside_tls.is_some() {
            self.problem(what, "outside_tls", "is said together with tls");
        }
        let to_mesh = tls.map(|tls| DialTls::Mesh(self.client_tls(what, tls, secrets)));
        let to_outside = outside_tls.map(|tls| DialTls::Outside(self.outside_tls(what, tls, secrets)));
        let tls = to_mesh.or(to_outside);
        let health_check = health_check.map(|check| self.health_check(what, check));
        // plain bytes cannot be exchanged over TLS: the connect alone is the check
        let health_check = health_check.map(|check| match tls {
            Some(_) => HealthCheck { send: Arc::default(), receive: Vec::new(), ..check },
            None => check,
        });
        let unproven = tls.as_ref().and_then(DialTls::missing);
        let panic_threshold = panic_threshold_percent.unwrap_or(DEFAULT_PANIC_THRESHOLD.into());
        Cluster {
            connect_timeout: duration(connect_timeout_ms).unwrap_or(DEFAULT_CONNECT_TIMEOUT),
            undialable: (!undialable.is_empty()).then(|| undialable.into()).or(unproven.map(Into::into)),
            policy: self.policy(what, &balancing),
            slow_start: duration(balancing.slow_start_ms),
            max_connections: NonZeroU32::new(max_connections),
            max_pending: NonZeroU32::new(max_pending_connections),
            health_check,
            outlier: outlier.map(|outlier| self.outlier(what, &outlier)),
            failover_threshold: self.percent(what, "failover_threshold_percent", failover_threshold_percent),
            panic_threshold: self.percent(what, "panic_threshold_percent", panic_threshold),
            fail_on_panic,
            proxy_protocol: self.proxy_protocol(what, proxy_protocol),
            keepalive: keepalive.map(keepalive_of),
            user_timeout: duration(user_timeout_ms),
            tls,
            source: self.source(what, &source_address),
            ..Cluster::new(name, endpoints)
        }
    }

    fn source(&mut self, what: &str, address: &str) -> Option<IpAddr> {
        let source = address.parse().ok();
        if source.is_none() && !address.is_empty() {
            self.problem(what, "source_address", format!("{address:?} is not an IP address"));
        }
        source
    }

    fn policy(&mut self, what: &str, balancing: &l4::Balancing) -> BalancingPolicy {
        let l4::Balancing {
            policy,
            choice_count,
            min_ring_size,
            max_ring_size,
            table_size,
            slow_start_ms: _,
        } = balancing;
        match l4::BalancingPolicy::try_from(*policy) {
            Ok(l4::BalancingPolicy::RoundRobin) => BalancingPolicy::RoundRobin,
            Ok(l4::BalancingPolicy::LeastConnections) => BalancingPolicy::least_connections(*choice_count),
            Ok(l4::BalancingPolicy::Random) => BalancingPolicy::Random,
            Ok(l4::BalancingPolicy::RingHash) => BalancingPolicy::ring_hash(*min_ring_size, *max_ring_size),
            Ok(l4::BalancingPolicy::Maglev) => BalancingPolicy::maglev(*table_size),
            Err(_) => {
                self.problem(
                    what,
                    "balancing.policy",
                    format!("{policy} is no policy that this proxy knows"),
                );
                BalancingPolicy::RoundRobin
            }
        }
    }

    fn health_check(&mut self, what: &str, check: l4::HealthCheck) -> HealthCheck {
        let l4::HealthCheck {
            interval_ms,
            timeout_ms,
            unhealthy_threshold,
            healthy_threshold,
            initial_jitter_ms,
            interval_jitter_ms,
            interval_jitter_percent,
            send,
            receive,
        } = check;
        let share = interval_ms.saturating_mul(interval_jitter_percent.into()) / 100;
        HealthCheck {
            interval: self.time(what, "health_check.interval_ms", interval_ms),
            timeout: self.time(what, "health_check.timeout_ms", timeout_ms),
            unhealthy_threshold: self.count(what, "health_check.unhealthy_threshold", unhealthy_threshold),
            healthy_threshold: self.count(what, "health_check.healthy_threshold", healthy_threshold),
            initial_jitter: Duration::from_millis(initial_jitter_ms),
            interval_jitter: Duration::from_millis(interval_jitter_ms.saturating_add(share)),
            send: send.into(),
            receive: receive.into_iter().map(Into::into).collect(),
        }
    }

    fn outlier(&mut self, what: &str, outlier: &l4::OutlierDetection) -> OutlierDetection {
        let l4::OutlierDetection {
            interval_ms,
            base_ejection_ms,
            max_ejection_percent,
            consecutive_failures,
        } = outlier;
        OutlierDetection {
            interval: self.time(what, "outlier.interval_ms", *interval_ms),
            base: self.time(what, "outlier.base_ejection_ms", *base_ejection_ms),
            max_percent: self.percent(what, "outlier.max_ejection_percent", *max_ejection_percent),
            consecutive: NonZeroU32::new(*consecutive_failures),
        }
    }

    fn time(&mut self, what: &str, field: &str, milliseconds: u64) -> Duration {
        duration(milliseconds).unwrap_or_else(|| {
            self.problem(what, field, "is 0; it needs at least a millisecond");
            Duration::from_millis(1)
        })
    }

    fn count(&mut self, what: &str, field: &str, count: u32) -> NonZeroU32 {
        NonZeroU32::new(count).unwrap_or_else(|| {
            self.problem(what, field, "is 0; it needs at least 1");
            NonZeroU32::MIN
        })
    }

    fn percent(&mut self, what: &str, field: &str, percent: u32) -> u8 {
        match u8::try_from(percent) {
            Ok(percent @ 0..=100) => percent,
            Ok(_) | Err(_) => {
                self.problem(what, field, format!("{percent} is not in 0 to 100"));
                100
            }
        }
    }
}

fn keepalive_of(l4::Keepalive { idle_ms, interval_ms, probes }: l4::Keepalive) -> Keepalive {
    Keepalive { idle: duration(idle_ms), interval: duration(interval_ms), probes: NonZeroU32::new(probes) }
}
