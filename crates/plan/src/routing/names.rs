//! Names of clusters, destinations and listeners (spec 04 §5).

use std::fmt::Write as _;

use model::reference::SERVICE_TAG;
use model::{Kind, ResourceId, Tags};
use sha2::{Digest as _, Sha256};

/// Returns the cluster name of a tag set (spec 04 §5.1): the service alone, or with a hash if there are more tags.
/// `mesh` is the mesh of a cross-mesh destination, `listener` the tags of a gateway listener, which are always part
/// of the hash.
pub(super) fn tag_cluster(tags: &Tags, mesh: Option<&str>, listener: Option<&Tags>) -> String {
    let service = tags.service().unwrap_or_default();
    let mut name = service.to_owned();
    if tags.iter().any(|(key, _)| key != SERVICE_TAG) || listener.is_some() {
        let _ = write!(name, "-{}", tag_hash(tags, listener));
    }
    if let Some(mesh) = mesh {
        let _ = write!(name, "_{mesh}");
    }
    name
}

/// Returns the first 8 bytes of the SHA-256 of keys and values, without separators: `{a: bc}` and `{ab: c}` collide
/// by contract (spec 06 no. 53).
fn tag_hash(tags: &Tags, listener: Option<&Tags>) -> String {
    let mut hash = Sha256::new();
    for (key, value) in tags.iter().chain(listener.into_iter().flat_map(Tags::iter)) {
        hash.update(key);
        hash.update(value);
    }
    hash.finalize().iter().take(8).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Returns the name of an inbound under unified naming: by its name, or by its port if it has none (spec 07 §9.1).
pub(super) fn inbound(name: Option<&str>, port: u16) -> String {
    name.map_or_else(|| format!("self_inbound_dp_{port}"), |name| format!("self_inbound_dp_{name}"))
}

/// Returns the destination name of one port of a real service (spec 04 §5.2). `first_scheme`: as in 2.8.
pub(super) fn destination(id: &ResourceId, port: u32, first_scheme: bool) -> String {
    let ResourceId { kind, mesh, zone, namespace, name, section: _ } = id;
    match kind {
        Kind::MeshService if first_scheme => return format!("{name}_svc_{port}"),
        Kind::MeshExternalService if first_scheme => return format!("meshexternalservice_{name}"),
        _ => {}
    }
    let short = kind.short_name().unwrap_or(kind.as_str());
    format!("{mesh}_{name}_{namespace}_{zone}_{short}_{port}")
}

/// Returns the name of a listener on an address: IPv6 in brackets.
pub(super) fn listener(direction: &str, address: &str, port: u16) -> String {
    if address.contains(':') {
        format!("{direction}:[{address}]:{port}")
    } else {
        format!("{direction}:{address}:{port}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        pairs.iter().copied().collect()
    }

    fn id(kind: Kind, name: &str, namespace: &str, zone: &str) -> ResourceId {
        ResourceId {
            kind,
            mesh: "default".into(),
            zone: zone.into(),
            namespace: namespace.into(),
            name: name.into(),
            section: String::new(),
        }
    }

    #[test]
    fn clusters_of_tags_have_the_names_of_the_reference() {
        let name = |pairs: &[(&str, &str)], mesh| tag_cluster(&tags(pairs), mesh, None);
        let service = "kuma.io/service";
        assert_eq!(name(&[(service, "redis")], None), "redis");
        assert_eq!(name(&[(service, "redis"), ("version", "v1")], None), "redis-39497412ae74cdb7");
        assert_eq!(name(&[(service, "backend"), ("region", "eu")], None), "backend-bb38a94289f18fb9");
        assert_eq!(name(&[(service, "ledger"), ("kuma.io/zone", "west")], None), "ledger-f8487f79b175a8f8");
        assert_eq!(
            name(&[(service, "ledger"), ("version", "v1"), ("kuma.io/mesh", "other")], Some("other")),
            "ledger-abac5283d6498d38_other"
        );
    }

    #[test]
    fn clusters_of_gateways_hash_the_tags_of_the_listener_too() {
        let gateway = tags(&[("kuma.io/service", "edge-gateway")]);
        let name = |pairs: &[(&str, &str)]| tag_cluster(&tags(pairs), None, Some(&gateway));
        assert_eq!(name(&[("kuma.io/service", "ledger")]), "ledger-91f3cfd33e297a30");
        assert_eq!(name(&[("kuma.io/service", "ledger"), ("version", "v2")]), "ledger-fa841e636ea66f15");
    }

    #[test]
    fn destination_names_keep_empty_parts() {
        let ledger = id(Kind::MeshService, "ledger", "", "east");
        assert_eq!(destination(&ledger, 5432, false), "default_ledger__east_msvc_5432");
        assert_eq!(destination(&ledger, 5432, true), "ledger_svc_5432");
        let payments = id(Kind::MeshExternalService, "payments-db", "", "");
        assert_eq!(destination(&payments, 5432, false), "default_payments-db___extsvc_5432");
        assert_eq!(destination(&payments, 5432, true), "meshexternalservice_payments-db");
    }

    #[test]
    fn listeners_bracket_ipv6() {
        assert_eq!(listener("outbound", "127.0.0.1", 80), "outbound:127.0.0.1:80");
        assert_eq!(listener("outbound", "fd00::1", 80), "outbound:[fd00::1]:80");
    }
}
