//! What clusters, destinations and server names are called (spec 04 §5, §8.3).

use std::fmt::Write as _;

use model::reference::SERVICE_TAG;
use model::{Kind, ResourceId, Tags};
use sha2::{Digest as _, Sha256};

/// How long the name and mesh in an SNI may be before they are cut.
const SNI_PART: usize = 62;

/// The cluster of a tag set (spec 04 §5.1): the service alone, or with a hash when there are more tags. `mesh` is the
/// mesh of a cross-mesh destination, `listener` the tags of a gateway listener, which always take part in the hash.
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

/// The first 8 bytes of the SHA-256 of keys and values, without separators: `{a: bc}` and `{ab: c}` collide by contract
/// (spec 06 no. 53).
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

/// An inbound under unified naming: by its name, or by its port where it has none (spec 07 §9.1).
pub(super) fn inbound(name: Option<&str>, port: u16) -> String {
    name.map_or_else(|| format!("self_inbound_dp_{port}"), |name| format!("self_inbound_dp_{name}"))
}

/// The destination name of one port of a real service (spec 04 §5.2). `first_scheme`: as in 2.8.
pub(super) fn destination(id: &ResourceId, port: u32, first_scheme: bool) -> String {
    let ResourceId { kind, mesh, zone, namespace, name, section: _ } = id;
    if first_scheme && *kind == Kind::MeshService {
        return format!("{name}_svc_{port}");
    }
    let short = kind.short_name().unwrap_or(kind.as_str());
    format!("{mesh}_{name}_{namespace}_{zone}_{short}_{port}")
}

/// The SNI of a tag set: `redis{mesh=default,version=v2}` (spec 04 §8.3).
pub(super) fn tag_sni(service: &str, subset: &Tags, mesh: &str) -> String {
    let mut pairs: Vec<(&str, &str)> = subset.iter().collect();
    pairs.push(("mesh", mesh));
    pairs.sort_unstable();
    let pairs: Vec<String> = pairs.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("{service}{{{}}}", pairs.join(","))
}

/// The hashed SNI of one port of a real service (spec 04 §8.3). `name` has the namespace where it takes part.
pub(super) fn hashed_sni(kind: Kind, name: &str, port: u32, mesh: &str) -> String {
    let hash = fnv1a(format!("{name};{mesh};").as_bytes());
    let kind = match kind {
        Kind::MeshMultiZoneService => "mzms",
        Kind::MeshExternalService => "mes",
        _ => "ms",
    };
    format!("a{hash:016x}.{}.{port}.{}.{kind}", cut(name), cut(mesh))
}

/// The name of a service in its hashed SNI: with its namespace for a MeshService of Kubernetes, outside the system
/// namespace (spec 04 §8.3).
pub(super) fn namespaced(id: &ResourceId, system_namespace: &str) -> String {
    let ResourceId { kind, mesh: _, zone: _, namespace, name, section: _ } = id;
    if *kind == Kind::MeshService && !namespace.is_empty() && namespace != system_namespace {
        format!("{name}.{namespace}")
    } else {
        name.clone()
    }
}

/// The readable SNI of one port of a real service (spec 04 §8.3).
pub(super) fn readable_sni(id: &ResourceId) -> String {
    let ResourceId { kind, mesh, zone, namespace, name, section } = id;
    let short = kind.short_name().unwrap_or(kind.as_str());
    let place = match (zone.is_empty(), namespace.is_empty()) {
        (true, _) => String::new(),
        (false, true) => format!("{zone}."),
        (false, false) => format!("{zone}.{namespace}."),
    };
    format!("sni.{short}.{mesh}.{place}{name}.{section}")
}

fn cut(text: &str) -> String {
    if text.len() <= SNI_PART {
        return text.to_owned();
    }
    let end = (0..=SNI_PART).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    format!("{}x", &text[..end])
}

/// FNV-1a, 64 bits.
fn fnv1a(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// The name of a listener on an address: IPv6 in brackets.
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
    }

    #[test]
    fn server_names_are_those_of_the_reference() {
        assert_eq!(
            tag_sni("redis", &tags(&[("version", "v2")]), "default"),
            "redis{mesh=default,version=v2}"
        );
        assert_eq!(tag_sni("redis", &tags(&[]), "default"), "redis{mesh=default}");
        let sni = |kind, name, port| hashed_sni(kind, name, port, "default");
        assert_eq!(sni(Kind::MeshService, "redis", 6379), "a25502fde077cd057.redis.6379.default.ms");
        assert_eq!(
            sni(Kind::MeshService, "redis.kuma-demo", 6379),
            "a64067518fe826e27.redis.kuma-demo.6379.default.ms"
        );
        assert_eq!(
            sni(Kind::MeshExternalService, "payments-db", 5432),
            "a45ab571f42e5f226.payments-db.5432.default.mes"
        );
    }

    #[test]
    fn listeners_bracket_ipv6() {
        assert_eq!(listener("outbound", "127.0.0.1", 80), "outbound:127.0.0.1:80");
        assert_eq!(listener("outbound", "fd00::1", 80), "outbound:[fd00::1]:80");
    }
}
