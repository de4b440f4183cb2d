//! TLS versions that a MeshTLS allows.

use serde_json::json;

use super::neighbours::{Neighbours, Sort, mesh};
use super::stranger::dials;

#[test]
fn versions_are_those_of_the_policy() {
    for server in [Sort::Ours, Sort::Envoy] {
        let neighbours = Neighbours::open(Sort::Ours, server, &mesh("STRICT", "1d"));
        let authority = neighbours.authority();
        let web = authority.signs("web", &["spiffe://default/web"], 1);
        let heard = dials(neighbours.inbound, Some(&web), &["-tls1_2"]);
        assert!(heard.is_served(), "{server:?}: {heard:?}\n{}", neighbours.logs());
        neighbours.put(
            "/meshes/default/meshtlses/newest",
            &json!({ "type": "MeshTLS", "mesh": "default", "name": "newest", "spec": {
                "targetRef": { "kind": "Mesh" },
                "rules": [{ "default": { "tlsVersion": { "min": "TLS13", "max": "TLS13" } } }],
            } }),
        );
        crate::program::eventually("the older version is refused", || {
            dials(neighbours.inbound, Some(&web), &["-tls1_2"]).text.is_empty()
        });
        assert!(dials(neighbours.inbound, Some(&web), &["-tls1_3"]).is_served());
        neighbours.dial().expect("neighbours speak the newest").echo();
    }
}
