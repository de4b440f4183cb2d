//! Which proxies are this process's own.

use std::collections::BTreeSet;
use std::net::IpAddr;

use model::topology::Dataplane;
use model::{MeshName, ProxyKey, Spec};
use plan::Snapshot;

/// Which proxies to plan for.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Only those of this mesh; `None`: of every mesh.
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
    Named(BTreeSet<ProxyKey>),
    /// Those whose dataplane is at an address of this host.
    Here {
        /// The addresses of this host. Loopback addresses are always among them.
        addresses: BTreeSet<IpAddr>,
        /// Those that are ours though their address does not say so.
        named: BTreeSet<ProxyKey>,
    },
}

impl Scope {
    /// Every proxy of every mesh.
    pub fn everything() -> Self {
        Self { mesh: None, which: Which::All }
    }

    /// These proxies and no other.
    pub fn only(keys: impl IntoIterator<Item = ProxyKey>) -> Self {
        Self { mesh: None, which: Which::Named(keys.into_iter().collect()) }
    }

    /// The proxies of a snapshot that are in scope, by mesh and name.
    pub fn proxies<'a>(&'a self, snapshot: &'a Snapshot) -> impl Iterator<Item = ProxyKey> + 'a {
        snapshot.of_kind(model::Kind::Dataplane).iter().filter_map(|resource| {
            let Spec::Dataplane(dataplane) = resource.spec() else { return None };
            let key = ProxyKey { mesh: resource.meta().mesh.clone(), name: resource.meta().name.clone() };
            self.holds(&key, dataplane).then_some(key)
        })
    }

    /// The names that no proxy of a snapshot has.
    pub fn unknown<'a>(&'a self, snapshot: &'a Snapshot) -> impl Iterator<Item = &'a ProxyKey> + 'a {
        let named = match &self.which {
            Which::All => None,
            Which::Named(named) | Which::Here { named, .. } => Some(named),
        };
        named.into_iter().flatten().filter(|key| {
            snapshot.named(model::Kind::Dataplane, key.mesh.as_str(), key.name.as_str()).is_none()
        })
    }

    fn holds(&self, key: &ProxyKey, dataplane: &Dataplane) -> bool {
        self.mesh.as_ref().is_none_or(|mesh| *mesh == key.mesh)
            && match &self.which {
                Which::All => true,
                Which::Named(named) => named.contains(key),
                Which::Here { addresses, named } => {
                    named.contains(key) || is_here(&dataplane.address, addresses)
                }
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

    fn at(address: &str) -> Dataplane {
        Dataplane { address: address.into(), ..Dataplane::default() }
    }

    fn here(addresses: &[&str], named: &[&ProxyKey]) -> Scope {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let named = named.iter().copied().cloned().collect();
        Scope { mesh: None, which: Which::Here { addresses, named } }
    }

    #[test]
    fn a_proxy_is_ours_by_address_or_by_name_and_in_the_mesh_asked_for() {
        let key = ProxyKey::new("default", "web-1");
        let ours = here(&["10.0.0.7"], &[]);
        for address in ["10.0.0.7", "127.0.0.1", "127.9.9.9", "::1", "localhost", "0.0.0.0"] {
            assert!(ours.holds(&key, &at(address)), "{address}");
        }
        for elsewhere in ["10.0.0.8", "web.example.com", ""] {
            assert!(!ours.holds(&key, &at(elsewhere)), "{elsewhere}");
        }
        let named = here(&[], &[&key]);
        assert!(named.holds(&key, &at("10.0.0.8")));
        assert!(!named.holds(&ProxyKey::new("default", "web-2"), &at("10.0.0.8")));
        assert!(!Scope::only([key.clone()]).holds(&ProxyKey::new("default", "web-2"), &at("127.0.0.1")));
        let shop = Scope { mesh: Some("shop".into()), ..here(&[], &[]) };
        assert!(!shop.holds(&key, &at("127.0.0.1")));
    }
}
