//! Command lines as users type them without thinking, each with its exit code and output.

mod apply;
mod bug_report;
mod check;
mod get;
mod help;
mod set;
mod tokens;

use std::process::Command;

use crate::program::{answer, meshtcp};
use crate::store::ControlPlane;

const ROUTE: &str = "type: MeshTCPRoute\nmesh: default\nname: moves\nlabels: {team: shop}\nspec:\n  targetRef: {kind: Mesh}\n  to:\n    - \
                     targetRef: {kind: MeshService, name: db}\n      rules:\n        - default: {backendRefs: [{kind: MeshService, name: \
                     db, weight: 1}]}\n";

/// Control plane, and a folder for files.
struct Fixture {
    control_plane: ControlPlane,
    folder: tempfile::TempDir,
}

/// Outcome of a command.
struct Did {
    code: i32,
    out: String,
    err: String,
}

fn did(command: &mut Command) -> Did {
    let (code, out, err) = answer(command);
    Did { code, out, err }
}

impl Fixture {
    fn new() -> Self {
        Self { control_plane: ControlPlane::start("memory", &[]), folder: tempfile::tempdir().unwrap() }
    }

    /// Starts one with two routes and a Dataplane.
    fn laid() -> Self {
        let fixture = Self::new();
        fixture.save("moves.yaml", ROUTE);
        fixture.save(
            "stays.yaml",
            &ROUTE.replace("name: moves", "name: stays").replace("team: shop", "team: depot"),
        );
        fixture.save("web.yaml", "type: Dataplane\nmesh: default\nname: web-1\nnetworking: {address: 127.0.0.1, inbound: [{port: 7001, tags: {kuma.io/service: web}}]}\n");
        let applied = fixture.run(&["apply", "-f", fixture.folder.path().to_str().unwrap()]);
        assert_eq!(applied.code, 0, "{}", applied.err);
        fixture
    }

    fn save(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = meshtcp(arguments);
        command.env("MESHTCP_SERVER", format!("http://{}", self.control_plane.api)).env_remove("VISUAL");
        command
    }

    fn run(&self, arguments: &[&str]) -> Did {
        did(&mut self.command(arguments))
    }

    /// Runs lines, each with its exit code and parts of its output; a part that begins with `!` must be absent.
    fn lines(&self, lines: &[(&str, i32, &[&str])]) {
        for (line, code, parts) in lines {
            let did = self.run(&line.split(' ').map(|word| word.trim_matches('\'')).collect::<Vec<_>>());
            let said = format!("{}{}", did.out, did.err);
            assert_eq!(did.code, *code, "{line}: {said}");
            for part in *parts {
                let (part, wanted) = part.strip_prefix('!').map_or((*part, true), |part| (part, false));
                assert_eq!(said.contains(part), wanted, "{line}: `{part}` in\n{said}");
            }
        }
    }
}
