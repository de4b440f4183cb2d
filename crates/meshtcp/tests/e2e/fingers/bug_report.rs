//! `meshtcp bug-report`.

use std::process::Command;

use serde_json::Value;

use super::Fixture;
use crate::api::ask;

#[test]
fn a_bug_report_has_what_is_needed_and_no_secret() {
    let fixture = Fixture::laid();
    let secret = ask(&fixture.control_plane.api, "GET /global-secrets/admin-user-token").1;
    let secret: Value = serde_json::from_str(&secret).unwrap();
    let token = secret["data"].as_str().unwrap();
    let to = fixture.folder.path().join("report.tar.gz");
    let report = fixture.run(&["bug-report", "--to", to.to_str().unwrap()]);
    assert_eq!(report.code, 0, "{}", report.err);
    let unpacked = Command::new("tar")
        .args(["xzf", to.to_str().unwrap(), "-C"])
        .arg(fixture.folder.path())
        .output()
        .unwrap();
    assert!(unpacked.status.success(), "{unpacked:?}");
    let folder = fixture.folder.path().join("meshtcp-bug-report");
    for file in [
        "about.json",
        "check.json",
        "control-plane/config.json",
        "control-plane/status.json",
        "control-plane/resources.yaml",
    ] {
        assert!(report.out.contains(file) && folder.join(file).exists(), "{file}: {}", report.out);
    }
    let all = Command::new("grep").args(["-r", "", folder.to_str().unwrap()]).output().unwrap();
    let bytes = String::from_utf8_lossy(&all.stdout);
    assert!(
        bytes.contains("name: moves") && !bytes.contains(token),
        "the token of the admin is in the report"
    );
    let again = fixture.run(&["bug-report", "--to", to.to_str().unwrap()]);
    assert!(again.code == 3 && again.err.contains("exists"), "{}", again.err);
}
