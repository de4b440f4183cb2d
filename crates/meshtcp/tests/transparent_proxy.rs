//! Redirection in network namespaces of their own, with the real tools and real sockets. Each scene is a script in
//! `tests/transparent_proxy`; `stage.sh` documents the functions that it may call.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::Command;

fn act(scene: &str) {
    let scenes = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transparent_proxy");
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("timeout");
    command.args(["-k", "5", "120", "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child"]);
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    let ended = command
        .args(["--mount-proc", "bash", "--noprofile", "--norc"])
        .arg(scenes.join("stage.sh"))
        .arg(scenes.join(format!("{scene}.sh")))
        .current_dir(folder.path())
        .env("MESHTCP", env!("CARGO_BIN_EXE_meshtcp"))
        .env("SCENES", &scenes)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stdout) + String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{}\n{said}", ended.status);
}

#[test]
fn installing_and_uninstalling_leaves_everything_as_it_was() {
    act("rules");
}

#[test]
fn connections_are_redirected_but_for_what_is_excluded() {
    act("sockets");
}

#[test]
fn names_of_the_mesh_resolve_and_others_are_asked_for_elsewhere() {
    act("names");
}
