//! Servers whose responses a proxy accepts.

#![allow(clippy::unwrap_used, reason = "a step that fails is a failed test")]

use meshtcp_xds::order::{ENVOY_CLUSTER, L4_CLUSTER, L4_LISTENER};
use meshtcp_xds::proto::discovery::{ControlPlane, DeltaDiscoveryResponse};
use meshtcp_xds::recognise;

fn says(identifier: Option<&str>, type_url: &str) -> DeltaDiscoveryResponse {
    DeltaDiscoveryResponse {
        type_url: type_url.into(),
        control_plane: identifier.map(|identifier| ControlPlane { identifier: identifier.into() }),
        ..Default::default()
    }
}

#[test]
fn a_control_plane_of_ours_says_so_whatever_its_release() {
    for identifier in ["meshtcp@127.0.0.1:5678#1234", "meshtcp@[::]:5678#1", "meshtcp@"] {
        assert_eq!(recognise(&says(Some(identifier), L4_LISTENER)).unwrap(), identifier);
    }
}

#[test]
fn whoever_else_answers_is_a_stranger_and_named() {
    let istiod = r#"{"Component":"istiod","ID":"istiod-7"}"#;
    for identifier in ["kuma-cp-85f9-1a2b", "global", "Meshtcp@x", "not meshtcp@x", "meshtcp", istiod] {
        let stranger = recognise(&says(Some(identifier), L4_CLUSTER)).unwrap_err();
        assert!(stranger.to_string().contains(&identifier.escape_debug().to_string()), "{stranger}");
    }
    for nobody in [None, Some("")] {
        let stranger = recognise(&says(nobody, L4_CLUSTER)).unwrap_err();
        assert_eq!(stranger.identifier(), "");
        assert!(stranger.to_string().contains("no `control_plane.identifier`"), "{stranger}");
    }
}

#[test]
fn an_answer_to_what_was_not_asked_is_not_taken() {
    for type_url in [ENVOY_CLUSTER, "", "type.googleapis.com/meshtcp.l4.v2.Cluster"] {
        let stranger = recognise(&says(Some("meshtcp@x"), type_url)).unwrap_err();
        assert!(stranger.to_string().contains(&format!("`{type_url}`")), "{stranger}");
    }
}

#[test]
fn what_a_stranger_says_can_be_printed() {
    let long = "x".repeat(100_000);
    for identifier in ["\u{1b}[31mred\nforged: line", long.as_str()] {
        let words = recognise(&says(Some(identifier), L4_CLUSTER)).unwrap_err().to_string();
        assert!(words.len() < 1000 && !words.chars().any(char::is_control), "{words}");
    }
}
