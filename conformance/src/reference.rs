//! What the reference produces for TCP routes alone, read from a plan: as if there were no other policy.

use std::collections::BTreeMap;
use std::sync::Arc;

use dialect::envoy::{self, EnvoyOptions, EnvoyResources};
use plan::{
    Cluster, ClusterSettings, ConnectionSettings, Direction, Listener, ListenerTls, Owner, Plan, Route,
    SplitSettings,
};
use serde_json::{Map, Value, json};

/// What Envoy would be told by MeshTCPRoute and nothing else.
pub(crate) fn lower(plan: Plan, options: &EnvoyOptions) -> EnvoyResources {
    let plan = of_tcp_routes(plan);
    let mut resources = envoy::lower(&plan, options);
    // limits are another module's, also where it is asked for none
    for tree in resources.clusters.values_mut().filter_map(Value::as_object_mut) {
        tree.shift_remove("circuitBreakers");
    }
    for listener in &plan.listeners {
        if let Some(tree) = resources.listeners.get_mut(&listener.name) {
            count_kafka(listener, tree);
            inspect_plaintext(listener, tree);
        }
    }
    resources
}

/// The listeners that TCP routes produce (spec 04 §4), and nothing that other policies or labels say about them.
fn of_tcp_routes(plan: Plan) -> Plan {
    let Plan { proxy, profile, mtls, listeners, redirected: _, clusters, names: _, routes, warnings } = plan;
    let bare = |cluster: &Cluster| Cluster {
        connect_timeout: None,
        settings: ClusterSettings::default(),
        ..cluster.clone()
    };
    Plan {
        listeners: listeners
            .iter()
            .filter(|listener| is_made(listener))
            .map(|it| Arc::new(bared(it)))
            .collect(),
        redirected: None,
        clusters: clusters.into_iter().map(|(name, cluster)| (name, Arc::new(bare(&cluster)))).collect(),
        proxy,
        profile,
        mtls,
        names: BTreeMap::new(),
        routes,
        warnings,
    }
}

fn is_made(listener: &Listener) -> bool {
    match &listener.direction {
        Direction::Inbound => false,
        Direction::Outbound(_) => {
            let by_tcp = |route: &Route| matches!(route.owner, Owner::TcpRoute(_) | Owner::Default);
            listener.routes().all(by_tcp) && !listener.naming.omitted
        }
        Direction::Gateway | Direction::Zone => true,
    }
}

fn bared(listener: &Listener) -> Listener {
    let mut bared = Listener { settings: ConnectionSettings::default(), ..listener.clone() };
    for (_, route) in &mut bared.routes {
        route.settings = SplitSettings::default();
    }
    bared
}

/// The reference counts Kafka requests even where no filter comes behind, which Envoy rejects (spec 04 §6).
fn count_kafka(listener: &Listener, tree: &mut Value) {
    let chain = &mut tree["filterChains"][0];
    if !listener.naming.counts_kafka || chain.get("filters").is_some() {
        return;
    }
    let keep = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' };
    let config = json!({
        "statPrefix": listener.service.chars().map(keep).collect::<String>(),
        "@type": "type.googleapis.com/envoy.extensions.filters.network.kafka_broker.v3.KafkaBroker",
    });
    *chain = json!({ "filters": [{ "name": "envoy.filters.network.kafka_broker", "typedConfig": config }] });
}

/// The reference looks for TLS at gateways that take plain TCP, too. We do not: it waits for the client's first bytes, and
/// so for ever where the server speaks first, as databases do.
fn inspect_plaintext(listener: &Listener, tree: &mut Value) {
    if listener.direction != Direction::Gateway || listener.accepts != ListenerTls::Plaintext {
        return;
    }
    let inspector = json!({
        "name": "envoy.filters.listener.tls_inspector",
        "typedConfig": {
            "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
        },
    });
    let mut members = Map::new();
    for (key, value) in tree.as_object().into_iter().flatten() {
        if key == "filterChains" {
            members.insert("listenerFilters".to_owned(), json!([inspector]));
        }
        members.insert(key.clone(), value.clone());
    }
    *tree = Value::Object(members);
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use dialect::envoy::SplitLayout;
    use model::draft::{parse_unchecked, read};
    use model::{Profile, Resource};
    use plan::{Context, Snapshot, plan};

    use super::*;

    /// Each folder of `cases/routing` has what the reference would produce for the clients in it.
    #[test]
    fn what_the_reference_produces_in_each_case() {
        insta::glob!("../../cases/routing", "*/resources.yaml", |path| {
            let mut settings = insta::Settings::clone_current();
            settings.set_snapshot_path(path.parent().unwrap());
            settings.set_prepend_module_to_snapshot(false);
            settings.set_snapshot_suffix("");
            settings.set_omit_expression(true);
            settings.remove_input_file();
            settings.remove_info();
            let told = told(&std::fs::read_to_string(path).unwrap());
            settings.bind(|| insta::assert_snapshot!("envoy-reference", told));
        });
    }

    fn told(text: &str) -> String {
        let (documents, problems) = read("resources.yaml", text);
        assert_eq!(problems, [], "the resources can be read");
        let parsed =
            documents.iter().filter_map(|document| parse_unchecked(document, Profile::V2_14).resource);
        let snapshot = Snapshot::new(parsed.collect::<Vec<Resource>>(), Context::new(Profile::V2_14));
        let options = EnvoyOptions { split: SplitLayout::Clusters, ..EnvoyOptions::default() };
        let mut told = String::new();
        for proxy in snapshot.proxies() {
            let plan = plan(&snapshot, &proxy.into()).unwrap();
            let has_inbounds = plan.listeners.iter().any(|it| it.direction == Direction::Inbound);
            if has_inbounds && plan.proxy.service != "web" {
                continue;
            }
            let resources = lower(plan, &options);
            assert!(resources.to_resource_set().is_ok(), "every tree fits its message");
            let EnvoyResources { listeners, clusters, endpoints, notes } = resources;
            assert_eq!(notes, [], "everything can be said as the reference says it");
            for (sort, resources) in
                [("listener", listeners), ("cluster", clusters), ("endpoints", endpoints)]
            {
                for (name, tree) in resources {
                    writeln!(told, "{sort} {name}: {tree}").unwrap();
                }
            }
        }
        told
    }
}
