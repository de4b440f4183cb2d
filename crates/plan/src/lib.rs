//! Plan of each proxy: what it must do, and why.
//!
//! ```text
//!  Snapshot ──seen_by──▶ View ──matched(kind)──▶ Matched ──merge──▶ Rules ──routing──▶ Plan
//! ```

mod circles;
mod dialled;
mod explain;
mod features;
mod hosts;
mod inspect;
mod json;
mod matching;
mod memo;
mod merge;
mod pairs;
mod plan;
mod pool;
mod precedence;
mod reader;
mod reads;
mod routing;
mod rules;
mod snapshot;
mod status;
mod view;

pub use circles::{ProxyListeners, Stop, circles};
pub use dialled::{Dialled, DialledTarget, TagAddresses};
pub use explain::{
    Explanation, InboundExplanation, OutboundExplanation, PermissionExplanation, PolicyExplanation, explain,
};
pub use features::{ProxyFeatures, Redirection};
pub use hosts::{Hosts, ResolvedHost};
pub use inspect::InspectionResponse;
pub use json::plan_json;
pub use matching::{Matched, Shadows};
pub use merge::{
    Destined, SortedItem, SourceRule, SourceRules, merge_confs, plain_rules, rules_by_source, sorted_items,
};
pub use plan::*;
pub use precedence::{ItemPrecedence, Precedence, PrecedenceStep};
pub use reader::Destinations;
pub use reads::{Reads, Touched};
pub use routing::identity::{spiffe_id, trust_domain};
pub use routing::service_identity::ServiceIdentities;
pub use routing::sni::{hashed_sni, readable_sni};
pub use routing::{ProxyRules, permissions_of};
pub use rules::{InboundKey, ListenerKey, Merged, ResourceRule, Rules, Subset, SubsetTag, TagRule, mesh_id};
pub use snapshot::{Context, Snapshot};
pub use view::View;

use model::topology::MeshIdentity;
use model::{ProxyKey, Resource};
use reader::Reader;

/// Plans one proxy; `None`: the snapshot has no resource that stands for it.
pub fn plan(snapshot: &Snapshot, proxy: &ProxyId) -> Option<Plan> {
    plan_and_reads(snapshot, proxy).map(|(plan, _)| plan)
}

/// Plans one proxy, and returns the reads that the plan depends on: it stays the same as long as no change touches
/// them.
pub fn plan_and_reads(snapshot: &Snapshot, proxy: &ProxyId) -> Option<(Plan, Reads)> {
    match proxy {
        ProxyId::Dataplane(key) => {
            let view = snapshot.seen_by(key)?;
            let plan = view.route(&view.proxy_rules());
            Some((plan, view.reads()))
        }
        ProxyId::ZoneIngress(name) => {
            let reader = Reader::of(snapshot);
            let plan = routing::plan_ingress(&reader, name)?;
            Some((plan, reader.reads()))
        }
        ProxyId::ZoneEgress(name) => {
            let reader = Reader::of(snapshot);
            let plan = routing::plan_egress(&reader, name)?;
            Some((plan, reader.reads()))
        }
    }
}

/// Returns the MeshIdentity that fits a Dataplane best, whether or not it issues certificates.
pub fn best_identity<'a>(
    snapshot: &'a Snapshot,
    dataplane: &Resource,
) -> Option<(&'a Resource, &'a MeshIdentity)> {
    let meta = dataplane.meta();
    routing::identity::best(&Reader::of(snapshot), meta.mesh.as_str(), &meta.labels)
}

impl ExternalTls {
    /// TLS to a MeshExternalService or an ExternalService that a proxy originates when it dials it directly;
    /// `None`: plaintext, or the resource is of another kind.
    pub fn of(resource: &Resource) -> Option<Self> {
        routing::tls_to_outside(resource)
    }
}

impl ServiceIdentities {
    /// Computes the identities and TLS readiness of a MeshService of this zone; `None` for other resources.
    /// `is_certified`: returns `true` if a certificate was issued for a proxy.
    pub fn of(
        snapshot: &Snapshot,
        resource: &Resource,
        is_certified: impl Fn(&ProxyKey) -> bool,
    ) -> Option<Self> {
        routing::service_identity::found(&Reader::of(snapshot), resource, is_certified)
    }
}
