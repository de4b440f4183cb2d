//! Names as flag values: an invalid name is an error of the command line.

use std::str::FromStr;

use model::Kind;
use model::name::given::{self, InvalidName};
use plan::ProxyId;

/// Proxy as written on the command line: `MESH/NAME`, `NAME` in the default mesh, `ZoneIngress/NAME` or
/// `ZoneEgress/NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WrittenProxy {
    key: ProxyId,
    says_mesh: bool,
}

impl FromStr for WrittenProxy {
    type Err = <ProxyId as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self { key: text.parse()?, says_mesh: text.contains('/') })
    }
}

impl WrittenProxy {
    /// Id of the proxy where `mesh` is the default.
    pub(crate) fn in_mesh(self, mesh: &str) -> ProxyId {
        let Self { key, says_mesh } = self;
        if says_mesh { key } else { ProxyId::dataplane(mesh, key.name().clone()) }
    }
}

/// The proxy that a process stands for.
#[derive(Debug, clap::Args)]
pub(crate) struct StandsFor {
    /// The proxy, which is the Dataplane that this process stands for: NAME (of mesh `default`) or MESH/NAME; with
    /// --proxy-type the NAME of a ZoneIngress or a ZoneEgress
    #[arg(long, visible_alias = "name", value_name = "NAME")]
    proxy: WrittenProxy,
    /// What sort of proxy it is
    #[arg(long, value_enum, default_value_t, value_name = "TYPE")]
    proxy_type: ProxyType,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum ProxyType {
    /// That of a Dataplane: beside an application, or a gateway
    #[default]
    Dataplane,
    /// The ingress of a zone
    Ingress,
    /// The egress of a zone
    Egress,
}

impl StandsFor {
    /// Id of the proxy.
    ///
    /// # Errors
    /// Reason in words: the name does not fit the type of proxy.
    pub(crate) fn proxy(self) -> Result<ProxyId, String> {
        let Self { proxy, proxy_type } = self;
        let kind = match proxy_type {
            ProxyType::Dataplane => return Ok(proxy.in_mesh("default")),
            ProxyType::Ingress => Kind::ZoneIngress,
            ProxyType::Egress => Kind::ZoneEgress,
        };
        let key = proxy.key;
        let named = if proxy.says_mesh {
            (key.kind() == kind).then_some(key)
        } else {
            ProxyId::of_kind(kind, "", key.name().as_str())
        };
        named.ok_or_else(|| format!("--proxy: a {kind} is of no mesh: write its name alone"))
    }
}

/// Parses the name of a zone.
pub(crate) fn zone(text: &str) -> Result<String, InvalidName> {
    given::zone(text).map(str::to_owned)
}

/// Parses the name of a mesh.
pub(crate) fn mesh(text: &str) -> Result<String, InvalidName> {
    given::mesh(text).map(str::to_owned)
}

/// Parses the name of a set, which is the value of a label.
pub(crate) fn set(text: &str) -> Result<String, String> {
    match !text.is_empty() && model::draft::is_label_value(text) {
        true => Ok(text.to_owned()),
        false => Err("a set is named as a label's value: at most 63 letters, digits and any of -_., a letter or digit at both ends".to_owned()),
    }
}

/// Parses the name of a new context, which is typed on command lines and printed in tables.
pub(crate) fn context(text: &str) -> Result<String, String> {
    let is_known = |c: char| c.is_alphanumeric() || "-_.:@/+".contains(c);
    if (1..=253).contains(&text.len()) && !text.starts_with('-') && text.chars().all(is_known) {
        return Ok(text.to_owned());
    }
    Err("a context is named by at most 253 letters, digits and any of -_.:@/+, and not with `-` first"
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_stands_for_a_proxy_of_the_sort_that_it_says() {
        let of = |proxy: &str, proxy_type| StandsFor { proxy: proxy.parse().unwrap(), proxy_type }.proxy();
        assert_eq!(of("web-1", ProxyType::Dataplane), Ok(ProxyId::dataplane("default", "web-1")));
        assert_eq!(of("shop/web-1", ProxyType::Dataplane), Ok(ProxyId::dataplane("shop", "web-1")));
        for named in ["zi-1", "ZoneIngress/zi-1"] {
            assert_eq!(of(named, ProxyType::Ingress), Ok(ProxyId::ZoneIngress("zi-1".into())));
        }
        assert!(of("shop/zi-1", ProxyType::Ingress).is_err());
    }

    #[test]
    fn a_context_is_named_so_that_it_can_be_typed_and_printed() {
        for name in ["prod", "eu-1", "kubernetes@admin", "Prod_2"] {
            assert_eq!(context(name).as_deref(), Ok(name));
        }
        for text in ["", "a b", "a\nb", "\x1b[31m", "--server", &"c".repeat(254)] {
            assert!(context(text).is_err(), "{text}");
        }
    }
}
