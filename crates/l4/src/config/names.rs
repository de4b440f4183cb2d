//! Host names of the mesh, for the DNS server beside a proxy.

use std::collections::BTreeMap;
use std::net::IpAddr;

use xds::proto::l4;

/// Host names by which the proxies of this process dial services.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostNames(BTreeMap<String, Vec<IpAddr>>);

impl HostNames {
    /// Addresses of a name, sorted; `None`: unknown name. `name` is in lower case, without a trailing dot.
    pub fn addresses(&self, name: &str) -> Option<&[IpAddr]> {
        self.0.get(name).map(Vec::as_slice)
    }

    /// Returns `true` if a name is a parent domain of one of these, as `mesh.local` is of `redis.mesh.local`.
    pub fn is_above_some(&self, name: &str) -> bool {
        self.0.keys().any(|known| known.strip_suffix(name).is_some_and(|left| left.ends_with('.')))
    }

    /// Number of names.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns `true` if there are no names.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the names of one more proxy. Text that is not an address is left out, as it would be where it is dialled.
    pub(super) fn add(&mut self, l4::Names { names }: l4::Names) {
        for l4::HostName { name, addresses } in names {
            let known = self.0.entry(name.to_ascii_lowercase()).or_default();
            known.extend(addresses.iter().filter_map(|address| address.parse::<IpAddr>().ok()));
            known.sort_unstable();
            known.dedup();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_several_proxies_are_one_table() {
        let message = |name: &str, address: &str| l4::Names {
            names: vec![l4::HostName {
                name: name.into(),
                addresses: vec![address.into(), "nonsense".into()],
            }],
        };
        let mut names = HostNames::default();
        names.add(message("Redis.mesh.local", "241.0.0.2"));
        names.add(message("redis.mesh.local", "241.0.0.1"));
        let both: Vec<IpAddr> = vec!["241.0.0.1".parse().unwrap(), "241.0.0.2".parse().unwrap()];
        assert_eq!(names.addresses("redis.mesh.local"), Some(&both[..]));
        assert!(names.is_above_some("mesh.local") && names.is_above_some("local"));
        assert!(!names.is_above_some("redis.mesh.local") && !names.is_above_some("esh.local"));
    }
}
