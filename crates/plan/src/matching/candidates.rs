//! Candidate policies of a proxy, found by index, so that planning one proxy does not read every policy.

use model::resource::DISPLAY_NAME_LABEL;
use model::{Kind, Resource};

use super::condition::{ALWAYS, LABEL, NAME, TAG};
use crate::view::View;

impl<'a> View<'a> {
    /// Returns the policies of a kind in the proxy's mesh that may select the proxy, in store order.
    pub(crate) fn candidates(&self, kind: Kind) -> Vec<&'a Resource> {
        let mut found: Vec<(u32, &Resource)> = Vec::new();
        let mut look = |key: &str, value: &str| {
            found.extend(self.reader().policies_with(kind, self.mesh_name(), key, value));
        };
        look(ALWAYS.0, ALWAYS.1);
        let meta = self.resource().meta();
        look(NAME, meta.display_name());
        look(&format!("{LABEL}{DISPLAY_NAME_LABEL}"), meta.display_name());
        for (key, value) in meta.labels.iter() {
            look(&format!("{LABEL}{key}"), value);
        }
        let dataplane = self.dataplane();
        let of_inbounds = dataplane.inbound.iter().map(|inbound| inbound.tags.clone());
        let of_gateway = dataplane.gateway.iter().map(|gateway| gateway.tags.clone());
        let of_listeners = self.listeners().map(|(_, listener)| self.merged_listener_tags(listener));
        for tags in of_inbounds.chain(of_gateway).chain(of_listeners) {
            for (key, value) in tags.iter() {
                look(&format!("{TAG}{key}"), value);
            }
        }
        found.sort_unstable_by_key(|(at, _)| *at);
        found.dedup_by_key(|(at, _)| *at);
        found.into_iter().map(|(_, policy)| policy).collect()
    }
}
