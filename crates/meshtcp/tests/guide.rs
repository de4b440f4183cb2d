//! Agreement of the guide with the program: every command and flag, every metric, every key of the connection log,
//! every exit code.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn guide(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide").join(name);
    std::fs::read_to_string(path).unwrap()
}

fn help(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_meshtcp")).args(arguments).arg("--help").output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Words that begin with `--` in a help text.
fn flags(help: &str) -> BTreeSet<String> {
    let words = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let words = words.flat_map(|line| line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')));
    words.filter(|word| word.starts_with("--") && word.len() > 2).map(str::to_owned).collect()
}

/// First words of the lines below a heading of a help text.
fn listed(help: &str, heading: &str) -> Vec<String> {
    let lines =
        help.lines().skip_while(|line| *line != heading).skip(1).take_while(|line| !line.trim().is_empty());
    let entries = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    entries.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn every_command_and_flag_is_in_the_guide() {
    let guide = guide("commands.md");
    let help_of_all = help(&[]);
    let groups = help_of_all
        .lines()
        .skip_while(|line| !line.starts_with("Usage:"))
        .take_while(|line| *line != "Options:");
    let entries = groups.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let commands: Vec<&str> = entries.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(["up", "get", "man"].iter().all(|command| commands.contains(command)), "{commands:?}");
    for command in commands {
        assert!(guide.contains(&format!("## `meshtcp {command}")), "`{command}` is not in commands.md");
        for flag in
            flags(&help(&[command])).iter().filter(|flag| !["--help", "--output"].contains(&flag.as_str()))
        {
            assert!(guide.contains(flag.as_str()), "`{command} {flag}` is not in commands.md");
        }
    }
}

#[test]
fn every_exit_code_is_in_the_guide() {
    let guide = guide("errors-and-exit-codes.md");
    let codes = listed(&help(&[]), "Exit codes:");
    assert!(codes.len() >= 4, "{codes:?}");
    for code in codes {
        assert!(guide.contains(&format!("| {code} | ")), "exit code {code} is not in the guide");
    }
}

/// Metrics and connection log of one carried connection.
struct Witness {
    metrics: String,
    log_line: serde_json::Map<String, serde_json::Value>,
}

impl Witness {
    fn of_one_connection() -> Self {
        let backend = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let spare = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (backend_port, port) = (backend.local_addr().unwrap().port(), spare.local_addr().unwrap().port());
        drop(spare);
        let folder = tempfile::tempdir().unwrap();
        let mesh = format!(
            "type: Mesh\nname: default\n---\ntype: MeshExternalService\nmesh: default\nname: db\nspec:\n  match: {{type: \
             HostnameGenerator, port: 5432, protocol: tcp}}\n  endpoints: [{{address: 127.0.0.1, port: {backend_port}}}]\n---\n\
             type: Dataplane\nmesh: default\nname: web-1\nnetworking:\n  address: 127.0.0.1\n  outbound: [{{port: {port}, \
             backendRef: {{kind: MeshExternalService, name: db}}}}]\n"
        );
        std::fs::write(folder.path().join("mesh.yaml"), mesh).unwrap();
        let log = folder.path().join("connections.log");
        let mut up = Command::new(env!("CARGO_BIN_EXE_meshtcp"));
        up.arg("up")
            .arg(folder.path())
            .args(["--dns", "--dns-address", "127.0.0.1:0"])
            .args(["--admin", "127.0.0.1:0", "--log-format", "json", "--log"])
            .arg(&log);
        let mut up = Up(up.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap());
        let mut said = BufReader::new(up.0.stdout.take().unwrap()).lines();
        let admin =
            said.find_map(|line| Some(line.ok()?.split_once("admin: http://")?.1.to_owned())).unwrap();

        let mut client = eventually(|| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok());
        client.write_all(b"hello").unwrap();
        let (server, _) = backend.accept().unwrap();
        drop(client);
        drop(server);
        let line = eventually(|| {
            let text = std::fs::read_to_string(&log).ok()?;
            text.ends_with('\n').then(|| text.lines().next().map(str::to_owned)).flatten()
        });
        let metrics = metrics_of(&admin);
        Witness { metrics, log_line: serde_json::from_str(&line).unwrap() }
    }
}

fn metrics_of(admin: &str) -> String {
    eventually(|| {
        let mut connection = TcpStream::connect(admin).ok()?;
        write!(connection, "GET /metrics HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer).ok()?;
        answer.starts_with("HTTP/1.1 200").then_some(answer)
    })
}

/// Metrics of an answer, by the names of their series.
fn families(metrics: &str) -> BTreeSet<String> {
    let families = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    families.map(|line| line.split_once(' ').unwrap().0.to_owned()).collect()
}

/// Running `meshtcp`, ended when dropped.
struct Up(Child);

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn eventually<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        assert!(Instant::now() < deadline, "it did not happen within 20 s");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// First cells of the rows of a Markdown table whose first heading is `heading`, without backticks.
fn cells(guide: &str, heading: &str) -> BTreeSet<String> {
    let heading = format!("| {heading} |");
    let rows = guide
        .lines()
        .skip_while(|line| !line.starts_with(&heading))
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    rows.map(|row| row.split('|').nth(1).unwrap().trim().trim_matches('`').to_owned()).collect()
}

#[test]
fn the_guide_lists_exactly_the_metrics_and_the_keys_of_the_log() {
    let Witness { metrics, log_line } = Witness::of_one_connection();
    assert_eq!(families(&metrics), cells(&guide("metrics.md"), "metric"));
    assert_eq!(log_line.keys().cloned().collect::<BTreeSet<_>>(), cells(&guide("connection-log.md"), "key"));
    let endings: BTreeSet<String> = l4::Ending::ALL.iter().map(|ending| ending.as_str().to_owned()).collect();
    assert_eq!(endings, cells(&guide("connection-log.md"), "value of `ended`"));
}

/// Text of a source file, or of all files in a folder.
fn source(path: &Path) -> String {
    let Ok(files) = std::fs::read_dir(path) else { return std::fs::read_to_string(path).unwrap() };
    files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect()
}

#[test]
fn every_row_of_the_version_matrix_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let files = ["model/tests/versions.rs", "plan/tests/versions_of_rules.rs", "plan/tests/versions"];
    let tests = files.map(|file| source(&root.join("crates").join(file)));
    let exists = |name: &str| tests.iter().any(|text| text.contains(&format!("#[test]\nfn {name}()")));
    let guide = guide("versions.md");
    let named: BTreeSet<&str> = guide
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| code.matches('_').count() > 1 && !code.contains('/'))
        .collect();
    assert!(named.len() > 40, "{named:?}");
    let missing: Vec<_> = named.iter().filter(|name| !exists(name)).collect();
    assert!(missing.is_empty(), "versions.md names tests that do not exist: {missing:?}");

    let lines = tests
        .iter()
        .flat_map(|text| text.split("#[test]\nfn ").skip(1))
        .filter_map(|rest| rest.split_once('('));
    let unnamed: Vec<&str> = lines.map(|(name, _)| name).filter(|name| !named.contains(name)).collect();
    assert!(unnamed.is_empty(), "no row of versions.md names these tests: {unnamed:?}");
    for row in guide.lines().filter(|line| line.starts_with("| ") && line.contains('✓')) {
        assert!(
            row.contains("m `") || row.contains("p `") || row.contains("r `"),
            "this row names no test: {row}"
        );
    }
}

#[test]
fn every_rule_of_discovery_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let files = [
        ("d", "xds/tests/delta"),
        ("s", "xds/tests/state_of_the_world.rs"),
        ("p", "xds/tests/stepper.rs"),
        ("r", "xds/tests/refusals.rs"),
        ("t", "xds/tests/there_and_back.rs"),
        ("v", "xds/tests/convergence.rs"),
        ("w", "xds/tests/peer.rs"),
        ("c", "control/tests/discovery.rs"),
        ("l", "meshtcp/tests/l4_discovery.rs"),
        ("e", "meshtcp/tests/e2e/attach/strangers.rs"),
    ];
    let text = |file: &str| source(&root.join(file));
    let guide = guide("discovery.md");
    let rows: Vec<&str> = guide.lines().filter(|line| line.starts_with("| ") && line.contains("_")).collect();
    assert!(rows.len() > 12, "{rows:?}");
    for row in rows {
        let tests = row.rsplit(" | ").next().unwrap().trim_end_matches(" |");
        for named in tests.split(", ") {
            let (letters, name) = named.split_once('`').unwrap_or_else(|| panic!("`{named}` names no test"));
            for letter in letters.split_whitespace() {
                let (_, file) = files.iter().find(|(known, _)| *known == letter).unwrap();
                let test = format!("fn {}(", name.trim_end_matches('`'));
                assert!(text(file).contains(&test), "{file} has no {test}…)");
            }
        }
    }
}

/// The rows of the tables of a page, by the heading above and the first cell.
fn rows(page: &str) -> BTreeSet<(&str, &str)> {
    let mut rows = BTreeSet::new();
    let (mut heading, mut in_table) = ("", false);
    for line in page.lines() {
        if let Some(text) = line.strip_prefix("## ") {
            heading = text;
        }
        if line.starts_with("|---") {
            in_table = true;
        } else if in_table && let Some(cells) = line.strip_prefix("| ") {
            let (first, _) = cells.split_once(" | ").unwrap();
            assert!(rows.insert((heading, first)), "two rows below `{heading}` begin with `{first}`");
        } else {
            in_table = false;
        }
    }
    rows
}

/// Rows of operations.tests, each with the lines below it.
fn held(text: &str) -> BTreeMap<(&str, &str), Vec<&str>> {
    let mut held = BTreeMap::new();
    let (mut heading, mut row) = ("", "");
    let lines = text.lines().skip_while(|line| !line.starts_with("## ")).filter(|line| !line.is_empty());
    for line in lines {
        if let Some(text) = line.strip_prefix("## ") {
            heading = text;
        } else if let Some(text) = line.strip_prefix("  ") {
            held.entry((heading, row)).or_insert_with(Vec::new).push(text);
        } else {
            row = line;
            held.entry((heading, row)).or_default();
        }
    }
    held
}

#[test]
fn every_row_of_operations_is_held_by_tests_and_has_the_figures_of_the_code() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read =
        |file: &str| std::fs::read_to_string(root.join(file)).unwrap_or_else(|why| panic!("{file}: {why}"));
    let (page, held_by) = (guide("operations.md"), guide("operations.tests"));
    let (rows, held) = (rows(&page), held(&held_by));
    assert!(rows.len() > 100, "{rows:?}");
    let unheld: Vec<_> = rows.iter().filter(|row| !held.contains_key(*row)).collect();
    assert!(unheld.is_empty(), "operations.tests says nothing of these rows of operations.md: {unheld:#?}");
    let gone: Vec<_> = held.keys().filter(|row| !rows.contains(*row)).collect();
    assert!(gone.is_empty(), "operations.md has no such rows, of which operations.tests speaks: {gone:#?}");
    for (row, lines) in held {
        let mut tests = 0;
        for line in lines {
            if let Some((file, text)) = line.split_once(" = ").filter(|(file, _)| !file.contains(": ")) {
                assert!(
                    read(file).contains(text),
                    "{row:?}: {file} has no `{text}`: does the row say what is so?"
                );
                continue;
            }
            let (file, names) =
                line.split_once(": ").unwrap_or_else(|| panic!("{row:?}: `{line}` is no test"));
            for name in names.split(", ") {
                assert!(is_test(&read(file), name), "{row:?}: {file} has no test {name}");
                tests += 1;
            }
        }
        assert!(tests > 0, "no test holds {row:?}");
    }
}

/// True if a file has a test of this name.
fn is_test(text: &str, name: &str) -> bool {
    let Some((before, _)) = text.split_once(&format!("fn {name}(")) else { return false };
    // the line of the name may begin with `async`
    let above = before.rsplit_once('\n').map_or("", |(above, _)| above);
    let mut attributes = above.lines().rev().map(str::trim).take_while(|line| !line.is_empty());
    attributes.any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
}
