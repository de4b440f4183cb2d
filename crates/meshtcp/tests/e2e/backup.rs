//! Backup of everything that a control plane has as one text, and restore into another store.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::api::json;
use crate::database::{Database, PASSWORD};
use crate::program::{meshtcp, run};
use crate::store::ControlPlane;

const TOKEN: &str = "/global-secrets/admin-user-token";

fn done(arguments: &[&str]) -> String {
    let (code, out, err) = run(arguments);
    assert_eq!(code, 0, "{arguments:?}: {out}{err}");
    out
}

/// Removes the labels that resources get when put over the API; resources that a control plane creates have none.
fn without_computed_labels(text: &str) -> String {
    let computed = |line: &str| line == "labels:" || line.starts_with("  kuma.io/display-name: ");
    let bare = |document: &str| match document.starts_with("type: GlobalSecret") {
        true => document.split_inclusive('\n').filter(|line| !computed(line.trim_end())).collect(),
        false => document.to_owned(),
    };
    text.split("---\n").map(bare).collect::<Vec<String>>().join("---\n")
}

fn fill(control_plane: &ControlPlane) {
    control_plane.put("/meshes/shop", &json!({ "type": "Mesh", "name": "shop" }));
    for number in 0..3 {
        let name = format!("db-{number}");
        let dataplane = json!({ "type": "Dataplane", "mesh": "shop", "name": name, "labels": { "n": "1", "no": "no" },
            "networking": { "address": "127.0.0.1",
                "inbound": [{ "port": 1 + number, "tags": { "kuma.io/service": "db" } }] } });
        control_plane.put(&format!("/meshes/shop/dataplanes/{name}"), &dataplane);
    }
    control_plane.put(
        "/meshes/shop/secrets/key",
        &json!({ "type": "Secret", "mesh": "shop", "name": "key", "data": "aHVudGVyMw==" }),
    );
}

#[test]
fn a_backup_goes_from_store_to_store_and_stays_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let place = format!("file:{}", path("store.redb"));
    let first = ControlPlane::start(&place, &[]);
    fill(&first);
    let token = json(&first.api, TOKEN)["data"].clone();
    let server = format!("http://{}", first.api);

    // without secrets unless requested
    let open = done(&["backup", "--server", &server]);
    assert!(!open.contains("Secret"), "{open}");
    let (all, all_at) = (done(&["backup", "--server", &server, "--secrets"]), path("all.yaml"));
    assert!(all.contains("aHVudGVyMw==") && all.contains("admin-user-token"), "{all}");
    done(&["backup", "--server", &server, "--secrets", "--to", &all_at]);
    assert_eq!(std::fs::read_to_string(&all_at).unwrap(), all);
    assert_eq!(std::fs::metadata(&all_at).unwrap().permissions().mode() & 0o077, 0, "secrets are in it");

    // a store in use is read over the API of its control plane
    let (code, _, why) = run(&["backup", "--store", &place]);
    assert_eq!(code, 3);
    assert!(why.contains("leave --store away"), "{why}");
    drop(first);
    // a control plane named by the environment is not the one meant
    let named =
        meshtcp(["backup", "--store", &place, "--secrets"]).env("MESHTCP_SERVER", &server).output().unwrap();
    assert_eq!(String::from_utf8(named.stdout).unwrap(), all);
    assert_eq!(done(&["backup", "--store", &place, "--secrets"]), all);

    // into a database and back; then into a folder
    let database = Database::start();
    let said = done(&["restore", &all_at, "--store", &database.store()]);
    assert!(said.contains(" 0 changed, 0 as they were"), "{said}");
    assert_eq!(done(&["backup", "--store", &database.store(), "--secrets"]), all);
    let (code, _, why) = run(&["restore", &all_at, "--store", &database.store()]);
    assert_eq!(code, 1);
    assert!(why.contains("are there already") && !why.contains(PASSWORD), "{why}");
    let said = done(&["restore", &all_at, "--store", &database.store(), "--overwrite"]);
    assert!(said.contains(" 0 new, 0 changed"), "{said}");
    let plain = format!("folder:{}", path("plain"));
    done(&["restore", &all_at, "--store", &plain]);
    assert_eq!(done(&["backup", "--store", &plain, "--secrets"]), all);

    // the restored one serves the same, and existing tokens stay valid
    let second = ControlPlane::start(&database.store(), &[]);
    assert_eq!(json(&second.api, TOKEN)["data"], token);
    assert_eq!(done(&["backup", "--server", &format!("http://{}", second.api), "--secrets"]), all);
}

#[test]
fn a_backup_is_restored_over_the_api_of_a_new_control_plane() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("backup.yaml").display().to_string();
    let first = ControlPlane::start("memory", &[]);
    fill(&first);
    done(&["backup", "--server", &format!("http://{}", first.api), "--secrets", "--to", &at]);
    let second = ControlPlane::start("memory", &[]);
    let server = format!("http://{}", second.api);
    done(&["restore", &at, "--server", &server]);
    let restored = done(&["backup", "--server", &server, "--secrets"]);
    assert_eq!(
        without_computed_labels(&restored),
        without_computed_labels(&std::fs::read_to_string(&at).unwrap())
    );
    let data = |it: &ControlPlane| json(&it.api, TOKEN)["data"].clone();
    assert_eq!(data(&second), data(&first));

    // existing resources are not overwritten unless requested; resources that are not in the backup stay
    second.put("/meshes/more", &json!({ "type": "Mesh", "name": "more" }));
    let (code, _, why) = run(&["restore", &at, "--server", &server]);
    assert_eq!(code, 1);
    assert!(why.contains("nothing was restored"), "{why}");
    done(&["restore", &at, "--server", &server, "--overwrite"]);
    assert_ne!(json(&second.api, "/meshes/more"), Value::Null);
    // half a backup is refused
    let text = std::fs::read_to_string(&at).unwrap();
    std::fs::write(&at, &text[..text.len() / 2]).unwrap();
    let (code, _, why) = run(&["restore", &at, "--server", &server, "--overwrite"]);
    assert_eq!(code, 1);
    assert!(why.contains("cut off"), "{why}");
}

#[test]
fn what_cannot_be_put_back_is_told_and_the_rest_is() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("backup.yaml").display().to_string();
    let first = ControlPlane::start("memory", &["--zone", "east"]);
    fill(&first);
    done(&["backup", "--server", &format!("http://{}", first.api), "--to", &at]);
    let text = std::fs::read_to_string(&at).unwrap();
    // a resource edited by hand into an invalid one, ahead of valid ones
    let broken = text.replacen("port: 1\n", "port: 0\n", 1);
    assert_ne!(broken, text);
    std::fs::write(&at, broken).unwrap();
    let second = ControlPlane::start("memory", &["--zone", "east"]);
    let (code, _, why) = run(&["restore", &at, "--server", &format!("http://{}", second.api)]);
    assert_eq!(code, 1);
    assert!(
        why.contains("error: Dataplane shop/db-0 was not restored: ") && why.contains("port must be in"),
        "{why}"
    );
    assert!(why.contains("7 of 8 resources were restored"), "{why}");
    assert_ne!(json(&second.api, "/meshes/shop/dataplanes/db-2"), Value::Null);
}
