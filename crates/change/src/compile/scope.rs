//! Which proxies are this process's own.

use std::collections::BTreeSet;
use std::net::IpAddr;

use model::{Kind, MeshName, Spec};
use plan::{ProxyId, Snapshot};

/// The kinds of resources that proxies stand by.
const PROXIES: [Kind; 3] = [Kind::Dataplane, Kind::ZoneIngress, Kind::ZoneEgress];

/// Which proxies to plan for.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Only those of this mesh, and no zone proxies; `None`: of every mesh.
    pub mesh: Option<MeshName>,
    /// Which of them.
    pub which: Which,
}

/// Which proxies of the meshes in scope.
#[derive(Clone, Debug)]
pub enum Which {
    /// Every one, wherever it is.
    All,
    /// Those with these names.
    Named(BTreeSet<ProxyId>),
    /// Those that are at an address of this host.
    Here {
        /// The addresses of this host. Loopback addresses are always among them.
        addresses: BTreeSet<IpAddr>,
        /// Those that are ours though their address does not say so.
        named: BTreeSet<ProxyId>,
    },
}

impl Scope {
    /// Every proxy of every mesh.
    pub fn everything() -> Self {
        Self { mesh: None, which: Which::All }
    }

    /// These proxies and no other.
    pub fn only(keys: impl IntoIterator<Item = ProxyId>) -> Self {
        Self { mesh: None, which: Which::Named(keys.into_iter().collect()) }
    }

    /// The proxies of a snapshot that are in scope, by mesh and name.
    pub fn proxies<'a>(&'a self, snapshot: &'a Snapshot) -> impl Iterator<Item = ProxyId> + 'a {
        PROXIES.iter().flat_map(|kind| snapshot.of_kind(*kind)).filter_map(|resource| {
            let proxy = ProxyId::of(&resource.key())?;
            let (address, zone) = match resource.spec() {
                Spec::Dataplane(dataplane) => (&dataplane.address, None),
                Spec::ZoneIngress(ingress) => (&ingress.address, Some(&*ingress.zone)),
                Spec::ZoneEgress(egress) => (&egress.address, Some(&*egress.zone)),
                _ => return None,
            };
            let zone = zone.map(|said| if said.is_empty() { resource.meta().zone() } else { said });
            let is_here = zone.is_none_or(|zone| self.is_of(zone, snapshot));
            (is_here && self.holds(&proxy, address)).then_some(proxy)
        })
    }

    /// The names that no proxy of a snapshot has.
    pub fn unknown<'a>(&'a self, snapshot: &'a Snapshot) -> impl Iterator<Item = &'a ProxyId> + 'a {
        let named = match &self.which {
            Which::All => None,
            Which::Named(named) | Which::Here { named, .. } => Some(named),
        };
        named
            .into_iter()
            .flatten()
            .filter(|proxy| snapshot.named(proxy.kind(), proxy.mesh(), proxy.name().as_str()).is_none())
    }

    /// Whether the zone proxies of a zone are planned here: those of others are only dialled, unless somebody asks for one by
    /// its name.
    fn is_of(&self, zone: &str, snapshot: &Snapshot) -> bool {
        let is_own = zone.is_empty() || snapshot.context().zone.as_deref() == Some(zone);
        is_own || matches!(self.which, Which::Named(_))
    }

    fn holds(&self, key: &ProxyId, address: &str) -> bool {
        self.mesh.as_ref().is_none_or(|mesh| mesh.as_str() == key.mesh())
            && match &self.which {
                Which::All => true,
                Which::Named(named) => named.contains(key),
                Which::Here { addresses, named } => named.contains(key) || is_here(address, addresses),
            }
    }
}

fn is_here(address: &str, addresses: &BTreeSet<IpAddr>) -> bool {
    match address.parse::<IpAddr>() {
        Ok(ip) => ip.is_loopback() || ip.is_unspecified() || addresses.contains(&ip),
        // other names would have to be resolved: they are named instead
        Err(_) => address == "localhost",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here(addresses: &[&str], named: &[&ProxyId]) -> Scope {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let named = named.iter().copied().cloned().collect();
        Scope { mesh: None, which: Which::Here { addresses, named } }
    }

    #[test]
    fn a_proxy_is_ours_by_address_or_by_name_and_in_the_mesh_asked_for() {
        let key = ProxyId::dataplane("default", "web-1");
        let ours = here(&["10.0.0.7"], &[]);
        for address in ["10.0.0.7", "127.0.0.1", "127.9.9.9", "::1", "localhost", "0.0.0.0"] {
            assert!(ours.holds(&key, address), "{address}");
        }
        for elsewhere in ["10.0.0.8", "web.example.com", ""] {
            assert!(!ours.holds(&key, elsewhere), "{elsewhere}");
        }
        let named = here(&[], &[&key]);
        assert!(named.holds(&key, "10.0.0.8"));
        assert!(!named.holds(&ProxyId::dataplane("default", "web-2"), "10.0.0.8"));
        assert!(!Scope::only([key.clone()]).holds(&ProxyId::dataplane("default", "web-2"), "127.0.0.1"));
        let shop = Scope { mesh: Some("shop".into()), ..here(&[], &[]) };
        assert!(!shop.holds(&key, "127.0.0.1"));
    }
}
