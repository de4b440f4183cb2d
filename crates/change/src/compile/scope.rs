//! Scope of a process: the proxies that are its own.

use std::collections::BTreeSet;
use std::net::IpAddr;

use model::{MeshName, Spec};
use plan::{ProxyId, Snapshot};

/// Scope: the proxies to plan for.
#[derive(Clone, Debug)]
pub struct PlanScope {
    /// Mesh of the proxies, without zone proxies; `None`: every mesh.
    pub mesh: Option<MeshName>,
    /// Selection among them.
    pub which: ProxySelection,
}

/// Selection among the proxies of the meshes in scope.
#[derive(Clone, Debug)]
pub enum ProxySelection {
    /// All proxies, on any host.
    All,
    /// Proxies with these names.
    Named(BTreeSet<ProxyId>),
    /// Proxies with an address of this host.
    Here {
        /// Addresses of this host. Loopback addresses are always included.
        addresses: BTreeSet<IpAddr>,
        /// Further proxies of this host, whose address does not show it.
        named: BTreeSet<ProxyId>,
    },
}

impl PlanScope {
    /// Every proxy of every mesh.
    pub fn everything() -> Self {
        Self { mesh: None, which: ProxySelection::All }
    }

    /// Only these proxies.
    pub fn only(keys: impl IntoIterator<Item = ProxyId>) -> Self {
        Self { mesh: None, which: ProxySelection::Named(keys.into_iter().collect()) }
    }

    /// Proxies of a snapshot that are in scope: of Dataplanes by mesh and name, then of the zone.
    pub fn proxies<'a>(&'a self, snapshot: &'a Snapshot) -> impl Iterator<Item = ProxyId> + 'a {
        let dataplanes = snapshot.proxies().map(ProxyId::from);
        dataplanes.chain(snapshot.zone_proxies()).filter(|proxy| {
            let found = snapshot.named(proxy.kind(), proxy.mesh(), proxy.name().as_str());
            found.is_some_and(|found| match found.spec() {
                Spec::Dataplane(dataplane) => self.holds(proxy, &dataplane.address),
                Spec::ZoneIngress(ingress) => self.holds(proxy, &ingress.address),
                Spec::ZoneEgress(egress) => self.holds(proxy, &egress.address),
                _ => false,
            })
        })
    }

    /// Names in the scope that no proxy of a snapshot has.
    pub fn unknown<'a>(&'a self, snapshot: &'a Snapshot) -> impl Iterator<Item = &'a ProxyId> + 'a {
        let named = match &self.which {
            ProxySelection::All => None,
            ProxySelection::Named(named) | ProxySelection::Here { named, .. } => Some(named),
        };
        named
            .into_iter()
            .flatten()
            .filter(|proxy| snapshot.named(proxy.kind(), proxy.mesh(), proxy.name().as_str()).is_none())
    }

    fn holds(&self, key: &ProxyId, address: &str) -> bool {
        self.mesh.as_ref().is_none_or(|mesh| mesh.as_str() == key.mesh())
            && match &self.which {
                ProxySelection::All => true,
                ProxySelection::Named(named) => named.contains(key),
                ProxySelection::Here { addresses, named } => {
                    named.contains(key) || is_here(address, addresses)
                }
            }
    }
}

fn is_here(address: &str, addresses: &BTreeSet<IpAddr>) -> bool {
    match address.parse::<IpAddr>() {
        Ok(ip) => ip.is_loopback() || ip.is_unspecified() || addresses.contains(&ip),
        // other host names would have to be resolved: such proxies are named instead
        Err(_) => address == "localhost",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here(addresses: &[&str], named: &[&ProxyId]) -> PlanScope {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let named = named.iter().copied().cloned().collect();
        PlanScope { mesh: None, which: ProxySelection::Here { addresses, named } }
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
        assert!(!PlanScope::only([key.clone()]).holds(&ProxyId::dataplane("default", "web-2"), "127.0.0.1"));
        let shop = PlanScope { mesh: Some("shop".into()), ..here(&[], &[]) };
        assert!(!shop.holds(&key, "127.0.0.1"));
    }
}
