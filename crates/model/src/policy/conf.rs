//! Confs: the settings of a policy for one destination or source.

use serde::{Serialize, Serializer};

use super::{
    AccessLogConf, CircuitBreakerConf, HealthCheckConf, HttpRouteConf, LoadBalancingConf, Merge, MeshTlsConf,
    MirrorConf, PassthroughConf, PermissionConf, RetryConf, TcpRouteConf, TimeoutConf, Written,
};

/// Conf of a policy for one destination or source: typed, as far as it affects a TCP connection, and as written. As
/// JSON it is as written.
#[derive(Clone, Debug, PartialEq)]
pub struct Conf {
    said: TypedConf,
    written: Written,
}

/// Typed settings that affect a TCP connection, by the kind of policy.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // one variant a kind, named after it
pub enum TypedConf {
    Timeout(TimeoutConf),
    Retry(RetryConf),
    AccessLog(AccessLogConf),
    LoadBalancing(LoadBalancingConf),
    HealthCheck(HealthCheckConf),
    CircuitBreaker(CircuitBreakerConf),
    Permission(PermissionConf),
    Tls(MeshTlsConf),
    Passthrough(PassthroughConf),
    Mirror(MirrorConf),
    TcpRoute(TcpRouteConf),
    HttpRoute(HttpRouteConf),
    /// None: policies of this kind do not affect TCP connections.
    Unfelt,
}

impl Conf {
    /// For the reader of documents, which has both of the same text.
    pub(crate) fn new(said: TypedConf, written: Written) -> Self {
        Self { said, written }
    }

    /// Typed settings that affect a TCP connection.
    pub fn said(&self) -> &TypedConf {
        &self.said
    }

    /// Conf as written.
    pub fn written(&self) -> &Written {
        &self.written
    }
}

/// Merged HTTP routes, in the words of a document.
impl From<HttpRouteConf> for Conf {
    fn from(said: HttpRouteConf) -> Self {
        let written = said.written();
        Self { said: TypedConf::HttpRoute(said), written }
    }
}

/// Only confs of one kind are merged.
impl Merge for Conf {
    fn merge(&mut self, over: &Self) {
        let Self { said, written } = over;
        self.written.merge(written);
        match (&mut self.said, said) {
            (TypedConf::Timeout(below), TypedConf::Timeout(over)) => below.merge(over),
            (TypedConf::Retry(below), TypedConf::Retry(over)) => below.merge(over),
            (TypedConf::AccessLog(below), TypedConf::AccessLog(over)) => below.merge(over),
            (TypedConf::LoadBalancing(below), TypedConf::LoadBalancing(over)) => below.merge(over),
            (TypedConf::HealthCheck(below), TypedConf::HealthCheck(over)) => below.merge(over),
            (TypedConf::CircuitBreaker(below), TypedConf::CircuitBreaker(over)) => below.merge(over),
            (TypedConf::Permission(below), TypedConf::Permission(over)) => below.merge(over),
            (TypedConf::Tls(below), TypedConf::Tls(over)) => below.merge(over),
            (TypedConf::Passthrough(below), TypedConf::Passthrough(over)) => below.merge(over),
            (TypedConf::Mirror(below), TypedConf::Mirror(over)) => below.merge(over),
            (TypedConf::TcpRoute(below), TypedConf::TcpRoute(over)) => below.merge(over),
            (below, over) => below.clone_from(over),
        }
    }
}

impl Serialize for Conf {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.written.serialize(serializer)
    }
}

/// Type of settings found in a [`Conf`].
pub trait PolicyConf: Sized {
    /// Returns the settings of this kind; `None`: the conf is of another kind.
    fn of(conf: &Conf) -> Option<&Self>;
}

macro_rules! spoken {
    ($($variant:ident: $type:ty),+ $(,)?) => {
        $(impl PolicyConf for $type {
            fn of(conf: &Conf) -> Option<&Self> {
                match &conf.said {
                    TypedConf::$variant(said) => Some(said),
                    _ => None,
                }
            }
        })+
    };
}

spoken!(
    Timeout: TimeoutConf,
    Retry: RetryConf,
    AccessLog: AccessLogConf,
    LoadBalancing: LoadBalancingConf,
    HealthCheck: HealthCheckConf,
    CircuitBreaker: CircuitBreakerConf,
    Permission: PermissionConf,
    Tls: MeshTlsConf,
    Passthrough: PassthroughConf,
    Mirror: MirrorConf,
    TcpRoute: TcpRouteConf,
    HttpRoute: HttpRouteConf,
);
