//! The session in the README, command by command, in an empty directory: the output is that of the README except for
//! times, revisions and ports.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use regex_lite::{Captures, Regex};

use crate::backend::free_ports;
use crate::program::{PATIENCE, RUNTIME, eventually};

/// Ports that the README uses. The test replaces them, since they may be in use.
const PORTS: [&str; 5] = ["8000", "8001", "8002", "8003", "9901"];
/// Read-only commands: their output may take a moment to become true.
const LOOKS: [&str; 6] = [
    "cat ",
    "curl -s localhost:9901/",
    "meshtcp get ",
    "meshtcp preview ",
    "meshtcp logs ",
    "meshtcp explain ",
];

/// Command of the README and its output there.
#[derive(Debug)]
struct Step {
    command: String,
    printed: String,
}

/// Steps of the `console` blocks, in their order.
fn steps(readme: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for block in readme.split("```console\n").skip(1) {
        let (block, _) = block.split_once("\n```").unwrap();
        for text in format!("\n{block}").split("\n$ ").skip(1) {
            // a document that is typed ends with a line of its own
            let typed =
                text.split_once("<<'YAML'").and_then(|_| text.find("\nYAML")).map(|at| at + "\nYAML".len());
            let end = typed.unwrap_or_else(|| text.find('\n').unwrap_or(text.len()));
            let (command, printed) = text.split_at(end);
            steps.push(Step {
                command: command.to_owned(),
                printed: printed.trim_start_matches('\n').to_owned(),
            });
        }
    }
    steps
}

/// Shell in an empty directory; processes that it started end with it.
struct Shell {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    ports: Vec<(String, String)>,
    _folder: tempfile::TempDir,
}

const END: &str = "-- end of this command --";

impl Shell {
    fn start() -> Self {
        use std::os::unix::process::CommandExt as _;
        let folder = tempfile::tempdir().unwrap();
        let bin = folder.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_meshtcp"), bin.join("meshtcp")).unwrap();
        let work = folder.path().join("empty");
        std::fs::create_dir(&work).unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let [api, xds, ports @ ..] = free_ports::<7>().map(|port| port.to_string());
        let mut child = Command::new("bash")
            .args(["--noprofile", "--norc"])
            .current_dir(&work)
            .env("PATH", path)
            .env("HOME", &work)
            .env("MESHTCP_RUNTIME_DIR", RUNTIME)
            .env("MESHTCP_CONFIG", "/nonexistent/config.yaml")
            .env("MESHTCP_API", format!("127.0.0.1:{api}"))
            .env("MESHTCP_SERVER", format!("http://127.0.0.1:{api}"))
            .env("MESHTCP_XDS", format!("127.0.0.1:{xds}"))
            .env("MESHTCP_CONTROL_PLANE", format!("127.0.0.1:{xds}"))
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        writeln!(input, "exec 2>&1").unwrap();
        let (send, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            output
                .lines()
                .map_while(Result::ok)
                .take_while(|line| send.send(line.clone()).is_ok())
                .for_each(drop);
        });
        let ports = PORTS.into_iter().map(str::to_owned).zip(ports).collect();
        Self { child, input, lines, ports, _folder: folder }
    }

    /// Runs a command, and returns its output with the ports of the README.
    fn run(&mut self, command: &str) -> String {
        let here = with_ports(command, self.ports.iter().map(|(port, here)| (&**port, &**here)));
        writeln!(self.input, "{here}\necho '{END}'").unwrap();
        let mut printed = String::new();
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("`{command}` does not end, and printed:\n{printed}"));
            match line.strip_suffix(END) {
                Some(last) => {
                    printed.push_str(last);
                    break;
                }
                None => printed.push_str(&format!("{line}\n")),
            }
        }
        if command.ends_with('&') {
            self.wait_for_those_named_in(command);
        }
        with_ports(&printed, self.ports.iter().map(|(port, here)| (&**here, &**port)))
    }

    /// Waits until the ports that a command listens on accept connections: a reader types slower than a server starts.
    fn wait_for_those_named_in(&self, command: &str) {
        for (port, here) in self.ports.iter().filter(|(port, _)| command.contains(port.as_str())) {
            eventually(&format!("{port} answers"), || {
                TcpStream::connect((Ipv4Addr::LOCALHOST, here.parse().unwrap())).is_ok()
            });
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let group = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Replaces ports in a text, all at once: a port that takes the place of another may contain a third.
fn with_ports<'a>(text: &str, ports: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let ports: BTreeMap<&str, &str> = ports.collect();
    let any = ports.keys().copied().collect::<Vec<_>>().join("|");
    let any = Regex::new(&format!(r"\b({any})\b")).unwrap();
    any.replace_all(text, |found: &Captures<'_>| ports[&found[0]].to_owned()).into_owned()
}

/// Replaces everything that may differ between runs by fixed text.
fn masked(text: &str) -> String {
    let masks = [
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", "TIME"),
        (r"after \d+\.\d+ s", "after N s"),
        (r"counted \d+ s ago", "counted N s ago"),
        (r"(revision|generation|configuration) \d+", "$1 N"),
        (r"the draw [0-9a-f]{16} is at \d+\.\d+%", "the draw D is at P%"),
        (r"127\.0\.0\.1:\d+ dialled", "CLIENT dialled"),
        (r"\d+ ms, \d+ bytes from the client and \d+ to it", "N ms, N bytes from the client and N to it"),
        // both sides close after an answer: either may be the first
        (r"(backend|client)-closed", "closed"),
        // the split is exact to one connection
        (r"(?m)^ +(89|90|91) blue$", "90 blue"),
        (r"(?m)^ +(9|10|11) green$", "10 green"),
        // bytes and milliseconds of `logs`, and the column widths that depend on them
        (r" \d+/\d+ +\d+ +", " IN/OUT MS "),
        (r" +\n", "\n"),
        (r"(?m) {2,}(\S)", " $1"),
    ];
    let text = text.trim_end().to_owned();
    masks.iter().fold(text, |text, (mask, instead)| {
        Regex::new(mask).unwrap().replace_all(&text, *instead).into_owned()
    })
}

#[test]
fn the_session_in_the_readme_can_be_repeated() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let steps = steps(&std::fs::read_to_string(readme).unwrap());
    let said = |words: &str| steps.iter().filter(|step| step.command.contains(words)).count();
    for words in
        ["control-plane", "proxy", "apply", "preview", "--wait", "explain connection", "explain --from"]
    {
        assert!(said(words) > 0, "`{words}` is no step of the session: {steps:#?}");
    }
    let mut shell = Shell::start();
    for Step { command, printed: wanted } in &steps {
        let deadline = Instant::now() + PATIENCE;
        let mut printed = shell.run(command);
        while masked(&printed) != masked(wanted)
            && LOOKS.iter().any(|look| command.starts_with(look))
            && Instant::now() < deadline
        {
            std::thread::sleep(Duration::from_millis(200));
            printed = shell.run(command);
        }
        assert_eq!(masked(&printed), masked(wanted), "after `{command}`");
    }
}

#[test]
fn the_picture_of_the_terminal_shows_what_the_session_prints() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let steps = steps(&std::fs::read_to_string(root.join("README.md")).unwrap());
    let picture = std::fs::read_to_string(root.join("docs/terminal.svg")).unwrap();
    let text = Regex::new("<text [^>]*>([^<]*)</text>").unwrap();
    let bar = Regex::new("^[█▉▊▋▌▍▎▏░ ]+ 0/1 proxies live, 1s, waiting for default/web-1$").unwrap();
    let (mut printed, mut commands) = ("", 0);
    for line in text.captures_iter(&picture) {
        let line = line.get(1).unwrap().as_str();
        match line.strip_prefix("$ ") {
            Some(command) => {
                let step = steps.iter().find(|step| step.command.trim() == command);
                printed = &step.unwrap_or_else(|| panic!("`{command}` is no step of the session")).printed;
                commands += 1;
            }
            // progress that a terminal shows while waiting
            None if bar.is_match(line) => {}
            None => assert!(printed.lines().any(|it| it == line), "`{line}` is not in\n{printed}"),
        }
    }
    assert_eq!(commands, 2);
}
