//! Resources of the demo, and the changes of their weights.

/// Names of the backends.
pub(super) const BACKENDS: [&str; 3] = ["v1", "v2", "v3"];

/// Weights at the start, and after each change.
pub(super) const WEIGHTS: [[u32; 3]; 3] = [[80, 20, 0], [50, 30, 20], [10, 30, 60]];

/// Name of the proxy for comparison, whose connections are relayed.
pub(super) const RELAYED: &str = "web-relayed";

/// Dataplanes: a client-side proxy `web`, three versions of `ledger`, and optionally the same proxy once more at
/// another port, with a label that has its connections relayed.
pub(super) fn mesh(outbound: u16, relayed: Option<u16>, backends: [u16; 3]) -> String {
    let mut text = format!(
        "type: Mesh\nname: default\n\
         ---\n\
         type: Dataplane\nmesh: default\nname: web\nnetworking:\n  address: 127.0.0.1\n  inbound:\n    \
         - port: {outbound}\n      tags: {{ kuma.io/service: web }}\n  outbound:\n    \
         - port: {outbound}\n      tags: {{ kuma.io/service: ledger }}\n"
    );
    // nothing connects to `web` itself: its inbound only identifies it, at another loopback address
    text = text.replacen("    - port: ", "    - address: 127.0.0.2\n      port: ", 1);
    if let Some(port) = relayed {
        text.push_str(&format!(
            "---\n\
             type: Dataplane\nmesh: default\nname: {RELAYED}\nlabels: {{ meshtcp.io/data-path: relay }}\nnetworking:\n  \
             address: 127.0.0.1\n  inbound:\n    - address: 127.0.0.2\n      port: {port}\n      tags: {{ kuma.io/service: web }}\n  \
             outbound:\n    - port: {port}\n      tags: {{ kuma.io/service: ledger }}\n"
        ));
    }
    for (name, port) in BACKENDS.into_iter().zip(backends) {
        text.push_str(&format!(
            "---\n\
             type: Dataplane\nmesh: default\nname: ledger-{name}\nnetworking:\n  address: 127.0.0.1\n  inbound:\n    \
             - port: {port}\n      tags: {{ kuma.io/service: ledger, version: {name} }}\n"
        ));
    }
    text
}

/// Route that splits the connections of `web` to `ledger`.
pub(super) fn route(weights: [u32; 3]) -> String {
    let mut text = String::from(
        "type: MeshTCPRoute\nmesh: default\nname: canary\nspec:\n  targetRef: { kind: Mesh }\n  to:\n    \
         - targetRef: { kind: MeshService, name: ledger }\n      rules:\n        - default:\n            \
         backendRefs:\n",
    );
    for (name, weight) in BACKENDS.into_iter().zip(weights) {
        text.push_str(&format!(
            "              - {{ kind: MeshServiceSubset, name: ledger, tags: {{ version: {name} }}, weight: {weight} }}\n"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use change::{Content, Options};

    use super::*;

    #[test]
    fn the_resources_are_good() {
        for text in [mesh(20000, Some(20004), [20001, 20002, 20003]), route(WEIGHTS[0])] {
            let content = Content::read("demo.yaml", text.as_bytes(), &Options::default());
            assert!(
                content.problems.is_empty() && !content.entries.is_empty(),
                "{:?}\n{text}",
                content.problems
            );
        }
    }
}
