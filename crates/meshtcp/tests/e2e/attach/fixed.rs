//! Validation by Envoy itself of everything that is printed for it: every bootstrap, and every example without a
//! control plane.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Layout;
use super::envoy::{Protocol, binary, bootstrap};
use crate::program::meshtcp;

/// Asserts that Envoy accepts a configuration.
fn is_valid(what: &str, config: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    std::fs::write(&file, config).unwrap();
    let output =
        Command::new(binary()).args(["--mode", "validate", "-l", "error", "-c"]).arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {said}\n{}", String::from_utf8_lossy(config));
}

fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut examples: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    examples.sort();
    examples
}

/// Dataplanes of an example.
fn proxies(example: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_to_string(example.join("mesh.yaml"))
        .unwrap()
        .split("\n---\n")
        .filter(|document| document.lines().any(|line| line == "type: Dataplane"))
        .filter_map(|document| {
            document.lines().find_map(|line| line.strip_prefix("name: ")).map(str::to_owned)
        })
        .collect();
    names.sort();
    assert!(!names.is_empty(), "{} has no Dataplane", example.display());
    names
}

#[test]
fn every_bootstrap_is_valid() {
    for protocol in [Protocol::Delta, Protocol::StateOfTheWorld] {
        for control_plane in ["127.0.0.1:5678", "control-plane.example.com:5678", "[::1]:5678"] {
            let what = format!("{protocol:?} from {control_plane}");
            is_valid(&what, &bootstrap("web-1", control_plane, protocol, &[]));
        }
    }
}

#[test]
fn who_needs_certificates_needs_a_control_plane() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/two-zones");
    let arguments = ["plan", example, "--proxy", "web-1", "--as", "envoy"];
    let output = meshtcp(arguments.iter().chain(&["--static"])).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && output.stdout.is_empty(), "{said}");
    assert!(said.contains("Dataplane default/web-1 proves itself with certificates"), "{said}");
    assert!(meshtcp(arguments).output().unwrap().status.success());
}

#[test]
fn every_proxy_of_every_example_is_valid_without_a_control_plane() {
    // a mesh with mTLS has certificates from a control plane only
    let in_plaintext = examples().into_iter().filter(|example| !example.ends_with("two-zones"));
    for example in in_plaintext {
        for proxy in proxies(&example) {
            for layout in [Layout::Endpoints, Layout::Clusters] {
                let example = example.to_str().unwrap();
                let arguments = ["plan", example, "--proxy", &proxy, "--as", "envoy", "--static"];
                let layout = ["--envoy-split", layout.as_str()];
                let output = meshtcp(arguments.iter().chain(&layout)).output().unwrap();
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                is_valid(&format!("{example} {proxy} {layout:?}"), &output.stdout);
            }
        }
    }
}
