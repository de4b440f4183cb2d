//! Server names that clients send, and by which zone proxies route (spec 07 §7.4).

use model::resource::{DISPLAY_NAME_LABEL, NAMESPACE_LABEL};
use model::{Kind, Origin, Resource, ResourceId, Tags};

use crate::plan::NoServerName;

/// Limit on the length of the name and mesh in a hashed name, in bytes; longer ones are cut.
const PART: usize = 62;
/// Limit on the length of a DNS label, in bytes.
const LABEL: usize = 63;
/// Limit on the length of a DNS name, in bytes.
const NAME: usize = 253;
/// Limit on the length of a server name that every data plane accepts, in bytes.
const LONGEST: usize = 255;

/// Returns the server name of a tag set: `redis{mesh=default,version=v2}`.
pub(super) fn of_tags(service: &str, subset: &Tags, mesh: &str) -> String {
    let mut pairs: Vec<(&str, &str)> = subset.iter().collect();
    pairs.push(("mesh", mesh));
    pairs.sort_unstable();
    let pairs: Vec<String> = pairs.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("{service}{{{}}}", pairs.join(","))
}

/// Returns the server name of a tag set, or the reason why a client cannot send it.
pub(super) fn of_dialled_tags(service: &str, subset: &Tags, mesh: &str) -> Result<String, NoServerName> {
    let sni = of_tags(service, subset, mesh);
    if sni.len() > LONGEST { Err(NoServerName::Long { sni, most: LONGEST }) } else { Ok(sni) }
}

/// Returns the hashed name of one port of a real service: `a25502fde077cd057.redis.6379.default.ms`.
pub fn hashed_sni(resource: &Resource, port: u32, system_namespace: &str) -> String {
    hashed(resource.kind(), &spoken(resource, system_namespace), port, resource.meta().mesh.as_str())
}

fn hashed(kind: Kind, name: &str, port: u32, mesh: &str) -> String {
    let hash = fnv1a(format!("{name};{mesh};").as_bytes());
    let kind = match kind {
        Kind::MeshMultiZoneService => "mzms",
        Kind::MeshExternalService => "mes",
        _ => "ms",
    };
    format!("a{hash:016x}.{}.{port}.{}.{kind}", cut(name), cut(mesh))
}

/// Returns the name of a service in its hashed name, the same for the original and its copies: with its namespace,
/// unless that is the one of control planes.
fn spoken(resource: &Resource, system_namespace: &str) -> String {
    let meta = resource.meta();
    let namespace = meta.labels.get(NAMESPACE_LABEL).filter(|namespace| *namespace != system_namespace);
    let stored = meta.name.as_str();
    let is_renamed = meta.labels.get(DISPLAY_NAME_LABEL).is_some_and(|name| name != stored);
    match namespace {
        Some(namespace) if is_renamed || meta.origin() == Origin::Global => {
            format!("{}.{namespace}", meta.display_name())
        }
        // the stored name of an original has the namespace already
        Some(_) => stored.to_owned(),
        None => meta.display_name().to_owned(),
    }
}

/// Returns the readable name of one port of a real service, which is the section of its identifier:
/// `sni.msvc.default.east.redis.main`.
///
/// # Errors
///
/// A part that is not a DNS label, or a name beyond the DNS limit.
pub fn readable_sni(id: &ResourceId) -> Result<String, NoServerName> {
    let ResourceId { kind, mesh, zone, namespace, name, section } = id;
    let place = match (zone.is_empty(), namespace.is_empty()) {
        (true, _) => vec![],
        (false, true) => vec![zone],
        (false, false) => vec![zone, namespace],
    };
    let labels: Vec<&str> = ["sni", kind.short_name().unwrap_or(kind.as_str()), mesh]
        .into_iter()
        .chain(place.into_iter().map(String::as_str))
        .chain([name.as_str(), section])
        .collect();
    let sni = labels.join(".");
    match labels.into_iter().find(|label| !is_label(label)) {
        Some(label) => Err(NoServerName::Label { label: label.to_owned(), sni }),
        None if sni.len() > NAME => Err(NoServerName::Long { sni, most: NAME }),
        None => Ok(sni),
    }
}

/// Returns `true` if a text, as written, is a label of RFC 1123.
fn is_label(text: &str) -> bool {
    let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=LABEL).contains(&text.len())
        && text.chars().all(inside)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn cut(text: &str) -> String {
    if text.len() <= PART {
        return text.to_owned();
    }
    let end = (0..=PART).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    format!("{}x", &text[..end])
}

/// FNV-1a hash, 64 bits.
fn fnv1a(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use model::Profile;
    use model::draft::{parse_unchecked, read};
    use proptest::prelude::*;

    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        pairs.iter().copied().collect()
    }

    #[test]
    fn server_names_are_those_of_the_reference() {
        assert_eq!(
            of_tags("redis", &tags(&[("version", "v2")]), "default"),
            "redis{mesh=default,version=v2}"
        );
        assert_eq!(of_tags("redis", &tags(&[]), "default"), "redis{mesh=default}");
        let sni = |kind, name, port| hashed(kind, name, port, "default");
        assert_eq!(sni(Kind::MeshService, "redis", 6379), "a25502fde077cd057.redis.6379.default.ms");
        assert_eq!(
            sni(Kind::MeshService, "redis.kuma-demo", 6379),
            "a64067518fe826e27.redis.kuma-demo.6379.default.ms"
        );
        assert_eq!(
            sni(Kind::MeshExternalService, "payments-db", 5432),
            "a45ab571f42e5f226.payments-db.5432.default.mes"
        );
        let long = "a".repeat(63);
        assert!(sni(Kind::MeshService, &long, 1).contains(&format!(".{}x.1.", "a".repeat(62))));
    }

    #[test]
    fn a_tag_set_that_no_client_can_name_is_told() {
        let long = "v".repeat(300);
        let none = of_dialled_tags("redis", &tags(&[("version", &long)]), "default").unwrap_err();
        assert!(none.to_string().contains("at most 255"), "{none}");
    }

    fn service(name: &str, labels: &[(&str, &str)]) -> Resource {
        let mut text = format!("type: MeshService\nmesh: default\nname: {name}\nspec: {{}}\nlabels:\n");
        for (key, value) in labels {
            text.push_str(&format!("  {key}: {value}\n"));
        }
        parse_unchecked(&read("it", &text).0[0], Profile::V2_14).resource.unwrap()
    }

    proptest! {
        /// The sender has a copy, the ingress the original; they must mean the same by one name.
        #[test]
        fn an_original_and_its_copies_have_one_server_name(
            name in "[ab]{1,3}", namespace in "ns|kuma-system", on_kubernetes: bool, port in 1_u32..9,
        ) {
            let (own, zone): (&[_], _) = match on_kubernetes {
                true => (&[(NAMESPACE_LABEL, namespace.as_str())], ("kuma.io/zone", "east")),
                false => (&[], ("kuma.io/zone", "east")),
            };
            let stored = match on_kubernetes {
                true => format!("{name}.{namespace}"),
                false => name.clone(),
            };
            let origin = |origin| ("kuma.io/origin", origin);
            let original = service(&stored, &[own, &[zone, origin("zone")]].concat());
            let named = [own, &[zone, origin("zone"), (DISPLAY_NAME_LABEL, &name)]].concat();
            let copied = [own, &[zone, origin("global"), (DISPLAY_NAME_LABEL, &name)]].concat();
            let said = hashed_sni(&original, port, "kuma-system");
            for other in [
                service(&stored, &named),
                service(&format!("{name}-4x9cv2"), &copied),
                service(&format!("{name}-4x9cv2.kuma-system"), &copied),
            ] {
                prop_assert_eq!(&said, &hashed_sni(&other, port, "kuma-system"));
            }
        }
    }
}
