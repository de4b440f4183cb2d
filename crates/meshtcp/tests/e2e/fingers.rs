//! Command lines as users type them without thinking, each with its exit code and output.

mod check;
mod set;

use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;

use crate::api::ask;
use crate::backend::free_ports;
use crate::program::{Program, eventually, meshtcp};
use crate::rights;
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
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Did { code: status.code().unwrap(), out: text(stdout), err: text(stderr) }
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

#[test]
fn resources_are_got_as_kubectl_users_write_it() {
    let fixture = Fixture::laid();
    fixture.lines(&[
        ("get mtcpr,dp", 0, &["meshtcproutes/moves", "meshtcproutes/stays", "dataplanes/web-1", "AGE"]),
        ("get mtcpr,dp -o name", 0, &["meshtcproutes/moves\nmeshtcproutes/stays\ndataplanes/web-1\n"]),
        ("get all -o name", 0, &["meshes/default\n", "dataplanes/web-1\n", "!secrets"]),
        ("get mtcpr -l team=shop -o name", 0, &["meshtcproutes/moves\n", "!stays"]),
        ("get mtcpr -l team!=shop -o name", 0, &["meshtcproutes/stays\n", "!moves"]),
        ("get mtcpr -o wide", 0, &["AGE", "KRI", "team=shop"]),
        ("get mtcpr -o jsonpath={.items[*].name}", 0, &["moves stays"]),
        ("get mtcpr moves -o jsonpath={.spec.to[0].targetRef.name}", 0, &["db"]),
        (
            "get dp -o custom-columns=NAME:.name,AT:.networking.address,NONE:.nope",
            0,
            &["NAME   AT         NONE", "web-1  127.0.0.1  <none>"],
        ),
        ("-o name get dp", 0, &["dataplanes/web-1"]),
        ("get mtcpr,nope", 2, &["there is no kind `nope`"]),
        ("get rollouts", 2, &["did you mean meshtcprollouts?"]),
        ("rollout status", 0, &["no MeshTCPRollout is there in mesh default"]),
        ("get mtcpr -o jsn", 2, &["did you mean `json`"]),
        ("get mtcpr -o jsonpath={.items[", 2, &["write [0]"]),
        ("get mtcpr -l =x", 2, &["write KEY=VALUE"]),
        ("get mtcpr -l team=nobody", 0, &["no MeshTCPRoute is there"]),
        ("get mtcpr -m nope", 1, &["nope", "meshtcp get meshes"]),
    ]);
}

#[test]
fn a_watch_shows_what_changes_and_what_goes() {
    let fixture = Fixture::laid();
    let watch = Program::start(fixture.command(&["get", "mtcpr", "-w"]));
    watch.awaits_text(0, "stays");
    let mark = watch.mark();
    let changed = fixture.save("moves.yaml", &ROUTE.replace("weight: 1", "weight: 7"));
    assert_eq!(fixture.run(&["apply", "-f", &changed]).code, 0);
    let line = watch.awaits_text(mark, "db 7");
    assert!(line.starts_with("moves"), "{line}");
    assert_eq!(fixture.run(&["delete", "mtcpr", "moves"]).code, 0);
    watch.awaits_text(mark, "MeshTCPRoute default/moves deleted");
    assert!(!watch.printed().split("db 7").nth(1).unwrap().contains("stays"), "{}", watch.printed());
}

#[test]
fn resources_are_deleted_by_what_they_have_in_common() {
    let fixture = Fixture::laid();
    fixture.lines(&[
        ("delete mtcpr", 2, &["KIND --all"]),
        ("delete mtcpr moves --all", 2, &["cannot be used with"]),
        ("delete mtcpr moves -l team=shop", 2, &["choose by themselves"]),
        ("delete mtcpr -l team=shop --dry-run", 0, &["default/moves deleted (dry run)", "!stays"]),
        ("get mtcpr -o name", 0, &["moves", "stays"]),
        ("delete mtcpr -l team=shop", 0, &["default/moves deleted\n"]),
        ("delete mtcpr -l team=shop", 0, &["no MeshTCPRoute is there that fits"]),
        ("delete mtcpr --all", 0, &["default/stays deleted\n"]),
        ("get mtcpr", 0, &["no MeshTCPRoute is there"]),
    ]);
}

#[test]
fn what_is_in_no_file_any_more_is_pruned_by_a_label_or_by_a_set() {
    let fixture = Fixture::laid();
    let only = fixture.save("only.yaml", &ROUTE.replace("name: moves", "name: other"));
    let path = |line: &str| line.replace("ONLY", &only);
    let lines = |all: &[(&str, i32, &[&str])]| {
        all.iter().for_each(|(line, code, parts)| fixture.lines(&[(&path(line), *code, parts)]))
    };
    lines(&[
        ("apply -f ONLY --prune", 2, &["--set NAME"]),
        ("apply -f ONLY -l team=shop", 2, &["write both"]),
        ("apply -f ONLY --prune -l team=shop --set x", 2, &["write one of them"]),
        (
            "apply -f ONLY --prune -l team=shop --dry-run",
            0,
            &["default/moves is in no file: it would be deleted", "!stays", "other created (dry run)"],
        ),
        ("get mtcpr -o name", 0, &["moves", "stays", "!other"]),
        (
            "apply -f ONLY --prune -l team=shop",
            0,
            &["default/moves is in no file: it will be deleted", "other created", "default/moves deleted"],
        ),
        ("get mtcpr,dp -o name", 0, &["!moves", "other", "stays", "web-1"]),
        ("apply -f ONLY --set first", 0, &["other updated"]),
        ("apply -f ONLY --set first", 0, &["other unchanged"]),
        ("apply -f ONLY --set second", 1, &["is in the set first"]),
    ]);
    let next = fixture.save("next.yaml", &ROUTE.replace("name: moves", "name: next"));
    fixture.lines(&[
        (
            &format!("apply -f {next} --set first --prune -o json"),
            0,
            &["\"outcome\": \"deleted\"", "\"outcome\": \"created\""],
        ),
        ("get mtcpr -o name", 0, &["next", "stays", "!other"]),
    ]);
}

#[test]
fn a_resource_is_edited_in_ones_own_editor_and_what_fails_is_kept() {
    let fixture = Fixture::laid();
    let edit = |editor: &str, more: &[&str]| {
        let arguments = [&["edit", "mtcpr", "moves"], more].concat();
        did(fixture.command(&arguments).env("EDITOR", editor).env("TMPDIR", fixture.folder.path()))
    };
    let done = edit("sed -i 's/weight: 1/weight: 9/'", &[]);
    assert_eq!((done.code, done.out.as_str()), (0, "MeshTCPRoute default/moves updated\n"), "{}", done.err);
    let same = edit("true", &[]);
    assert_eq!((same.code, same.out.as_str()), (0, "MeshTCPRoute default/moves unchanged\n"), "{}", same.err);
    let failed = edit("false", &[]);
    assert!(failed.code == 3 && failed.err.contains("nothing was changed"), "{}", failed.err);
    for (editor, why) in [
        ("sed -i 's/weight: 9/weigth: 9/'", "did you mean `weight`?"),
        ("sed -i 's/name: moves/name: other/'", "what it is called cannot be changed"),
        ("sed -i 's/kind: Mesh$/kind: Nobody/'", "Nobody"),
    ] {
        let wrong = edit(editor, &[]);
        assert!(wrong.code == 1 && wrong.err.contains(why), "{editor}: {} {}", wrong.code, wrong.err);
        let kept = wrong
            .err
            .split("is kept in ")
            .nth(1)
            .unwrap_or_else(|| panic!("{}", wrong.err))
            .lines()
            .next()
            .unwrap();
        assert!(std::fs::read_to_string(kept).unwrap().contains("type: MeshTCPRoute"), "{kept}");
    }
    // a concurrent change comes first
    let other = format!(
        "{} apply -f {} --server http://{}",
        env!("CARGO_BIN_EXE_meshtcp"),
        fixture.folder.path().join("moves.yaml").display(),
        fixture.control_plane.api
    );
    let raced = edit(&format!("sh -c '{other} > /dev/null; sed -i s/weight:.*/weight:\\ 3/ $0'"), &[]);
    assert!(raced.code == 1 && raced.err.contains("is kept in "), "{}{}", raced.out, raced.err);
    let told = fixture.run(&["get", "mtcpr", "moves"]).out;
    assert!(told.contains("db 1"), "{told}");
}

#[test]
fn versions_are_told_of_both_sides() {
    let fixture = Fixture::new();
    let both = fixture.run(&["version", "-o", "json"]);
    let tree: Value = serde_json::from_str(&both.out).unwrap();
    assert_eq!((both.code, &tree["client"]["version"]), (0, &env!("CARGO_PKG_VERSION").into()));
    assert_eq!(tree["server"]["product"], "meshtcp");
    fixture.lines(&[
        ("version", 0, &["client  meshtcp", "server  meshtcp", "rules of Kuma 2.14"]),
        ("version --client", 0, &["client  meshtcp", "!server"]),
        ("version --server http://127.0.0.1:1", 4, &["client  meshtcp", "cannot be reached"]),
    ]);
}

#[test]
fn a_system_that_is_well_and_one_that_is_not_are_told_apart() {
    let fixture = Fixture::laid();
    let levels = |did: &Did| -> Vec<(String, String)> {
        let tree: Value =
            serde_json::from_str(&did.out).unwrap_or_else(|error| panic!("{error}: {}", did.out));
        let text = |it: &Value, key: &str| it[key].as_str().unwrap().to_owned();
        tree.as_array().unwrap().iter().map(|it| (text(it, "what"), text(it, "level"))).collect()
    };
    let is = |found: &[(String, String)], what: &str, level: &str| {
        found.iter().any(|(it, is)| it == what && is == level)
    };
    let checked = fixture.run(&["check", "-o", "json"]);
    let found = levels(&checked);
    assert_eq!(checked.code, 0, "{}", checked.out);
    for (what, level) in [
        ("control plane", "ok"),
        ("versions", "ok"),
        ("clock", "ok"),
        ("store", "ok"),
        ("certificates", "ok"),
        ("proxies", "warn"),
    ] {
        assert!(is(&found, what, level), "{what} is not {level} in {found:?}");
    }
    let [port] = free_ports();
    let nobody = format!("127.0.0.1:{port}");
    let away = fixture.run(&["check", "--server", &nobody, "--proxy-admin", &nobody, "-o", "json"]);
    let found = levels(&away);
    assert!(
        away.code == 4
            && is(&found, "control plane", "fail")
            && is(&found, &format!("proxy {nobody}"), "fail"),
        "{found:?}"
    );
    let listener = std::net::TcpListener::bind("127.0.0.1:7001");
    let table = fixture.run(&["check", "--no-control-plane"]);
    drop(listener);
    assert!(
        table.code == 0
            && table.out.starts_with("IS ")
            && table.out.contains("open files")
            && table.out.contains(" failed\n"),
        "{}",
        table.out
    );
}

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

#[test]
fn a_shell_completes_kinds_contexts_and_the_names_that_there_are() {
    let fixture = Fixture::laid();
    let config = fixture.save("config.yaml", "contexts: [{name: prod, server: 'http://127.0.0.1:1'}, {name: preview, server: 'http://127.0.0.1:1'}]\n");
    let asked = |words: &[&str], server: &str| {
        let mut command = meshtcp(["--"].iter().chain(words));
        command.env("MESHTCP_COMPLETE", "bash").env("MESHTCP_CONFIG", &config).env("MESHTCP_SERVER", server);
        command.env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string()).env("_CLAP_IFS", "\n");
        let Did { code, out, err } = did(&mut command);
        assert_eq!(code, 0, "{err}");
        out.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let server = format!("http://{}", fixture.control_plane.api);
    let commands = asked(&["meshtcp", ""], &server);
    assert!(
        ["preview", "control-plane"].iter().all(|it| commands.contains(&(*it).to_owned())),
        "{commands:?}"
    );
    assert!(asked(&["meshtcp", "get", "meshtcp"], &server).contains(&"meshtcproutes".to_owned()));
    assert_eq!(asked(&["meshtcp", "get", "mtcpr", ""], &server)[..2], ["moves", "stays"]);
    assert_eq!(asked(&["meshtcp", "delete", "mtcpr", "st"], &server), ["stays"]);
    assert_eq!(asked(&["meshtcp", "get", "meshes", "--context", "pr"], &server), ["prod", "preview"]);
    assert!(asked(&["meshtcp", "token", "cr"], &server).contains(&"create".to_owned()));
    // a server that accepts and never answers
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let began = std::time::Instant::now();
    let server = format!("http://{}", silent.local_addr().unwrap());
    let names = asked(&["meshtcp", "get", "mtcpr", "m"], &server);
    assert!(!names.contains(&"moves".to_owned()) && began.elapsed() < Duration::from_secs(10), "{names:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = fixture.run(&["completion", shell]);
        assert!(script.code == 0 && script.out.contains("MESHTCP_COMPLETE"), "{shell}: {}", script.out);
    }
}

#[test]
fn colours_are_where_they_are_wanted_and_nowhere_else() {
    let fixture = Fixture::laid();
    let status = |more: &[&str]| fixture.run(&[&["status"], more].concat()).out;
    assert!(!status(&[]).contains('\u{1b}'));
    assert!(status(&["--color", "always"]).contains("\u{1b}[33mnot attached\u{1b}[0m"));
    assert!(!status(&["--color=never"]).contains('\u{1b}'));
    let bad = fixture
        .save("bad.yaml", "type: Dataplane\nmesh: default\nname: Web 1\nnetworking: {address: 127.0.0.1}\n");
    let told = |more: &[&str], locale: &str| {
        did(fixture.command(&[&["validate", "-f", &bad], more].concat()).env("LC_ALL", locale)).err
    };
    assert!(told(&["--color", "always"], "C.UTF-8").contains("\u{1b}[31m"));
    let ascii = told(&[], "C");
    assert!(ascii.is_ascii() && ascii.contains("+-[") && ascii.contains("help: write `web-1`"), "{ascii}");
    // the mark is below the name
    let lines: Vec<&str> = ascii.lines().collect();
    let at = lines.iter().position(|line| line.contains("name: Web 1")).unwrap();
    assert_eq!(lines[at].find("Web 1"), lines[at + 1].find("-----"), "{ascii}");
    assert!(told(&[], "C.UTF-8").contains('╭'));
}

#[test]
fn what_may_stand_where_is_told_to_people_and_to_editors() {
    let fixture = Fixture::new();
    fixture.lines(&[
        ("explain field mtcpr", 0, &["FIELD", "spec", "object"]),
        (
            "explain field mtcpr.spec.to.rules.default.backendRefs",
            0,
            &["list of objects", "weight", "whole number"],
        ),
        (
            "explain field mtcpr.spec.to[0].rules[0].default.backendRefs[0].weight",
            0,
            &["whole number, known to all"],
        ),
        (
            "explain field mtcpr.spec.targetRef.tags --profile 3",
            1,
            &["profile 3 knows no field", "known from"],
        ),
        ("explain field mtcpr.spec.too", 1, &["did you mean `to`?"]),
        (
            "explain field mtcpr.spec.to.rules.matches --profile 2.14+",
            0,
            &["list of objects, known to 2.14+"],
        ),
        ("explain field mtcpr.spec.to.rules.matches", 1, &["knows no field", "--profile"]),
        ("explain field nope.spec", 2, &["there is no kind `nope`"]),
        ("schema MeshTrust --profile 2.3", 1, &["profile 2.3 has no MeshTrust"]),
    ]);
    let schema: Value = serde_json::from_str(&fixture.run(&["schema"]).out).unwrap();
    let route = &schema["$defs"]["MeshTCPRoute"];
    assert_eq!(
        route["properties"]["spec"]["properties"]["to"]["items"]["properties"]["targetRef"]["type"],
        "object"
    );
    assert_eq!(route["properties"]["labels"]["properties"]["meshtcp.io/existing"]["enum"][0], "keep");
    assert_eq!(
        (&route["additionalProperties"], &route["properties"]["type"]["const"]),
        (&false.into(), &"MeshTCPRoute".into())
    );
    let target = &route["properties"]["spec"]["properties"]["to"]["items"];
    assert_eq!(target["required"], serde_json::json!(["rules", "targetRef"]));
    assert_eq!(target["properties"]["targetRef"]["required"], serde_json::json!(["kind"]));
    let one: Value = serde_json::from_str(&fixture.run(&["schema", "dp"]).out).unwrap();
    assert_eq!(one["required"], serde_json::json!(["name", "networking", "type"]));
    assert_eq!(
        one["properties"]["networking"]["properties"]["inbound"]["items"]["properties"]["port"]["type"],
        "integer"
    );
}

#[test]
fn every_command_has_a_page_of_the_manual() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("man/man1");
    let made = did(&mut meshtcp(["man", folder.to_str().unwrap()]));
    assert_eq!(made.code, 0, "{}", made.err);
    for page in ["meshtcp.1", "meshtcp-get.1", "meshtcp-config-view.1", "meshtcp-token-create-user.1"] {
        let text = std::fs::read_to_string(folder.join(page)).unwrap();
        assert!(text.contains(".TH meshtcp") && text.contains(".SH SYNOPSIS"), "{page}: {text}");
    }
    let get = std::fs::read_to_string(folder.join("meshtcp-get.1")).unwrap();
    assert!(get.contains("custom\\-columns") && get.contains("Examples"), "{get}");
    let nowhere = did(&mut meshtcp(["man", "/dev/null/folder"]));
    assert!(nowhere.code == 3 && nowhere.err.contains("/dev/null/folder"), "{}", nowhere.err);
}
