//! `meshtcp token`.

use serde_json::Value;

use crate::program::eventually;
use crate::rights;

#[test]
fn tokens_are_made_looked_at_and_taken_back() {
    // a connection from this host is not an admin by that alone: tokens are required
    let control_plane = rights::ControlPlane::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let run = |line: &str| control_plane.command(&line.split(' ').collect::<Vec<_>>());
    let made = |name: &str, line: &str| {
        let (code, token) = run(line);
        assert_eq!(code, 0, "{line}: {token}");
        let file = folder.path().join(name);
        std::fs::write(&file, token).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let does = |line: &str, code: i32, parts: &[&str]| {
        let (ended, said) = run(line);
        assert_eq!(ended, code, "{line}: {said}");
        parts.iter().for_each(|part| assert!(said.contains(part), "{line}: `{part}` is not in\n{said}"));
    };
    let jo = made("jo", "token create user jo --group mesh-system:writer --valid-for 1h");
    does(&format!("token inspect {jo}"), 0, &["user", "jo", "mesh-system:writer", "ends in 59m"]);
    does(&format!("get meshes --token-file {jo}"), 0, &["default"]);
    does(&format!("token revoke {jo}"), 0, &["is revoked"]);
    does(&format!("token revoke {jo}"), 0, &["was revoked already"]);
    does(&format!("get meshes --token-file {jo}"), 1, &["help: the token is not accepted"]);
    // the revoked token and the next one are in one list
    let next = made("next", "token create user jo --valid-for 1h");
    does(&format!("get meshes --token-file {next}"), 0, &["default"]);
    does(&format!("token revoke {next}"), 0, &["is revoked"]);
    does(&format!("get meshes --token-file {jo}"), 1, &[]);
    does(&format!("get meshes --token-file {next}"), 1, &[]);
    does("token create user jo", 2, &["--valid-for"]);
    let zone = made("zone", "token create zone east --scope ingress");
    does(&format!("token inspect {zone}"), 0, &["east", "ingress"]);
    let proxy = made("web-1", "token create dataplane web-1 --tag kuma.io/service=web --valid-for 2s");
    let (_, said) = run(&format!("token inspect {proxy} -o json"));
    let tree: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
    assert_eq!((&tree["mesh"], &tree["tags"]["kuma.io/service"][0]), (&"default".into(), &"web".into()));
    eventually("it ends", || run(&format!("token inspect {proxy}")).0 == 1);
    std::fs::write(folder.path().join("none"), "hello\n").unwrap();
    does(&format!("token inspect {}", folder.path().join("none").display()), 1, &["there is no token in"]);
}
