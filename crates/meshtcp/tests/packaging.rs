//! Agreement of the packaging with the program: settings, command lines of units, and the image's entry.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};
use std::process::Command;

fn packaging(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging").join(name)
}

/// Runs a command line that cannot start, since its last flag is invalid; that is the only mistake reported.
fn mistakes(arguments: &[&str]) -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_meshtcp"))
        .args(arguments)
        .args(["--drain-time", "never"])
        .env_remove("MESHTCP_ADMIN")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    String::from_utf8(output.stderr).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn the_settings_are_settings_of_the_program() {
    for (command, file, rest) in [
        ("control-plane", "etc/control-plane.yaml", vec![]),
        ("proxy", "etc/proxy.yaml", vec!["--proxy", "web-1", "--state", "/nowhere"]),
    ] {
        let path = packaging(file);
        let arguments = [&[command, "--config", path.to_str().unwrap()], rest.as_slice()].concat();
        let said = mistakes(&arguments);
        assert!(said.len() == 1 && said[0].contains("never"), "{file}: {said:#?}");
    }
}

#[test]
fn the_units_start_the_program_with_flags_that_it_has() {
    for name in ["systemd/meshtcp-control-plane.service", "systemd/meshtcp-proxy@.service"] {
        let text = std::fs::read_to_string(packaging(name)).unwrap();
        let start =
            text.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/meshtcp ")).unwrap();
        let etc = packaging("etc");
        let start = start
            .replace("/etc/meshtcp", etc.to_str().unwrap())
            .replace("%i", "web-1")
            .replace("%S", "/nowhere");
        let said = mistakes(&start.split(' ').collect::<Vec<_>>());
        assert!(said.len() == 1 && said[0].contains("never"), "{name}: {said:#?}");
    }
}

#[test]
fn the_unit_of_capture_installs_and_uninstalls_for_the_user_of_captured_proxies() {
    let unit = std::fs::read_to_string(packaging("systemd/meshtcp-transparent-proxy.service")).unwrap();
    let drop_in =
        std::fs::read_to_string(packaging("systemd/meshtcp-proxy@.service.d/captured.conf")).unwrap();
    let value = |text: &str, key: &str| -> String {
        text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_else(|| panic!("no {key}")).to_owned()
    };
    let flags = value(&std::fs::read_to_string(packaging("etc/transparent-proxy.env")).unwrap(), "FLAGS=");
    let flags = flags.trim_matches('"');
    let user = value(&drop_in, "User=");
    for key in ["ExecStart=", "ExecReload=", "ExecStop="] {
        let line = value(&unit, key);
        let line = line.strip_prefix("/usr/local/bin/meshtcp ").unwrap();
        if key != "ExecStop=" {
            assert!(line.contains(&format!(" --user {user} ")), "{line}");
        }
        // the user does not exist here, so a number replaces its name
        let line = line.replace("$FLAGS", flags).replace(&user, "5678");
        let output = Command::new(env!("CARGO_BIN_EXE_meshtcp"))
            .args(line.split(' '))
            .arg("--dry-run")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {said}");
        assert!(said.contains("delete table inet meshtcp") || said.contains("-X MESHTCP_OUTBOUND"), "{said}");
    }
    assert_eq!(value(&drop_in, "Requires="), "meshtcp-transparent-proxy.service");
    assert_eq!(value(&drop_in, "After="), value(&drop_in, "Requires="));
}

#[test]
fn the_units_give_proxies_time_to_drain() {
    let unit = std::fs::read_to_string(packaging("systemd/meshtcp-proxy@.service")).unwrap();
    let settings = std::fs::read_to_string(packaging("etc/proxy.yaml")).unwrap();
    let seconds = |text: &str, key: &str| -> u32 {
        let value = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        value.trim().trim_end_matches('s').parse().unwrap()
    };
    assert!(seconds(&unit, "TimeoutStopSec=") > seconds(&settings, "drain-time:"));
}

#[test]
fn the_image_holds_the_binary_alone() {
    let text = std::fs::read_to_string(packaging("container/Dockerfile")).unwrap();
    let steps: Vec<&str> =
        text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()).collect();
    assert!(steps.len() <= 6 && steps[0] == "FROM scratch", "{steps:?}");
    assert!(
        steps.iter().any(|step| step.starts_with("USER "))
            && !steps.iter().any(|step| step.starts_with("RUN"))
    );
}
