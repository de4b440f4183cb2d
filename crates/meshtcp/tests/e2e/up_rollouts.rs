//! Rollouts in files: `meshtcp up` runs them, and writes to none of the files.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;

use rustix::process::Signal;

use crate::api::ask;
use crate::backend::{free_ports, serve};
use crate::connection::{assert_split, reaches, tally};
use crate::program::{Up, eventually, meshtcp};
use crate::town::Town;

const REF: &str = "kind: MeshServiceSubset, name: redis, tags: {version: ";

fn rollout(steps: &str, more: &str) -> String {
    format!(
        "type: MeshTCPRollout\nmesh: default\nname: canary\nspec:\n  targetRef: {{kind: MeshTCPRoute, name: canary}}\n  from: {{{REF}v1}}}}\n  \
         to: {{{REF}v2}}}}\n  steps: [{steps}]\n{more}"
    )
}

/// Town with a route to the first version, and a folder for states.
struct Stage {
    town: Town,
    states: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let stage = Self { town: Town::new(), states: tempfile::tempdir().unwrap() };
        stage.town.route(&[("v1", 1), ("v2", 0)]);
        stage
    }

    fn up(&self) -> Up {
        let state = self.states.path().join("rollouts");
        let up = Up::start(&[&self.town.path(), "--state", state.to_str().unwrap()]);
        up.is_ready();
        up
    }

    /// Content of the folder that users edit.
    fn files(&self) -> BTreeMap<String, String> {
        let entries = std::fs::read_dir(Path::new(&self.town.path())).unwrap().map(|entry| entry.unwrap());
        entries
            .map(|entry| {
                let text = std::fs::read_to_string(entry.path()).unwrap();
                (entry.file_name().to_string_lossy().into_owned(), text)
            })
            .collect()
    }
}

/// Runs `meshtcp rollout` against the admin server of an `up`.
fn command(up: &Up, arguments: &[&str]) -> (i32, String) {
    let server = format!("http://{}", up.admin);
    let all = [&["rollout"], arguments, &["--server", server.as_str()]].concat();
    let Output { status, stdout, stderr } = meshtcp(all).output().unwrap();
    let text = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (status.code().unwrap(), text)
}

#[test]
fn up_runs_the_rollouts_of_its_files_and_goes_on_after_it_was_killed() {
    let stage = Stage::new();
    serve(stage.town.applications[0], "v1");
    serve(stage.town.applications[1], "v2");
    let up = stage.up();
    stage.town.save(
        "rollout.yaml",
        &rollout("{weight: 20, duration: 1h}, {weight: 100, duration: 0s}", "  minSamples: 0\n"),
    );
    let files = stage.files();
    reaches(stage.town.outbound, &["v1", "v2"]);
    assert_split(&tally(stage.town.outbound, 500), &[("v1", 80.0), ("v2", 20.0)]);
    let (code, text) = command(&up, &["status", "canary"]);
    assert!(code == 0 && text.contains("Progressing, step 1 of 2, 20 % to redis,version=v2"), "{text}");
    let (code, text) = command(&up, &["status"]);
    assert!(code == 0 && text.contains("MeshTCPRollout default/canary: Progressing"), "{text}");
    let (code, text) = command(&up, &["pause", "canary"]);
    assert!(code == 0 && text.contains("Paused, step 1 of 2"), "{text}");

    // over the network access is read-only
    let path = "PUT /meshes/default/meshtcprollouts/canary";
    let asked = r#"{"status":{"asked":{"to":"promote","id":"1"}}}"#;
    let headers = "Host: localhost\r\nContent-Type: application/json";
    let (code, text) = ask(&up.admin, &format!("{path} {asked}\n{headers}"));
    assert!(code == 403 && text.contains("only the user of this process"), "{code} {text}");
    let (code, text) = command(&up, &["pause", "nobody"]);
    assert!(code == 1 && text.contains("MeshTCPRollout default/nobody"), "{text}");
    let (code, text) = command(&up, &["start", "canary", "--to", "redis"]);
    assert!(code == 1 && text.contains("write it into one of them"), "{text}");

    up.program.signal(Signal::KILL);
    drop(up);
    let up = stage.up();
    let (code, text) = command(&up, &["status", "canary"]);
    assert!(code == 0 && text.contains("Paused, step 1 of 2, 20 %"), "{text}");
    assert_split(&tally(stage.town.outbound, 500), &[("v1", 80.0), ("v2", 20.0)]);
    let (code, text) = command(&up, &["promote", "canary"]);
    assert!(code == 0 && text.contains("Finished, step 2 of 2, 100 %"), "{text}");
    reaches(stage.town.outbound, &["v2"]);
    assert_eq!(stage.files(), files, "no file was written");
    let (_, page) = up.ask("/meshes/default/meshtcprollouts");
    assert!(page.contains("promoted by hand"), "{page}");

    // removing the rollout removes its state
    stage.town.remove("rollout.yaml");
    reaches(stage.town.outbound, &["v1"]);
    let state = stage.states.path().join("rollouts");
    eventually("nothing is kept of it", || {
        std::fs::read_to_string(&state).is_ok_and(|text| !text.contains("canary"))
    });
}

#[test]
fn up_rolls_back_what_cannot_be_reached() {
    let stage = Stage::new();
    serve(stage.town.applications[0], "v1");
    let [nobody] = free_ports();
    stage.town.save(
        "outside.yaml",
        &format!(
            "type: ExternalService\nmesh: default\nname: outside\ntags: {{kuma.io/service: outside, kuma.io/protocol: tcp}}\n\
             networking: {{address: '127.0.0.1:{nobody}'}}\n"
        ),
    );
    let up = stage.up();
    stage.town.save(
        "rollout.yaml",
        &rollout("{weight: 50, duration: 1h}, {weight: 100}", "  minSamples: 20\n")
            .replace(&format!("{{{REF}v2}}}}"), "{kind: MeshService, name: outside}"),
    );
    let mut phase = String::new();
    eventually("it has begun", || command(&up, &["status", "canary"]).1.contains("Progressing"));
    eventually("it is aborted", || {
        let (code, text) = command(&up, &["status", "canary"]);
        assert_eq!(code, 0, "{text}");
        phase = text;
        tally(stage.town.outbound, 20);
        phase.contains("Aborted")
    });
    assert!(phase.contains("aborted, 0 % to MeshService outside"), "{phase}");
    assert!(phase.contains("ConnectFailures"), "{phase}");
    reaches(stage.town.outbound, &["v1"]);
}

#[test]
fn up_without_a_place_for_states_runs_none_and_says_so() {
    let stage = Stage::new();
    serve(stage.town.applications[0], "v1");
    let path = stage.town.path();
    let up = Up::start(&[&path]);
    up.is_ready();
    stage.town.save("rollout.yaml", &rollout("{weight: 50}, {weight: 100}", ""));
    let line = up.program.awaits_text(0, "MeshTCPRollout default/canary stands still");
    assert!(line.contains("--state FILE"), "{line}");
    reaches(stage.town.outbound, &["v1"]);
    let (code, text) = command(&up, &["pause", "canary"]);
    assert!(code == 1 && text.contains("start `meshtcp up` with --state FILE"), "{text}");

    std::fs::write(stage.states.path().join("rollouts"), "no statuses").unwrap();
    let state = stage.states.path().join("rollouts");
    let output = meshtcp(["up", &path, "--state", state.to_str().unwrap()]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(3) && said.contains("is damaged"), "{said}");
}
