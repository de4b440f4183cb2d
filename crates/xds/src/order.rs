//! Order in which types of resources are sent: make before break, as data.
//!
//! Additions and changes go down the table, removals go up: a listener must not name a cluster that the proxy does not
//! have yet, and a cluster may leave only when no listener names it any more.

use crate::TypeUrl;

/// `envoy.config.cluster.v3.Cluster`.
pub const ENVOY_CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
/// `envoy.config.endpoint.v3.ClusterLoadAssignment`; named after its cluster.
pub const ENVOY_ENDPOINTS: &str = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
/// `envoy.config.listener.v3.Listener`.
pub const ENVOY_LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";
/// `envoy.config.route.v3.RouteConfiguration`.
pub const ENVOY_ROUTE: &str = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
/// `envoy.extensions.transport_sockets.tls.v3.Secret`.
pub const ENVOY_SECRET: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
/// Our own [`Cluster`](crate::proto::l4::Cluster).
pub const L4_CLUSTER: &str = "type.googleapis.com/meshtcp.l4.v1.Cluster";
/// Our own [`Endpoints`](crate::proto::l4::Endpoints); named after their cluster.
pub const L4_ENDPOINTS: &str = "type.googleapis.com/meshtcp.l4.v1.Endpoints";
/// Our own [`Route`](crate::proto::l4::Route).
pub const L4_ROUTE: &str = "type.googleapis.com/meshtcp.l4.v1.Route";
/// Our own [`Listener`](crate::proto::l4::Listener).
pub const L4_LISTENER: &str = "type.googleapis.com/meshtcp.l4.v1.Listener";

/// Our own [`Names`](crate::proto::l4::Names).
pub const L4_NAMES: &str = "type.googleapis.com/meshtcp.l4.v1.Names";
/// Our own [`Secret`](crate::proto::l4::Secret).
pub const L4_SECRET: &str = "type.googleapis.com/meshtcp.l4.v1.Secret";

/// Handling of a type by proxies. A type without a row waits for nothing, and nothing waits for it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) type_url: &'static str,
    family: Family,
    /// Types with a lower stage go first, those with a higher one leave first; equal stages are independent.
    stage: u8,
    /// Condition on earlier types before a resource of this type is sent.
    pub(crate) after: Precondition,
    /// Type whose resource of the same name must be sent again after one of this type.
    pub(crate) refreshes: Option<&'static str>,
    /// Type whose resource of the same name owns one of this type: they leave together.
    owner: Option<&'static str>,
    /// `true`: a first request without names asks for all.
    pub(crate) wildcard: bool,
}

/// Family of proxies that know a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Envoy.
    Envoy,
    /// Our own L4 proxy.
    L4,
}

impl Family {
    /// Every served type, of all families.
    pub fn types() -> impl Iterator<Item = TypeUrl> {
        TABLE.iter().map(|row| TypeUrl::new(row.type_url))
    }

    /// Family of proxies that know a type; `None`: unknown type.
    pub fn of(type_url: &TypeUrl) -> Option<Self> {
        Row::of(type_url).map(|row| row.family)
    }

    /// Returns `envoy` or `l4`.
    pub fn as_str(self) -> &'static str {
        match self {
            Family::Envoy => "envoy",
            Family::L4 => "l4",
        }
    }
}

/// Condition on the types that go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precondition {
    /// No condition: Envoy accepts a cluster only when it has the cluster's endpoints, so these must not wait for that.
    Nothing,
    /// Sent: enough for a proxy that applies a change only once it is complete.
    Sent,
    /// Accepted: Envoy accepts a cluster when it is warm.
    Accepted,
}

static TABLE: [Row; 11] = {
    use Family::{Envoy, L4};
    use Precondition::{Accepted, Nothing, Sent};
    const fn row(
        type_url: &'static str,
        family: Family,
        stage: u8,
        after: Precondition,
        wildcard: bool,
    ) -> Row {
        Row { type_url, family, stage, after, refreshes: None, owner: None, wildcard }
    }
    [
        Row { refreshes: Some(ENVOY_ENDPOINTS), ..row(ENVOY_CLUSTER, Envoy, 0, Nothing, true) },
        Row { owner: Some(ENVOY_CLUSTER), ..row(ENVOY_ENDPOINTS, Envoy, 1, Nothing, false) },
        row(ENVOY_LISTENER, Envoy, 2, Accepted, true),
        row(ENVOY_ROUTE, Envoy, 2, Accepted, false),
        row(ENVOY_SECRET, Envoy, 2, Nothing, false),
        // a proxy without a secret refuses the connections that need it, and is never less strict for it
        row(L4_SECRET, L4, 0, Nothing, true),
        row(L4_CLUSTER, L4, 0, Nothing, true),
        Row { owner: Some(L4_CLUSTER), ..row(L4_ENDPOINTS, L4, 1, Nothing, true) },
        row(L4_ROUTE, L4, 2, Sent, true),
        row(L4_LISTENER, L4, 3, Sent, true),
        // a host name is useful once the listener behind it is there
        row(L4_NAMES, L4, 4, Sent, true),
    ]
};

impl Row {
    /// Row of a type; `None`: unknown type.
    pub(crate) fn of(type_url: &TypeUrl) -> Option<&'static Row> {
        TABLE.iter().find(|row| row.type_url == type_url.as_str())
    }

    /// Types that must be there before one of this type is sent.
    pub(crate) fn earlier(&self) -> impl Iterator<Item = &'static Row> {
        let (family, stage) = (self.family, self.stage);
        TABLE.iter().filter(move |row| row.family == family && row.stage < stage)
    }

    /// Types whose resources one of this type may name: an owned resource is named by none.
    pub(crate) fn named(&self) -> impl Iterator<Item = &'static Row> {
        self.earlier().filter(|row| row.owner.is_none())
    }

    /// Returns `true` if resources of this type belong to those of `other` with the same names.
    pub(crate) fn belongs_to(&self, other: &Row) -> bool {
        self.owner == Some(other.type_url)
    }

    /// Types that may still use one of this type.
    pub(crate) fn later(&self) -> impl Iterator<Item = &'static Row> {
        let (family, stage) = (self.family, self.stage);
        TABLE.iter().filter(move |row| row.family == family && row.stage > stage)
    }
}

/// Position of a type in the order, for sorting; types without a row come last.
pub(crate) fn position(type_url: &TypeUrl) -> usize {
    TABLE.iter().position(|row| row.type_url == type_url.as_str()).unwrap_or(TABLE.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::l4;

    #[test]
    fn our_own_types_are_spelled_as_their_messages_are() {
        assert_eq!(TypeUrl::of::<l4::Cluster>().as_str(), L4_CLUSTER);
        assert_eq!(TypeUrl::of::<l4::Endpoints>().as_str(), L4_ENDPOINTS);
        assert_eq!(TypeUrl::of::<l4::Route>().as_str(), L4_ROUTE);
        assert_eq!(TypeUrl::of::<l4::Listener>().as_str(), L4_LISTENER);
        assert_eq!(TypeUrl::of::<l4::Names>().as_str(), L4_NAMES);
        assert_eq!(TypeUrl::of::<l4::Secret>().as_str(), L4_SECRET);
    }

    #[test]
    fn families_do_not_wait_for_each_other() {
        let listener = Row::of(&TypeUrl::new(L4_LISTENER)).unwrap();
        let earlier: Vec<_> = listener.earlier().map(|row| row.type_url).collect();
        assert_eq!(earlier, [L4_SECRET, L4_CLUSTER, L4_ENDPOINTS, L4_ROUTE]);
    }
}
