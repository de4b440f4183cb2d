//! Envoy resources survive encoding and decoding, and errors say where they are.

use meshtcp_dialect::{Problem, decode, encode};
use serde_json::{Value, json};

fn listener() -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": "outbound:127.0.0.1:10001",
        "address": { "socketAddress": { "address": "127.0.0.1", "portValue": 10001 } },
        "filterChains": [{
            "filters": [
                { "name": "envoy.filters.network.kafka_broker", "typedConfig": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network.kafka_broker.v3.KafkaBroker",
                    "statPrefix": "backend" } },
                { "name": "envoy.filters.network.tcp_proxy", "typedConfig": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                    "statPrefix": "backend",
                    "weightedClusters": { "clusters": [
                        { "name": "v1", "weight": 60 },
                        { "name": "v2", "weight": 40, "metadataMatch": { "filterMetadata": {
                            "envoy.lb": { "a": "1", "b": [true, null, 2.5, { "c": "d" }] } } } } ] },
                    "idleTimeout": "3600s",
                    "maxDownstreamConnectionDuration": "1.500s" } }
            ]
        }],
        "metadata": { "filterMetadata": { "io.kuma.tags": { "kuma.io/service": "backend" } } },
        "perConnectionBufferLimitBytes": 32768,
        "trafficDirection": "OUTBOUND",
        "listenerFiltersTimeout": "0s",
        "bindToPort": false
    })
}

fn cluster() -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "name": "backend",
        "type": "EDS",
        "edsClusterConfig": { "edsConfig": { "initialFetchTimeout": "0s", "ads": {}, "resourceApiVersion": "V3" } },
        "connectTimeout": "5s",
        "outlierDetection": { "consecutive5xx": 5, "enforcingConsecutive5xx": 0 },
        "commonLbConfig": { "healthyPanicThreshold": { "value": 12.5 } },
        "typedExtensionProtocolOptions": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicitHttpConfig": { "http2ProtocolOptions": {} }
            }
        },
        "transportSocket": { "name": "envoy.transport_sockets.tls", "typedConfig": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "commonTlsContext": { "alpnProtocols": ["kuma"], "validationContext": {
                "trustedCa": { "inlineBytes": "aGVsbG8/Pg==" },
                "matchTypedSubjectAltNames": [{ "sanType": "URI", "matcher": { "prefix": "spiffe://default/" } }] } },
            "sni": "backend{mesh=default}" } }
    })
}

#[test]
fn a_resource_survives_the_way_to_bytes_and_back() {
    for tree in [listener(), cluster()] {
        let (url, bytes) = encode(&tree).unwrap();
        assert_eq!(decode(&url, &bytes).unwrap(), tree);
    }
}

#[test]
fn the_order_of_members_does_not_change_the_bytes() {
    for tree in [listener(), cluster()] {
        assert_eq!(encode(&tree).unwrap(), encode(&reversed(&tree)).unwrap());
    }
}

fn reversed(tree: &Value) -> Value {
    match tree {
        Value::Object(object) => {
            object.iter().rev().map(|(key, value)| (key.clone(), reversed(value))).collect()
        }
        Value::Array(items) => items.iter().map(reversed).collect(),
        other => other.clone(),
    }
}

#[test]
fn both_spellings_of_a_field_mean_the_same() {
    let camel = json!({ "@type": "x/envoy.config.endpoint.v3.ClusterLoadAssignment", "clusterName": "a" });
    let snake = json!({ "@type": "x/envoy.config.endpoint.v3.ClusterLoadAssignment", "cluster_name": "a" });
    assert_eq!(encode(&camel), encode(&snake));
}

#[test]
fn a_default_is_written_only_where_presence_counts() {
    let bytes = |tree: Value| encode(&tree).unwrap().1;
    // `weight` of a locality is a wrapper, and an explicit 0 is not an absent one; `priority` is a plain number.
    let explicit = json!({ "@type": "x/envoy.config.endpoint.v3.LocalityLbEndpoints",
                           "loadBalancingWeight": 0, "priority": 0 });
    assert_eq!(bytes(explicit), [0x1a, 0x00]);
}

#[test]
fn mistakes_name_their_place() {
    let mut tree = listener();
    tree["filterChains"][0]["filters"][1]["typedConfig"]["statPrefixx"] = json!("typo");
    assert_eq!(
        encode(&tree).unwrap_err().to_string(),
        "filterChains[0].filters[1].typedConfig.statPrefixx: \
         `envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy` has no field `statPrefixx`"
    );

    let mut tree = listener();
    tree["address"]["socketAddress"]["portValue"] = json!(-1);
    assert_eq!(
        encode(&tree).unwrap_err().to_string(),
        "address.socketAddress.portValue: expected an integer (u32), found `-1`"
    );

    let mut tree = cluster();
    tree["connectTimeout"] = json!("5 seconds");
    assert_eq!(
        encode(&tree).unwrap_err().to_string(),
        "connectTimeout: expected a duration in seconds such as `1.5s`, found `\"5 seconds\"`"
    );

    let mut tree = listener();
    tree["filterChains"][0]["filters"][1]["typedConfig"]["cluster"] = json!("also");
    assert!(matches!(encode(&tree).unwrap_err().problem, Problem::OneOf(_)));

    assert!(matches!(encode(&json!({})).unwrap_err().problem, Problem::NoType));
    assert!(matches!(encode(&json!({ "@type": "x/no.Such" })).unwrap_err().problem, Problem::UnknownType(_)));
}

#[test]
fn bytes_of_another_type_do_not_decode() {
    let (url, bytes) = encode(&listener()).unwrap();
    assert!(decode(&url, &bytes[..bytes.len() - 1]).is_err());
    assert!(decode(&xds::TypeUrl::new("x/no.Such"), &bytes).is_err());
}
