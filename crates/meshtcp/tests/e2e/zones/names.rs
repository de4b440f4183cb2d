//! Ingress that is advertised by a host name.

use std::process::{Command, Stdio};

use serde_json::json;

use super::places::{Places, client, redis, server};
use crate::capture::{in_a_network, is_in_a_network};
use crate::connection::{reaches, tally};
use crate::identity::neighbours::Sort;
use crate::program::eventually;

#[test]
fn an_ingress_is_dialled_by_name_at_its_smallest_address() {
    in_a_network("zones::names::child_with_a_name");
}

#[test]
#[ignore = "another test runs it, in a network of its own"]
fn child_with_a_name() {
    if !is_in_a_network() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let hosts = folder.path().join("hosts");
    let say = |text: &str| std::fs::write(&hosts, format!("127.0.0.1 localhost\n{text}")).unwrap();
    say("127.0.0.3 gate.test\n127.0.0.2 gate.test\n");
    let mut mount = Command::new("mount");
    mount.arg("--bind").arg(&hosts).arg("/etc/hosts").stdin(Stdio::null());
    assert!(mount.status().unwrap().success());
    for dials in [Sort::Ours, Sort::Envoy] {
        say("127.0.0.3 gate.test\n127.0.0.2 gate.test\n");
        let store = format!("file:{}", folder.path().join(format!("{dials:?}.redb")).display());
        let mut places = Places::on(&store, "2.14", &json!({}));
        places.gate_address = "127.0.0.2";
        places.west.put(&server("default", "redis-w", "west", &[redis("v1")]));
        places.west.attach(Sort::Ours, "redis-w");
        places.open(Sort::Ours);
        places.carry(1);
        let mut named = places.west.get("/zoneingresses/zi-west");
        named["networking"]["advertisedAddress"] = "gate.test".into();
        places.copy(named.clone());
        // a name that does not resolve affects only its own ingress
        named["name"] = "zi-lost".into();
        named["networking"]["advertisedAddress"] = "lost.invalid".into();
        places.copy(named);
        let outbound = json!({ "port": places.outbound, "tags": { "kuma.io/service": "redis" } });
        places.east.put(&client("default", "web-1", &outbound));
        places.east.attach(dials, "web-1");
        eventually("the lost name is told", || {
            let told = places.east.control_plane.program.printed();
            told.contains("lost.invalid") && told.contains("cannot be resolved")
        });
        places.east.delete(&json!({ "type": "ZoneIngress", "name": "zi-lost" }));
        reaches(places.outbound, &["west"]);
        // the name no longer resolves: the ingress keeps its previous address
        say("");
        eventually("that nobody answers is told", || {
            places.east.control_plane.program.printed().contains("which it had before")
        });
        reaches(places.outbound, &["west"]);
        // also after a restart of a control plane that has never resolved another
        places.east.restart_control_plane(&store, "east");
        places.east.is_in_sync("default/web-1");
        let told = places.east.control_plane.program.printed();
        assert!(told.contains("which it had before"), "{told}");
        assert_eq!(tally(places.outbound, 20).get("west"), Some(&20), "{dials:?}");
        // and moves to another address as soon as there is one
        say("127.0.0.1 gate.test\n");
        places.gate_address = "127.0.0.1";
        places.west.kill("ZoneIngress/zi-west");
        places.open(Sort::Ours);
        reaches(places.outbound, &["west"]);
    }
}
