//! `top` on a real terminal: tmux stands in for a user's terminal emulator, and returns the content of its screen.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};

use crate::program::{Up, eventually, meshtcp};
use crate::town::Town;

/// Terminal in which a program runs.
struct Terminal {
    socket: tempfile::TempDir,
}

impl Terminal {
    fn start(width: u16, height: u16, arguments: &[&str]) -> Self {
        let terminal = Self { socket: tempfile::tempdir().unwrap() };
        let (width, height) = (width.to_string(), height.to_string());
        let line = [&[env!("CARGO_BIN_EXE_meshtcp")], arguments].concat().join(" ");
        // the shell stays behind, and shows how the program ended
        let line = format!("{line}; echo ended with $?; exec sleep 600");
        let started = terminal.tmux(&["new-session", "-d", "-x", &width, "-y", &height, &line]);
        assert!(started.is_some(), "tmux does not start");
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> Option<String> {
        let socket = self.socket.path().join("tmux");
        let output = Command::new("tmux")
            .args(["-f", "/dev/null", "-S", socket.to_str().unwrap()])
            .args(arguments)
            .env("LC_ALL", "C.UTF-8")
            .env("TERM", "xterm-256color")
            .env("MESHTCP_CONFIG", "/nonexistent/config.yaml")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"]).unwrap_or_default()
    }

    fn press(&self, keys: &[&str]) {
        assert!(self.tmux(&[&["send-keys"], keys].concat()).is_some());
    }

    fn shows(&self, part: &str) -> String {
        eventually(part, || self.screen().contains(part));
        self.screen()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.tmux(&["kill-server"]);
    }
}

/// Accepts connections at a port, sends a byte on each, and keeps them open.
fn serve(port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        while let Ok((mut connection, _)) = listener.accept() {
            // the client may have disconnected
            let _ = connection.write_all(b"x");
            kept.push(connection);
        }
    });
}

#[test]
fn connections_are_seen_on_a_terminal_of_any_size() {
    let town = Town::new();
    town.applications.into_iter().for_each(serve);
    town.route(&[("v1", 90), ("v2", 10)]);
    let up = Up::start(&[&town.path()]);
    up.is_ready();
    let top = Terminal::start(80, 24, &["top", "--proxy-admin", &up.admin]);
    top.shows("meshtcp top  proxy 127.0.0.1:");
    let clients: Vec<_> = (0..20)
        .map(|_| {
            let mut client = std::net::TcpStream::connect(("127.0.0.1", town.outbound)).unwrap();
            client.read_exact(&mut [0]).unwrap();
            client
        })
        .collect();
    let screen = top.shows("90/10");
    assert!(screen.contains("redis") && screen.contains("CONN/S"), "{screen}");
    assert!(screen.lines().all(|line| line.chars().count() <= 80), "{screen}");
    top.press(&["/", "c", "a", "n", "a", "r", "y", "Enter"]);
    top.shows("1 of ");
    top.press(&["Enter"]);
    let screen = top.shows("backends of ");
    assert!(screen.contains("WANTED"), "{screen}");
    // wider: the columns that did not fit are shown
    assert!(!screen.contains("RESETS/S"), "{screen}");
    assert!(top.tmux(&["resize-window", "-x", "200", "-y", "60"]).is_some());
    top.shows("RESETS/S");
    assert!(top.tmux(&["resize-window", "-x", "80", "-y", "24"]).is_some());
    eventually("narrow again", || !top.screen().contains("RESETS/S"));
    // a row that can be chosen
    top.shows("v1");
    top.press(&["Enter"]);
    top.shows("endpoints of ");
    // the first line names the proxy
    let is_there = |line: &str| line.contains("127.0.0.1:");
    eventually("an endpoint", || top.screen().lines().skip(1).any(is_there));
    top.press(&["Enter"]);
    let screen = top.shows("connections to 127.0.0.1:");
    assert!(screen.contains("CLIENT") && screen.contains("127.0.0.1:"), "{screen}");
    top.press(&["?"]);
    top.shows("keys and columns");
    top.press(&["?"]);
    top.press(&["q"]);
    let screen = top.shows("ended with 0");
    assert!(!screen.contains("meshtcp top"), "the screen is as it was: {screen}");
    drop(clients);
}

#[test]
fn a_terminal_that_is_closed_ends_it_and_what_is_none_is_refused() {
    let town = Town::new();
    let up = Up::start(&[&town.path()]);
    up.is_ready();
    let top = Terminal::start(100, 30, &["top", "--proxy-admin", &up.admin]);
    top.shows("meshtcp top");
    let pid = top.tmux(&["list-panes", "-F", "#{pane_pid}"]).unwrap().trim().to_owned();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let child = children.trim().to_owned();
    assert!(std::path::Path::new(&format!("/proc/{child}")).exists());
    assert!(top.tmux(&["kill-server"]).is_some());
    eventually("it has ended", || !std::path::Path::new(&format!("/proc/{child}")).exists());

    let none = meshtcp(["top", "--proxy-admin", &up.admin]).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(none.stderr).unwrap();
    assert!(none.status.code() == Some(3) && said.contains("draws on a terminal"), "{said}");
    let nobody = Terminal::start(100, 30, &["top", "--server", "127.0.0.1:1"]);
    let screen = nobody.shows("ended with 4");
    assert!(screen.contains("cannot be reached") && screen.contains("is it running?"), "{screen}");
}
